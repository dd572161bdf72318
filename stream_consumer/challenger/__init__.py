"""The challenger: a second model that scores each batch after the champion, and can change nothing."""
