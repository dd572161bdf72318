"""
The terminal: all that a command says goes through here.

The rule: nothing of what is said is obeyed, neither by the terminal nor as markup, since a producer, a file's name or a
service may have written it. tests/cli/test_hostile_text.py holds every command to it.
"""

import codecs
import io
import logging
import sys
import textwrap
from collections.abc import Iterable
from typing import Any, NoReturn, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from stream_consumer.contract.printable import escaped, printable
from stream_consumer.errors import StreamConsumerError


def open_output() -> None:
    """
    Make standard output and standard error take any text, whatever their encoding, and also where they are closed.

    A character that the encoding lacks is escaped as in JSON, so JSON stays the JSON that it was.
    """
    codecs.register_error("json", _escape_missing)
    logging.raiseExceptions = False  # a log line that cannot be written is no traceback
    sys.stdout, sys.stderr = sys.stdout or _Nowhere(), sys.stderr or _Nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="json")


def _escape_missing(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return escaped(error.object[error.start : error.end]), error.end


def flush_output() -> OSError | None:
    """Write what standard output still holds. If that fails, return why, and write nothing more to it."""
    try:
        sys.stdout.flush()
    except OSError as error:
        sys.stdout = _Nowhere()
        return error
    return None


class OutputFailed(StreamConsumerError):
    """Standard output is closed or full."""


def refuse_output(error: OSError) -> NoReturn:
    """
    End the command because of *error*, which standard output raised.

    Raises:
        SystemExit: Nobody reads it any more, such as ``head``, which is no news.
        OutputFailed: It cannot be written for another reason.
    """
    if isinstance(error, BrokenPipeError):
        raise SystemExit(1) from None
    raise OutputFailed(f"standard output cannot be written: {error.strerror}") from error


class _Nowhere(io.StringIO):
    """Takes what nobody can be told."""

    def write(self, text: str, /) -> int:
        return len(text)


class Terminal(Console):
    """
    A console that shows text as it is. Its own styles are arguments, never markup.

    With *lines* each text is one line for a file or a pipe. A terminal gets it wrapped between words, and a longer
    word, such as a path, whole.
    """

    def __init__(self, *, stderr: bool = False, lines: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)
        self._lines = lines

    def print(self, *objects: Any, **how: Any) -> None:
        if self._lines:
            how = {"soft_wrap": True} | how
            objects = tuple(map(self._wrapped, objects)) if self.file.isatty() else objects
        try:
            super().print(*objects, **how)
        except OSError as error:
            if not self.stderr:  # else nobody can be told
                refuse_output(error)

    def _wrapped(self, text: str | Text) -> Text:
        wrapped = self.render_str(text) if isinstance(text, str) else text.copy()
        # Rich would break a long word, too, so that it could not be copied.
        wrapped.plain = textwrap.fill(wrapped.plain, self.width, break_long_words=False, break_on_hyphens=False)
        return wrapped

    def render_str(self, text: str, **how: Any) -> Text:
        """Return *text*, also of a table's cell, with nothing in it but line feeds to obey."""
        plain = {name: how[name] for name in ("style", "justify", "overflow") if how.get(name) is not None}
        return Text("\n".join(map(printable, text.split("\n"))), **plain)


def print_table(rows: Iterable[tuple[str, ...]]) -> None:
    """Print *rows* on standard output as columns. A long cell is folded."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    Terminal().print(table)


def say(text: str, *, flush: bool = False, to: TextIO | None = None) -> None:
    """Print *text* as one line on standard output, or on another stream."""
    try:
        print(printable(text), file=to, flush=flush)
    except OSError as error:
        refuse_output(error)


def hint(text: str) -> None:
    """Print *text* as one line on standard error, beside whatever display of progress is there."""
    print(printable(text), file=sys.stderr)


def complain(text: str) -> None:
    """Print *text* as one line on standard error."""
    Terminal(stderr=True, lines=True).print(printable(text))


def error(text: str) -> None:
    """Print *text* as one line on standard error, as what ended the command. A file's name may have line ends."""
    Terminal(stderr=True, lines=True).print(Text.assemble(("error:", "bold red"), " ", printable(text)))
