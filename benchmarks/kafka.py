"""
A topic through a member of a consumer group, beside a plain loop: ``python -m benchmarks.kafka``.

The rule: both read the same topic of a real broker in batches of 1,000, predict each batch by one call, write with an
idempotent producer, wait for its acknowledgements and commit behind them. They take turns, each in a process of its
own. What a group takes to form is left out: it is the broker's. The broker has the machine's cores, too, so what
counts is the processor time of the consumer's process.
"""

import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import Producer, TopicPartition

from benchmarks.contestants import Setup, native
from benchmarks.workload import workload
from stream_consumer.composition import compose
from stream_consumer.consumer import BatchResult
from stream_consumer.contract.record import Record
from stream_consumer.group.loop import Subscription, consume
from stream_consumer.group.member import Member, Pace
from stream_consumer.group.partitions import PartitionKey
from stream_consumer.kafka.connection import Authentication, Connection
from stream_consumer.local.demo.ride_producer import ride_events
from stream_consumer.settings import Settings
from stream_consumer.telemetry import telemetry
from stream_consumer.training.rides import Rides
from tests.kafka.broker import Broker, broker

OURS, FLOOR = "this project", "floor: confluent-kafka + predict, nothing else"
PARTITIONS, BATCH, SESSION_SECONDS = 4, 1_000, 6
BAR = 0.8
_SECONDS = 900
_DESCRIPTION = (
    "Compare a member of a consumer group with a plain loop of confluent-kafka: the same topic of a real broker, the "
    "same batches and the same acknowledgements. The measure is the processor time of the consumer's process."
)


class WrongResult(Exception):
    """A contestant has not done the work: its speed says nothing."""


class Clock:
    """From the first partition to the last one that is taken away; and the telemetry of the function."""

    def __init__(self, report: Callable[[BatchResult], object] = lambda _result: None) -> None:
        self.records = 0
        self._report = report
        self._began = self._ended = (0.0, 0.0)

    def begin(self) -> None:
        self._began = time.monotonic(), time.process_time()

    def end(self) -> None:
        self._ended = time.monotonic(), time.process_time()

    def figures(self) -> dict[str, float]:
        """Return the records a second of the clock, and of the processor."""
        wall, processor = (end - begin for begin, end in zip(self._began, self._ended, strict=True))
        return {"records": self.records, "wall": self.records / wall, "processor": self.records / processor}

    def decided(self, result: BatchResult, _seconds: float, /) -> None:
        self._report(result)
        self.records += result.settled

    def failed(self, error: Exception, records: Sequence[Record], _seconds: float) -> None:
        raise WrongResult(f"a batch of {len(records)} failed") from error

    def moved(self, change: str, keys: Sequence[PartitionKey], owned: int) -> None:
        if change == "assigned" and keys:
            self.begin()
        elif not owned:
            self.end()

    def behind(self, lags: Mapping[PartitionKey, int]) -> None: ...

    def warned(self, message: str, **fields: object) -> None:
        print(message, fields, file=sys.stderr)


class Never:
    """Nobody asks to stop."""

    asked = False


def ours(brokers: str, setup: Setup, _records: int) -> Clock:
    """This project, as the command line composes it."""
    environ = {"KAFKA_BROKERS": brokers, "KAFKA_AUTHENTICATION": "plaintext", "PREDICTIONS_TOPIC": "ours"}
    os.environ |= {"MODEL_LOCATION": str(setup.model), **environ}
    report = telemetry(os.environ)
    clock = Clock(lambda result: report.invoked(result, None, time.time()))
    composed = compose(Settings.of(os.environ), report.started)
    member = Member(composed.consumer, brokers, Pace(batch_size=BATCH), clock)
    asked = Subscription(
        connection=Connection(brokers, Authentication.PLAINTEXT),
        group="ours",
        topics=["rides"],
        drain=True,
        session_seconds=SESSION_SECONDS,
    )
    consume(asked, member, Never(), lambda error: clock.warned(error.str()))
    return clock


