"""
A mapping, its execution environments and the services they call, in simulated time: a schedule in, a run out.

The rule: no threads, no real time, no chance. The handler, its sinks and the mapping's rules are the real ones; what is
imitated is what they ask: Kinesis, S3, time, and the process that may die under them.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest

from stream_consumer.contract.lambda_event import records_from_lambda
from stream_consumer.contract.record import Record
from stream_consumer.local.mapping.config import Pace
from stream_consumer.local.mapping.delivery_rules import Batch, Discarded
from stream_consumer.local.mapping.lambda_records import ShardSource, StreamRecord, render_event
from stream_consumer.local.mapping.on_failure import DestinationUnavailable, Origin, S3Destination
from stream_consumer.local.mapping.shard_queue import Lane, ShardQueue
from stream_consumer.local.runtime.functions import FunctionError, Invocation
from tests.fakes import FakeKinesis, FakeS3
from tests.faults.environment import Died, Environment, Time
from tests.faults.ingredients import INGREDIENTS, REFUSED_ID
from tests.faults.run import Delivery, Run
from tests.faults.schedules import Again, Die, Restart, Schedule, Throttled, Trouble
from tests.rides import ARRIVAL, SHARD, STREAM_ARN, sequence_number

FUNCTION_ARN = "arn:aws:lambda:us-east-1:123456789012:function:stream-consumer"
MOST_DELIVERIES = 1_000
"""A schedule needs fewer: at most one a record, one a fault, and as many as the batch has halves after each."""


class World:
    """Plays one schedule."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.time = Time(ARRIVAL)
        source = ShardSource(STREAM_ARN, SHARD)
        self._records = [
            source.record(
                {
                    "SequenceNumber": sequence_number(position),
                    "PartitionKey": key,
                    "Data": INGREDIENTS[name].data,
                    "ApproximateArrivalTimestamp": datetime.fromtimestamp(ARRIVAL, UTC),
                }
            )
            for position, (key, name) in enumerate(schedule.records)
        ]
        self._troubles = iter(schedule.troubles)
        self._pages = list(schedule.pages)
        self._read = self._checkpoint = self._calls = 0
        self._queue = ShardQueue(schedule.mapping, Pace())
        self.run = Run(
            schedule,
            _decoded(self._records),
            FakeKinesis(self.time, schedule.kinesis, forbidden=[REFUSED_ID.encode()]),
            FakeS3(self.time, schedule.s3),
            FakeS3(self.time, schedule.destination, buckets=("failures",)),
        )
        self._on_failure = S3Destination(self.run.destination.client, "failures")
        self._environment = Environment(self)

    def play(self) -> Run:
        """Deliver everything until the shard is settled."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("stream_consumer.kinesis.stream_writer.MAX_ENTRIES", self.schedule.request_entries)
            while self._checkpoint < len(self._records):
                assert len(self.run.deliveries) < MOST_DELIVERIES, "the shard does not advance"
                self._step()
            self._land()
        return self.run

    def before_call(self) -> None:
        if self._calls in self.schedule.landings:
            self._land()
        self._calls += 1

    def deliver_again(self, again: Again) -> None:
        """Deliver from the checkpoint, in another environment and beside the delivery at hand, which does not wait."""
        self.run.struck(again)
        now, took = self.time.now, self.time.took
        self._invoke(Environment(self), self._records[self._checkpoint : self._checkpoint + again.size], ignored=True)
        self.time.now, self.time.took = now, took

    def _step(self) -> None:
        if self._read < len(self._records) and not self._queue.full:
            end = self._read + (self._pages.pop(0) if self._pages else len(self._records))
            self._queue.add(self._records[self._read : end], self.time.now)
            self._read = min(end, len(self._records))
        for lane, work in self._queue.take(self.time.now):
            if isinstance(work, Discarded):
                if self._discard(work):
                    self._queue.delivered(lane, work)
                else:
                    self._queue.postpone(lane, self.time.now)
                continue
            invocation = self._deliver(work)
            if invocation is None:
                self.run.struck(Restart())
                self._restart()
                return
            self._queue.invoked(lane, work, invocation, self.time.now)
        moved = self._queue.checkpoint()
        self._checkpoint += moved[0] if moved else 0
        self.time.now += self._queue.wait(self.time.now) or 0.0

    def _deliver(self, batch: Batch) -> Invocation | None:
        """Invoke the function with *batch*; None if the mapping does not hear of the outcome."""
        trouble = next(self._troubles, None)
        if isinstance(trouble, Throttled):
            self.run.struck(trouble)
            return Invocation("", throttled=True)
        delivery = self._invoke(self._environment, batch.records, trouble)
        if delivery.died:
            self._environment = Environment(self)
        if isinstance(trouble, Die):
            self.run.struck(trouble)
        return None if isinstance(trouble, Restart) else delivery.invocation

    def _invoke(
        self,
        environment: Environment,
        records: Sequence[StreamRecord],
        trouble: Trouble | None = None,
        *,
        ignored: bool = False,
    ) -> Delivery:
        event = json.loads(render_event(records))
        delivery = Delivery(records_from_lambda(event), trouble, ignored=ignored, began=self.time.now)
        self.run.deliveries.append(delivery)
        try:
            delivery.invocation = environment.invoke(event, delivery)
        except Died:
            delivery.died = True
            delivery.invocation = Invocation("", error=FunctionError("Runtime.ExitError", "signal: killed"))
        delivery.ended = self.time.now
        return delivery

    def _discard(self, discarded: Discarded) -> bool:
        origin = Origin("mapping", FUNCTION_ARN, STREAM_ARN, SHARD, self.time.now)
        try:
            self._on_failure.deliver(discarded, origin)
        except DestinationUnavailable:
            return False
        return True

    def _restart(self) -> None:
        pending = {record.sequence_number for lane in self._queue.lanes for record in _pending(lane)}
        self.run.forgotten += sum(
            record.sequence_number not in pending for record in _decoded(self._records[self._checkpoint : self._read])
        )
        self._queue, self._read = ShardQueue(self.schedule.mapping, Pace()), self._checkpoint

    def _land(self) -> None:
        for service in (self.run.kinesis, self.run.s3, self.run.destination):
            service.land()


def _pending(lane: Lane) -> Iterator[StreamRecord]:
    for work in lane.work:
        yield from work.batch.records if isinstance(work, Discarded) else work.records
    yield from (record for record, _ in lane.waiting)


def _decoded(records: Sequence[StreamRecord]) -> list[Record]:
    return records_from_lambda(json.loads(render_event(records)))
