"""The demo's consumer: the streams, the bucket, the mapping to a function, and the dead letters."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from stream_consumer.local.demo.background import Background
from stream_consumer.local.mapping.config import MappingConfig, Pace
from stream_consumer.local.mapping.event_source_mapping import EventSourceMapping
from stream_consumer.local.mapping.events import Event, Invoked, Observer, Tally
from stream_consumer.local.mapping.on_failure import S3Destination
from stream_consumer.operate.dead_letter_bucket import (
    MAPPING_PREFIX,
    DeadLetterBucket,
    Selection,
    StoredDeadLetter,
    letters,
)

if TYPE_CHECKING:
    from stream_consumer.aws.clients import Clients
    from stream_consumer.local.runtime.functions import Function

INPUT_STREAM = "ride_events"
OUTPUT_STREAM = "ride_predictions"
BUCKET = "ride-failures"
DEAD_LETTER_PREFIX = "dead-letters"

POLL_SECONDS = 0.05


def function_environment(model_location: str) -> dict[str, str]:
    """Return the settings of a function that serves the model at *model_location*."""
    return {
        "MODEL_LOCATION": model_location,
        "PREDICTIONS_STREAM_NAME": OUTPUT_STREAM,
        "DEAD_LETTER_BUCKET": BUCKET,
        "DEAD_LETTER_PREFIX": DEAD_LETTER_PREFIX,
        "POWERTOOLS_LOG_LEVEL": "ERROR",
    }


def mapping_to(
    function: "Function", clients: "Clients", observer: Observer, *, batch_size: int = 500
) -> EventSourceMapping:
    """Return the mapping of the input stream to *function*. Given-up records get a document in the bucket."""
    config = MappingConfig(
        stream_name=INPUT_STREAM,
        batch_size=batch_size,
        maximum_retry_attempts=10,
        bisect_batch_on_function_error=True,
        report_batch_item_failures=True,
    )
    return EventSourceMapping(
        clients.kinesis,
        function,
        config,
        on_failure=S3Destination(clients.s3, BUCKET),
        observer=observer,
        pace=Pace(poll_seconds=POLL_SECONDS, retry_seconds=POLL_SECONDS),
    )


class Watch(Tally):
    """Counts events, and keeps the function's last error."""

    last_error = ""

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if isinstance(event, Invoked) and event.invocation.error:
            self.last_error = f"{event.invocation.error.error_type}: {event.invocation.error.message}"


class Consuming:
    """Runs a mapping in a thread of its own."""

    def __init__(self, mapping: EventSourceMapping) -> None:
        self._mapping = mapping
        self._background = Background("mapping", mapping.run)
        self._background.start()
        self.check = self._background.check

    def drain(self, meanwhile: Callable[[], None]) -> None:
        """Wait until the whole stream is consumed."""
        self._mapping.drain()
        while self._background.running(0.1):
            meanwhile()
        self.check()

    def stop(self) -> None:
        self._mapping.stop()
        self._background.stop()


def dead_letters(clients: "Clients") -> list[StoredDeadLetter]:
    """Return the dead letters that the function wrote."""
    bucket = DeadLetterBucket(clients.s3, BUCKET, DEAD_LETTER_PREFIX)
    # An object without dead letters makes the counts differ, and the outcome reports the difference.
    found = letters(bucket.documents(bucket.keys()), Selection(), lambda _: None)
    # The mapping's observer counts the given-up records.
    return [letter for letter in found if not letter.document.startswith(MAPPING_PREFIX)]
