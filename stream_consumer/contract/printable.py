"""
What others wrote, as it may be shown: producers, files' names and services may say anything.

The rule: whatever reaches a terminal or a log passes here first. A character that a terminal would obey, or that would
reorder or hide its neighbours, is shown as JSON would escape it, so JSON stays the JSON that it was.
"""

import json
from typing import Any


def printable(text: str) -> str:
    r"""
    Return *text* on one line, with its control, formatting and unassigned characters escaped.

        >>> printable("\x1b]0;owned\x07")
        '\\u001b]0;owned\\u0007'
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else escaped(character) for character in text)


def escaped(text: str) -> str:
    """Return every character of *text* as JSON can escape it."""
    units = text.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def log_line(record: Any) -> str:
    """Return *record* as JSON of one line: what Powertools writes to the log."""
    return printable(json.dumps(record, default=str, separators=(",", ":"), ensure_ascii=False))
