"""The demo's reader of predictions."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from stream_consumer.contract.envelope import Envelope
from stream_consumer.local.demo.background import Background
from stream_consumer.local.demo.consuming import OUTPUT_STREAM, POLL_SECONDS
from stream_consumer.reader import PredictionReader, Received

if TYPE_CHECKING:
    from stream_consumer.aws.clients import Clients


class Reading:
    """Reads predictions in a thread of its own, so that latency is measured while records are still put."""

    def __init__(
        self,
        clients: "Clients",
        count: Callable[[Received], object],
        envelope: Envelope = Envelope(),  # noqa: B008 (frozen)
    ) -> None:
        """*count* is told of each prediction, from the reader's thread."""
        self.received: list[tuple[Received, float]] = []
        self.duplicates = 0
        self._clients = clients
        self._count = count
        self._envelope = envelope
        self._background = Background("reader", lambda: self._take(self._reader))
        self._reader = PredictionReader(
            clients.kinesis, OUTPUT_STREAM, envelope=envelope, poll_seconds=POLL_SECONDS, sleep=self._background.pause
        )
        self._background.start()
        self.check = self._background.check
        self.stop = self._background.stop

    def _take(self, reader: PredictionReader) -> None:
        for received in reader:
            self.received.append((received, time.monotonic()))
            self._count(received)

    def finish(self) -> None:
        """Read what is left and end."""
        self.stop()
        self.check()
        rest = PredictionReader(
            self._clients.kinesis,
            OUTPUT_STREAM,
            envelope=self._envelope,
            follow=False,
            checkpoint=self._reader.checkpoint(),
        )
        self._take(rest)
        self.duplicates = self._reader.duplicates + rest.duplicates
