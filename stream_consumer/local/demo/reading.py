"""The demo's reader of predictions."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from stream_consumer.contract.envelope import Envelope
from stream_consumer.local.demo.background import Background
from stream_consumer.local.demo.consuming import OUTPUT_STREAM, POLL_SECONDS
from stream_consumer.reader import PredictionReader, Received

if TYPE_CHECKING:
    from stream_consumer.aws.clients import Clients


class Reader(Protocol):
    """The part of a reader of predictions that the demo uses, for a stream or a topic."""

    @property
    def duplicates(self) -> int: ...

    def checkpoint(self) -> Mapping[str, Any]: ...

    def __iter__(self) -> Iterator[Received]: ...


Pause = Callable[[float], None]
"""Waits a number of seconds. Ends the reader's work after a request to stop."""
OpenReader = Callable[[Pause | None, Mapping[str, Any] | None], Reader]
"""Opens a reader behind a checkpoint. With a pause the reader follows, and pauses each turn. Otherwise it stops."""


def stream_reader(clients: "Clients", envelope: Envelope) -> OpenReader:
    """Return a function that opens readers of the output stream."""

    def opened(pause: Pause | None, checkpoint: Mapping[str, Any] | None) -> Reader:
        return PredictionReader(
            clients.kinesis,
            OUTPUT_STREAM,
            follow=pause is not None,
            envelope=envelope,
            checkpoint=checkpoint,
            poll_seconds=POLL_SECONDS,
            sleep=pause or time.sleep,
        )

    return opened


class Reading:
    """Reads predictions in a thread of its own, to measure latency during the puts."""

    def __init__(self, open_reader: OpenReader, count: Callable[[Received], object]) -> None:
        """*count* gets each prediction, in the reader's thread."""
        self.received: list[tuple[Received, float]] = []
        self.duplicates = 0
        self._open = open_reader
        self._count = count
        self._background = Background("reader", lambda: self._take(self._reader))
        self._reader = open_reader(self._background.pause, None)
        self._background.start()
        self.check = self._background.check
        self.stop = self._background.stop

    def _take(self, reader: Reader) -> None:
        for received in reader:
            self.received.append((received, time.monotonic()))
            self._count(received)

    def finish(self) -> None:
        """Read the remaining predictions and stop."""
        self.stop()
        self.check()
        rest = self._open(None, self._reader.checkpoint())
        self._take(rest)
        self.duplicates = self._reader.duplicates + rest.duplicates
