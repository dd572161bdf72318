"""
The daily run: the predictions of one day, from the archives, against their outcomes.

The rule: memory is bounded for any size of a day. Lines go to parts on disk by identifier, and parts are joined one at
a time.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from stream_consumer.archive.layout import lines, objects
from stream_consumer.batch.locations import Location
from stream_consumer.batch.storage import Stores
from stream_consumer.contract.envelope import Envelope
from stream_consumer.contract.outcome import decode_outcome
from stream_consumer.contract.prediction import decode_prediction
from stream_consumer.errors import StreamConsumerError, UsageError
from stream_consumer.quality.join import EVENTS, OUTCOMES, PREDICTIONS, added, joined
from stream_consumer.quality.partitions import PARTS, Partitions
from stream_consumer.quality.result import DayQuality, Errors, GroupErrors, Registered, VersionErrors
from stream_consumer.quality.values import NEITHER, comparable, comparable_outcome

MOST_GROUPS = 10_000

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)

# Time after the deadline in which late outcomes are still read, to count them. A punctual run finds no such hours.
_LATE = timedelta(days=7)

_FILES = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")


class NothingPredicted(StreamConsumerError):
    """An archive has no prediction of the day."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources of a day."""

    predictions: Location
    outcomes: Location
    """An archive, or a file of outcomes."""
    events: Location | None = None
    """The archive of the input stream, for the groups."""
    group: str = ""
    """The input column with the groups."""
    envelope: Envelope = Envelope()  # noqa: RUF009 (frozen)
    wait: timedelta = _DAY
    """Time after the end of the day in which an outcome is in time."""


Registry = Callable[[str, str], Registered | None]
"""Returns the registered errors of a model version."""


def judge(stores: Stores, sources: Sources, day: date, registered: Registry) -> DayQuality:
    """
    Return the result of *day*, without its ringing versions.

    Raises:
        NothingPredicted: The archive has no prediction of the day.
        StoreFailed: An archive cannot be read, or scratch is full.
        UsageError: The groups are too many.
    """
    with stores.scratch() as scratch:
        run = _Run(stores, sources, datetime.combine(day, time(), UTC), scratch)
        run.read()
        return run.result(registered)


class _Run:
    """One run."""

    def __init__(self, stores: Stores, sources: Sources, begin: datetime, scratch: Path) -> None:
        self._stores = stores
        self._sources = sources
        self._begin = begin
        self._predictions = Partitions(scratch / "predictions", PREDICTIONS)
        self._outcomes = Partitions(scratch / "outcomes", OUTCOMES)
        self._events = Partitions(scratch / "events", EVENTS)
        self._malformed_predictions = self._malformed_outcomes = 0

    def read(self) -> None:
        """Read the archives into parts."""
        with self._predictions, self._outcomes, self._events:
            count = self._read_predictions()
            self._read_outcomes()
            if self._sources.events:
                self._read_events(self._sources.events)
        if not count:
            raise NothingPredicted(
                f"{self._sources.predictions} has no prediction of {self._begin:%Y-%m-%d}; look at the archive's "
                "hours, which are those of UTC, and at --id-field and --prediction-field"
            )

    def _read_predictions(self) -> int:
        """Return the number of predictions. The hour before is read too, to recognise repetitions of its events."""
        count = 0
        for hour, line in self._lines(self._sources.predictions, self._begin - _HOUR, self._begin + _DAY):
            earlier = hour < self._begin
            try:
                one = decode_prediction(line, self._sources.envelope)
            except ValueError:
                self._malformed_predictions += not earlier
                continue
            count += not earlier
            # A prediction without an event id counts as an event of its own.
            event_id = one.event_id or f"direct {count} {hour}"
            self._predictions.add(_key(one.id), event_id, one.model, one.version, *comparable(one.value), earlier)
        return count

    def _read_outcomes(self) -> None:
        in_time = self._begin + _DAY + self._sources.wait
        location = self._sources.outcomes
        found = (
            ((self._begin, line) for line in lines(self._stores, location))
            if location.text.endswith(_FILES)
            else self._lines(location, self._begin, in_time + _LATE)
        )
        for hour, line in found:
            try:
                one = decode_outcome(line, self._sources.envelope)
                value = comparable_outcome(one.value)
            except ValueError:
                value = NEITHER
            if value == NEITHER:
                self._malformed_outcomes += 1
            else:
                self._outcomes.add(_key(one.id), *value, hour >= in_time)

    def _read_events(self, archive: Location) -> None:
        for _, line in self._lines(archive, self._begin - _HOUR, self._begin + _DAY):
            if event := _grouped(line, self._sources):
                self._events.add(*event)

    def _lines(self, archive: Location, begin: datetime, end: datetime) -> Iterator[tuple[datetime, bytes]]:
        for hour, location in objects(self._stores, archive, begin, end):
            for line in lines(self._stores, location):
                yield hour, line

    def result(self, registered: Registry) -> DayQuality:
        """Join the parts."""
        sums: list[pa.Table] = []
        again = outcomes_again = 0
        for part in range(PARTS):
            tables = [side.table(part) for side in (self._predictions, self._outcomes, self._events)]
            if not any(map(len, tables)):
                continue
            table, predictions, outcomes = joined(*tables)
            sums = [added(pa.concat_tables([*sums, table]))]
            again, outcomes_again = again + predictions, outcomes_again + outcomes
            self._refuse_many(sums[0])
        rows = sums[0].to_pylist()
        return DayQuality(
            day=self._begin.date(),
            errors=Errors.of(rows),
            versions=_versions(rows, registered),
            groups=_groups(rows) if self._sources.events else (),
            duplicate_predictions=again,
            duplicate_outcomes=outcomes_again,
            malformed_predictions=self._malformed_predictions,
            malformed_outcomes=self._malformed_outcomes,
        )

    def _refuse_many(self, sums: pa.Table) -> None:
        if len(sums) > MOST_GROUPS:
            raise UsageError(
                f"--group {self._sources.group} makes more than {MOST_GROUPS:,} groups; name a column of few values"
            )


def _key(identifier: Any) -> str:
    """Return the key of an identifier. A number and its digits as a string have different keys."""
    return msgspec.json.encode(identifier).decode()


def _grouped(line: bytes, sources: Sources) -> tuple[str, str] | None:
    """Return the key and the group of an event. None without a group, since such an event is a dead letter."""
    envelope = sources.envelope
    try:
        event = msgspec.json.decode(line)
        entity = event[envelope.entity] if envelope.entity else event
        value = entity.get(sources.group)
        return _key(event[envelope.id]), "" if value is None else str(value)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _versions(rows: list[dict[str, Any]], registered: Registry) -> tuple[VersionErrors, ...]:
    found = []
    for (model, version), some in _by(rows, "model", "version").items():
        errors, known = Errors.of(some), registered(model, version)
        found.append(VersionErrors(model, version, errors, known, known.excess(errors) if known else None))
    return tuple(sorted(found, key=lambda one: (-one.errors.predictions, one.name)))


def _groups(rows: list[dict[str, Any]]) -> tuple[GroupErrors, ...]:
    found = [GroupErrors(group, Errors.of(some)) for (group,), some in _by(rows, "group").items()]
    return tuple(sorted(found, key=lambda one: (-one.errors.predictions, one.group)))


def _by(rows: list[dict[str, Any]], *names: str) -> Mapping[tuple[str, ...], list[dict[str, Any]]]:
    found: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in names), []).append(row)
    return found
