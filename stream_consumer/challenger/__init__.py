"""The challenger: a second model, which scores each batch after the champion and cannot change anything."""
