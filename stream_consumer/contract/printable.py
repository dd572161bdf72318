"""
Make foreign text safe to show. Producers, file names and services may contain any character.

The rule: any text passes here on its way to a terminal or a log. A character that controls a terminal, or reorders or
hides its neighbours, is escaped as in JSON, so JSON keeps its meaning.
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
    """Return every character of *text* as a JSON escape."""
    units = text.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def log_line(record: Any) -> str:
    """Return *record* as JSON on one line, for Powertools to write to the log."""
    return printable(json.dumps(record, default=str, separators=(",", ":"), ensure_ascii=False))
