"""
An input stream, an output stream and a bucket of one test, and what came of the events in between.

The rule: nothing is taken on trust. What was put, what was published and what was set aside are read back, and compared
with what the core makes of the same records when nothing goes wrong.
"""

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from stream_consumer.aws.clients import Clients
from stream_consumer.consumer import Consumer
from stream_consumer.contract.dead_letter import DeadLetter, decode_dead_letters
from stream_consumer.contract.lambda_event import records_from_lambda
from stream_consumer.contract.prediction import decode_prediction
from stream_consumer.contract.record import Record
from stream_consumer.inference import Decider
from stream_consumer.kinesis.shard_reader import ShardReader, Start, list_shards, stream_arn
from stream_consumer.kinesis.stream_writer import PredictionStream
from stream_consumer.local.demo.malformed_events import mixed_in
from stream_consumer.local.mapping.checkpoints import Checkpoints
from stream_consumer.local.mapping.config import MappingConfig, Pace
from stream_consumer.local.mapping.event_source_mapping import EventSourceMapping
from stream_consumer.local.mapping.events import Observer, unobserved
from stream_consumer.local.mapping.lambda_records import ShardSource, render_event
from stream_consumer.local.runtime.functions import Function
from stream_consumer.models.loading import load_model
from stream_consumer.reader import PredictionReader
from stream_consumer.sinks import Entry, Written
from tests.faults.figures import Figures
from tests.faults.ingredients import AGGREGATES
from tests.rides import ride_event

if TYPE_CHECKING:
    from types_boto3_kinesis.type_defs import RecordTypeDef

PACE = Pace(poll_seconds=0.02, retry_seconds=0.05, retry_limit_seconds=0.5)
BATCH = 200
"""Records."""
PARTS = max(len(ingredient.verdicts) for ingredient in AGGREGATES.values())
"""The most events that :meth:`Scene.put` puts in one record."""
KEYS = 50
"""So many rides share each partition key, so that their order is put to the test."""


class Kept:
    """A sink that takes everything."""

    def __init__(self) -> None:
        self.items: list[object] = []

    def write(self, items: Sequence[object], deadline: float) -> Written:  # noqa: ARG002
        self.items += items
        return Written()


@dataclass(frozen=True, slots=True)
class Faultless:
    """What must come of the events: predictions and dead letters by event."""

    records: list[Record]
    predictions: dict[str | None, Entry]
    letters: dict[str | None, DeadLetter]


