"""
What a person at a terminal sees of a function: its first log lines, how far it is, and a summary.

The rule: only a terminal gets lines other than the function's own. A file or a pipe gets each line, escaped.
"""

import contextlib
import functools
import io
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TextIO

from rich.table import Table

from stream_consumer.cli.progress import stages
from stream_consumer.cli.terminal import Terminal, hint, say
from stream_consumer.local.demo.function_metrics import MetricsTally
from stream_consumer.local.mapping.events import Event, Tally
from stream_consumer.training.progress import Progress

MOST_LINES = 10
"""A person reads the first log lines and then the summary."""

_LEFT_OUT = {"level", "message", "location", "timestamp", "service", "request_id"}


def is_terminal() -> bool:
    """Return whether a person reads both standard output and standard error."""
    return sys.stdout.isatty() and sys.stderr.isatty()


class Lines(io.TextIOBase):
    """A text stream that hands each whole line on, in place of the stream *instead_of*."""

    def __init__(self, take: Callable[[str], object], instead_of: TextIO | None = None) -> None:
        self._take = take
        self._rest = ""
        # By this name rich looks for the terminal behind a stream that stands in for it.
        self.rich_proxied_file = getattr(instead_of, "rich_proxied_file", instead_of)

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._take(line)
        return len(text)

    def end(self) -> None:
        """Hand on the last line, which has no line end."""
        if self._rest:
            self.write("\n")


@contextlib.contextmanager
def escaped_output() -> Iterator[None]:
    """Escape what is printed, by this process and by a function in it, on either standard stream."""
    with contextlib.ExitStack() as stack:
        for stream, redirect in ((sys.stdout, contextlib.redirect_stdout), (sys.stderr, contextlib.redirect_stderr)):
            lines = Lines(functools.partial(say, to=stream, flush=True), instead_of=stream)
            stack.callback(lines.end)
            stack.enter_context(redirect(lines))
        yield


class FunctionLog(Tally):
    """Observes a mapping and takes its function's log lines, for a person at a terminal."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress
        self._metrics = MetricsTally()
        self._lines = 0

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        self._progress(f"consuming: {self.counts.records_settled:,} records")

    def take(self, text: str) -> None:
        """Print one log line, unless it carries metrics or comes after the first few."""
        if not text or self._metrics.take(text):
            return
        self._lines += 1
        if self._lines <= MOST_LINES:
            width = shutil.get_terminal_size().columns
            line = readable(text)
            # The progress display on standard error makes room for the line.
            hint(line if len(line) <= width else line[: width - 1] + "…")

    def summary(self) -> list[tuple[str, str]]:
        """Return rows of a name and a value."""
        counts, sums = self.counts, self._metrics.sums()
        rows = [
            ("records", f"{counts.records_settled:,} settled, {counts.records_discarded:,} of them discarded"),
            ("invocations", f"{counts.invocations:,}, {counts.errors:,} of them failed"),
        ]
        if "PredictionsPublished" in sums:
            rows += [
                ("predictions", f"{sums['PredictionsPublished']:,.0f}"),
                ("dead letters", f"{sums['DeadLetters']:,.0f}"),
                ("in the model", f"{sums['ModelTime']:,.0f} ms"),
            ]
        if hidden := max(0, self._lines - MOST_LINES):
            rows.append(("log lines", f"{hidden:,} more (2>&1 | cat shows all)"))
        return rows


@contextlib.contextmanager
def watched() -> Iterator[FunctionLog]:
    """Give a log whose summary is printed at the end, also when Ctrl-C is that end."""
    with contextlib.ExitStack() as stack:
        log = FunctionLog(stack.enter_context(stages()))
        try:
            yield log
        finally:
            stack.close()
            if log.counts.shards_started:
                _print(log.summary())


def _print(rows: Iterable[tuple[str, str]]) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    Terminal().print(table)


def readable(text: str) -> str:
    """
    Return a JSON log line as ``LEVEL message: name=value …``, and any other line as it is.

    Example: ``{"level": "WARNING", "message": "invalid record", "reason": "schema"}`` becomes
    ``WARNING invalid record: reason=schema``.
    """
    try:
        entry = json.loads(text)
    except ValueError:
        return text
    if not isinstance(entry, Mapping) or "message" not in entry:
        return text
    values = " ".join(f"{name}={value}" for name, value in entry.items() if name not in _LEFT_OUT)
    return f"{entry.get('level', '')} {entry['message']}".strip() + (f": {values}" if values else "")
