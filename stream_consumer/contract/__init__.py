"""The wire formats. Each format is read and written in this package only."""