class Scene:
    """Streams and a bucket called after *name*."""

    def __init__(self, aws: Clients, name: str, model: Path) -> None:
        self.aws = aws
        self.input, self.output, self.bucket = f"{name}-in", f"{name}-out", f"{name}-failures"
        self._model = load_model(str(model), s3=lambda: aws.s3)
        for stream in (self.input, self.output):
            aws.kinesis.create_stream(StreamName=stream, ShardCount=1)
            aws.kinesis.get_waiter("stream_exists").wait(
                StreamName=stream, WaiterConfig={"Delay": 1, "MaxAttempts": 20}
            )
        aws.s3.create_bucket(Bucket=self.bucket)
        self.environment = {
            "PREDICTIONS_STREAM_NAME": self.output,
            "DEAD_LETTER_BUCKET": self.bucket,
            "MODEL_LOCATION": str(model),
        }

    def put(self, rides: int, *, seed: int = 1) -> None:
        """Put rides of a few keys, malformed records of every kind, and KPL aggregates of both."""
        entries = [
            Entry(str(at % KEYS), ride_event(at % KEYS, 1 + at % 265, 1 + at % 100, at / 100)) for at in range(rides)
        ]
        entries[:: max(1, rides // 20)] = [
            Entry("aggregate", list(AGGREGATES.values())[at % len(AGGREGATES)].data)
            for at in range(len(entries[:: max(1, rides // 20)]))
        ]
        mixed, _ = mixed_in(entries, 0.05, seed)
        written = PredictionStream(self.aws.kinesis, self.input).write(mixed, time.monotonic() + 30)
        assert not written.unwritten

    def mapping(
        self,
        function: Function,
        observer: Observer = unobserved,
        *,
        batch_size: int = BATCH,
        checkpoints: Checkpoints | None = None,
    ) -> EventSourceMapping:
        """Return a mapping of the input to *function* that never gives up."""
        return EventSourceMapping(
            self.aws.kinesis,
            function,
            MappingConfig(stream_name=self.input, batch_size=batch_size, report_batch_item_failures=True),
            observer=observer,
            checkpoints=checkpoints,
            pace=PACE,
        )

    def delete(self) -> None:
        """Give the endpoint its memory back; the bucket stays."""
        for stream in (self.input, self.output):
            self.aws.kinesis.delete_stream(StreamName=stream)

    def faultless(self) -> Faultless:
        """Let the core decide everything that is on the input, here and at once."""
        source = ShardSource(stream_arn(self.aws.kinesis, self.input), "shardId-000000000000")
        event = render_event([source.record(record) for record in self.read(self.input)])
        records = records_from_lambda(json.loads(event))
        predictions, letters = Kept(), Kept()
        Consumer(Decider(self._model), predictions=predictions, dead_letters=letters).process(records)
        # As Kinesis keeps them: the header of a record of Kafka is no part of one.
        entries = [Entry(kept.partition_key, kept.data) for kept in predictions.items if isinstance(kept, Entry)]
        return Faultless(
            records,
            {decode_prediction(entry.data).event_id: entry for entry in entries},
            {letter.event_id: letter for letter in letters.items if isinstance(letter, DeadLetter)},
        )

    def read(self, stream: str) -> "Iterator[RecordTypeDef]":
        """Everything on a stream."""
        arn = stream_arn(self.aws.kinesis, stream)
        for shard in list_shards(self.aws.kinesis, arn):
            reader = ShardReader(self.aws.kinesis, arn, shard["ShardId"], Start())
            while not (page := reader.read()).at_tip:
                yield from page.records

    def check(self, *, duplicates: int | None = 0, ordered: bool = True) -> Figures:
        """
        Hold what came out against the faultless run.

        Args:
            duplicates: How many there may be at most; None for any number.
            ordered: Whether order is promised: not if Kinesis rejected single entries.
        """
        wanted = self.faultless()
        published = [Entry(record["PartitionKey"], record["Data"]) for record in self.read(self.output)]
        events = [decode_prediction(entry.data).event_id for entry in published]
        first = dict(zip(reversed(events), reversed(published), strict=True))
        letters = list(self._letters())
        assert first.keys() == wanted.predictions.keys()
        assert all(entry == wanted.predictions[event] for event, entry in zip(events, published, strict=True))
        assert {letter.event_id for letter in letters} == wanted.letters.keys()
        assert all(letter == wanted.letters[letter.event_id] for letter in letters)
        if ordered:
            _check_order(list(dict.fromkeys(events)), wanted)
        reader = PredictionReader(self.aws.kinesis, self.output, follow=False)
        once = [received.prediction.event_id for received in reader]
        assert once == list(dict.fromkeys(events))
        assert reader.duplicates == len(events) - len(first)
        assert duplicates is None or reader.duplicates <= duplicates
        return Figures(
            schedules=1,
            events=len(wanted.records),
            published=len(published),
            predictions=len(first),
            dead_letters=len(wanted.letters),
        )

    def _letters(self) -> Iterator[DeadLetter]:
        pages = self.aws.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix="dead-letters/")
        for key in [item["Key"] for page in pages for item in page.get("Contents", ())]:
            yield from decode_dead_letters(self.aws.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())


def _check_order(events: Sequence[str | None], wanted: Faultless) -> None:
    """First copies of a partition key keep the order of the input."""
    place = {event: at for at, event in enumerate(events)}
    by_key: defaultdict[str, list[int]] = defaultdict(list)
    for event, entry in wanted.predictions.items():
        by_key[entry.partition_key].append(place[event])
    for places in by_key.values():
        assert all(earlier < later for earlier, later in pairwise(places))
