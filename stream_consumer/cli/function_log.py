"""
The log of a function that ``consume`` runs: its lines on standard error, and its batches on standard output.

The rule: standard output has nothing but batches and the total. A file or a pipe on standard error gets each log line,
escaped. A terminal gets the first few in short.
"""

import contextlib
import functools
import io
import json
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from stream_consumer.cli.batch_lines import Batch, Total
from stream_consumer.cli.terminal import hint, say
from stream_consumer.local.demo.function_metrics import MetricsTally
from stream_consumer.local.mapping.events import Event, Invoked, Tally

if TYPE_CHECKING:
    from stream_consumer.local.runtime.functions import Function, Invocation

MOST_LINES = 10
"""A person reads the first log lines and then the batches."""

_LEFT_OUT = {"level", "message", "location", "timestamp", "service", "request_id"}


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
    """
    Observes a consumer and takes its function's log lines.

    Standard output gets a line for each batch and the total, as JSON if a program reads them. Standard error gets the
    log lines: all of them, or the first few in short if a person reads them.
    """

    def __init__(self, output: TextIO, *, as_json: bool, in_short: bool) -> None:
        super().__init__()
        self._output = output
        self._as_json = as_json
        self._in_short = in_short
        self._metrics = MetricsTally()
        self._call = threading.local()
        """The metrics of the invocation that this thread has made last."""
        self._metrics_by_request: dict[str, dict[str, float]] = {}
        self._lines = 0
        self._is_begun = False

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if isinstance(event, Invoked) and not event.invocation.throttled:
            metrics = self._metrics_by_request.pop(event.invocation.request_id, {})
            self._print(Batch.of(event, metrics))

    def call(self, function: "Function", payload: bytes) -> "Invocation":
        """Invoke *function*, and keep the metrics that it prints in this thread for the batch's line."""
        self._call.metrics = metrics = MetricsTally()
        invocation = function.invoke(payload)
        self._metrics_by_request[invocation.request_id] = metrics.sums()
        return invocation

    def take(self, text: str) -> None:
        """Print one log line, in short unless it carries metrics or comes after the first few."""
        is_metrics = self._metrics.take(text)
        if is_metrics and (metrics := getattr(self._call, "metrics", None)):
            metrics.take(text)
        if not self._in_short:
            hint(text)
        elif text and not is_metrics:
            self._lines += 1
            if self._lines <= MOST_LINES:
                width = shutil.get_terminal_size().columns
                line = readable(text)
                hint(line if len(line) <= width else line[: width - 1] + "…")

    def begin(self) -> None:
        """Learn that the model is loaded and consuming begins, so that there is a total."""
        self._is_begun = True

    def settled(self, batch: Batch) -> None:
        """Count a batch of a consumer group, and print its line."""
        self.counts = replace(
            self.counts,
            invocations=self.counts.invocations + 1,
            errors=self.counts.errors + (batch.error is not None),
            records_settled=self.counts.records_settled + batch.records - (batch.unsettled or 0),
        )
        self._print(batch)

    def end(self) -> None:
        """Print the total, unless consuming has not begun."""
        if self._is_begun:
            self._print(Total.of(self.counts, self._metrics.sums()))
        if hidden := max(0, self._lines - MOST_LINES):
            hint(f"{hidden:,} more log lines (2>&1 | cat shows all)")

    def _print(self, said: Batch | Total) -> None:
        say(said.json() if self._as_json else said.line(), to=self._output, flush=True)


@contextlib.contextmanager
def watched(*, as_json: bool) -> Iterator[FunctionLog]:
    """Give a log whose total is printed at the end, also when Ctrl-C or SIGTERM is that end."""
    as_json = as_json or not sys.stdout.isatty()
    log = FunctionLog(sys.stdout, as_json=as_json, in_short=sys.stderr.isatty())
    with escaped_output():
        lines = Lines(log.take)
        try:
            with contextlib.redirect_stdout(lines):
                yield log
        finally:
            lines.end()
            log.end()


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