def floor(brokers: str, setup: Setup, records: int) -> Clock:
    """A loop as one writes it: no schema, no check, no dead letter, no offset but the last one of each partition."""
    predict, clock = native(setup), Clock()
    producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True, "partitioner": "murmur2_random"})
    consumer = KafkaConsumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "floor",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": SESSION_SECONDS * 1000,
        }
    )
    consumer.subscribe(["rides"], on_assign=lambda _consumer, keys: clock.begin() if keys else None)
    while clock.records < records:
        messages = consumer.consume(BATCH, 0.5)
        if not messages:
            continue
        events = [json.loads(message.value() or b"") for message in messages]
        rides = [event["ride"] for event in events]
        minutes = predict(
            np.array([[ride["PULocationID"], ride["DOLocationID"], ride["trip_distance"]] for ride in rides], float)
        )
        for event, predicted in zip(events, minutes.tolist(), strict=True):
            prediction = {"ride_duration": predicted, "ride_id": event["ride_id"]}
            value = json.dumps({"model": "ride-duration", "version": "1", "prediction": prediction})
            producer.produce("floor", value, str(event["ride_id"]))
        producer.flush()
        last = {message.partition(): message.offset() for message in messages}
        offsets = [TopicPartition("rides", at or 0, (offset or 0) + 1) for at, offset in last.items()]
        consumer.commit(offsets=offsets, asynchronous=True)
        clock.records += len(messages)
    consumer.close()
    clock.end()
    return clock


CONTESTANTS: dict[str, Callable[[str, Setup, int], Clock]] = {OURS: ours, FLOOR: floor}


def put(running: Broker, rides: Rides, records: int) -> None:
    """Fill the topic with so many records."""
    running.create("rides", PARTITIONS)
    running.create("ours", PARTITIONS)
    running.create("floor", PARTITIONS)
    producer = Producer({"bootstrap.servers": running.address, "linger.ms": 50})
    events = list(ride_events(rides))
    for at in range(records):
        entry = events[at % len(events)]
        produce = functools.partial(producer.produce, "rides", entry.data, entry.partition_key, at % PARTITIONS)
        try:
            produce()
        except BufferError:
            producer.poll(1.0)
            produce()
    if producer.flush(_SECONDS):
        raise WrongResult("the broker did not take the rides")


def measure(name: str, model: Path, rides: Rides, records: int) -> dict[str, float]:
    """Give one contestant a broker and a process of its own."""
    with broker() as running:
        put(running, rides, records)
        command = [sys.executable, "-m", "benchmarks.kafka", "--contestant", name, "--model", str(model)]
        command += ["--brokers", running.address, "--records", str(records)]
        done = subprocess.run(  # noqa: S603 (our own arguments)
            command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, capture_output=True, timeout=_SECONDS
        )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if figures["records"] != records:
        raise WrongResult(f"{name} has settled {figures['records']} of {records} records")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kafka", description=_DESCRIPTION)
    parser.add_argument(
        "--records", type=int, default=200_000, metavar="COUNT", help="Number of records. Default: %(default)s."
    )
    parser.add_argument(
        "--rounds", type=int, default=3, metavar="COUNT", help="Rounds per contestant. Default: %(default)s."
    )
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--brokers", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        clock = CONTESTANTS[options.contestant](options.brokers, Setup(options.model, ""), options.records)
        print(json.dumps(clock.figures()))
        return
    with tempfile.TemporaryDirectory(prefix="kafka-") as folder:
        made = workload(Path(folder), (), ())
        rounds: list[dict[str, dict[str, float]]] = [
            {name: measure(name, made.models["default"], made.rides, options.records) for name in CONTESTANTS}
            for _ in range(options.rounds)
        ]
    print(f"default model, {options.records:,} records of {PARTITIONS} partitions, batch of {BATCH:,}")
    for kind, what in (("processor", "records per processor-second"), ("wall", "records/s (wall)")):
        print(what)
        for name in CONTESTANTS:
            print(f"  {name:50}{statistics.median(one[name][kind] for one in rounds):>10,.0f}")
        ratio = statistics.median(one[OURS][kind] / one[FLOOR][kind] for one in rounds)
        print(f"  {'ratio':50}{ratio:>10.2f}")
        if kind == "processor" and ratio < BAR:
            sys.exit(f"the ratio is {ratio:.2f}, wanted at least {BAR}")


if __name__ == "__main__":
    main()
