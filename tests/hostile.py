"""A text that nobody should obey, neither a terminal nor a log nor a page."""

HOSTILE = "\x1b]0;owned\x07\x9b31m\u202e[/red][bold]\x7f\u2028"
SHOWN = r"\u001b]0;owned\u0007\u009b31m\u202e[/red][bold]\u007f\u2028"
