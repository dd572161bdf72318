"""
The first prediction of each event, for readers of streams and of topics.

The rule: predictions arrive at least once, and memory is bounded. The oldest identifiers are forgotten first.
"""

import logging
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from stream_consumer.contract.envelope import Envelope
from stream_consumer.contract.prediction import Prediction, decode_prediction
from stream_consumer.contract.printable import printable
from stream_consumer.kinesis.stream_pages import Positions

_LOGGER = logging.getLogger(__name__)


class FirstOfEach:
    """Decodes predictions, and leaves out those whose event was seen among the last ``remember``."""

    def __init__(self, envelope: Envelope, remember: int, event_ids: Iterable[str] = ()) -> None:
        """*event_ids* are those seen before, oldest first."""
        self.duplicates = 0
        """Predictions left out because their event had been seen."""
        self.foreign = 0
        """Records left out because they are not predictions."""
        self._envelope = envelope
        self._remember = remember
        self._seen = OrderedDict[str, None].fromkeys(event_ids)

    @property
    def event_ids(self) -> list[str]:
        """Return the identifiers that are remembered, oldest first."""
        return list(self._seen)

    def take(self, data: bytes, name: str) -> Prediction | None:
        """Return the prediction in *data*, or None if there is no new one. *name* is the record in the log."""
        try:
            prediction = decode_prediction(data, self._envelope)
        except (ValueError, RecursionError) as error:
            self.foreign += 1
            _LOGGER.warning("%s is not a prediction: %s", name, printable(str(error)))
            return None
        if self._is_new(prediction.event_id):
            return prediction
        self.duplicates += 1
        return None

    def _is_new(self, event_id: str | None) -> bool:
        """Whether *event_id* is new. The None of a direct invocation always is."""
        if event_id is None:
            return True
        if event_id in self._seen:
            return False
        self._seen[event_id] = None
        if len(self._seen) > self._remember:
            self._seen.popitem(last=False)
        return True


class CheckpointedReader:
    """The counts and the checkpoint of a reader, of a stream or of a topic."""

    def __init__(self, positions: Positions, first: FirstOfEach) -> None:
        self._positions = positions
        self._first = first

    @property
    def duplicates(self) -> int:
        """Number of predictions left out as duplicates."""
        return self._first.duplicates

    @property
    def foreign(self) -> int:
        """Number of records left out because they are not predictions."""
        return self._first.foreign

    def checkpoint(self) -> dict[str, Any]:
        """Return a JSON value from which a later reader goes on behind the last prediction taken."""
        return {
            "shards": dict(self._positions.shards),
            "event_ids": self._first.event_ids,
            **({"stream_arn": self._positions.stream_arn} if self._positions.stream_arn else {}),
            **({"begun": self._positions.begun} if self._positions.begun is not None else {}),
        }
