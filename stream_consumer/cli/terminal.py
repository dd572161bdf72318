"""
The terminal: all that a command says goes through here.

The rule: nothing of what is said is obeyed, neither by the terminal nor as markup, since a producer, a file's name or a
service may have written it. tests/cli/test_hostile_text.py holds every command to it.
"""

import sys
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from stream_consumer.contract.printable import printable


class Terminal(Console):
    """A console that shows text as it is. Its own styles are arguments, never markup."""

    def __init__(self, *, stderr: bool = False, soft_wrap: bool = False) -> None:
        super().__init__(stderr=stderr, soft_wrap=soft_wrap, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **how: Any) -> Text:
        """Return *text*, also of a table's cell, with nothing in it but line feeds to obey."""
        plain = {name: how[name] for name in ("style", "justify", "overflow") if how.get(name) is not None}
        return Text("\n".join(map(printable, text.split("\n"))), **plain)


def say(text: str, *, flush: bool = False, to: TextIO | None = None) -> None:
    """Print *text* as one line on standard output, or on another stream."""
    print(printable(text), file=to, flush=flush)


def hint(text: str) -> None:
    """Print *text* as one line on standard error, beside whatever display of progress is there."""
    print(printable(text), file=sys.stderr)


def complain(text: str) -> None:
    """Print *text* as one line on standard error."""
    Terminal(stderr=True, soft_wrap=True).print(printable(text))


def error(text: str) -> None:
    """Print *text*, which may be of several lines, on standard error as what ended the command."""
    terminal = Terminal(stderr=True, soft_wrap=True)
    terminal.print(Text.assemble(("error:", "bold red"), " ", terminal.render_str(text)))
