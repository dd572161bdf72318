"""Rides in, predictions out: producers as they are, the image, a stream and a bucket."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from integration_tests.faults import Throughput
from integration_tests.rides import dead_letters, expected, published, rides
from integration_tests.world import Capability, World, consume, create_stream, mapping_of, put_all, records_of
from stream_consumer.local.demo.malformed_events import KINDS

EVENT = b'{"ride": {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}, "ride_id": 256}'
PATIENCE_SECONDS = 120
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture
def prefix() -> str:
    return uuid.uuid4().hex[:12]


@pytest.fixture
def stream(world: World, prefix: str) -> str:
    """An input stream with one shard."""
    return create_stream(world.kinesis, f"rides-{prefix}")


def aws_cli(world: World, *arguments: str) -> Any:
    """Run the installed AWS CLI as a producer would."""
    found = shutil.which("aws")
    if found is None:
        pytest.skip("the AWS CLI is not installed")
    answer = subprocess.run(  # noqa: S603 (our own arguments)
        [found, "--endpoint-url", world.endpoints.kinesis, "--output", "json", *arguments],
        env={**os.environ, **KEYS},
        capture_output=True,
        check=True,
    )
    return json.loads(answer.stdout)


def test_a_ride_put_with_the_aws_cli_comes_out(world: World, stream: str, tmp_path: Path) -> None:
    """The golden round trip: the reference solution's event, put as in its README, and its whole prediction."""
    (tmp_path / "event.json").write_bytes(EVENT)
    arguments = ["--stream-name", stream, "--partition-key", "1", "--data", f"fileb://{tmp_path / 'event.json'}"]
    put = aws_cli(world, "kinesis", "put-record", *arguments)
    consume(world, stream, world.consumer.function)
    event_id = f"{put['ShardId']}:{put['SequenceNumber']}"
    found = [record for record in records_of(world, world.consumer.output) if event_id.encode() in record["Data"]]
    minutes = world.consumer.model.predict([[130], [205], [3.66]])[0]
    assert [json.loads(record["Data"]) for record in found] == [
        {
            "model": "ride-duration",
            "version": "example",
            "prediction": {"ride_duration": pytest.approx(minutes, rel=1e-9), "ride_id": 256},
            "event_id": event_id,
        }
    ]
    assert found[0]["PartitionKey"] == "256"


def test_rides_put_with_put_records_come_out_once_each(world: World, stream: str, prefix: str) -> None:
    some = rides(prefix, 200)
    put_all(world.kinesis, stream, [ride.entry for ride in some])
    counts = consume(world, stream, world.consumer.function, batch_size=50)
    assert (counts.records_settled, counts.errors) == (200, 0)
    found = published(world, world.consumer, prefix)
    assert found.minutes == pytest.approx(expected(world.consumer, some), rel=1e-9)
    assert found.duplicates == 0


def test_poison_pills_become_dead_letters_and_block_nothing(world: World, stream: str, prefix: str) -> None:
    """Every malformed kind, between good rides: its bytes intact, its reason, and the rides around it predicted."""
    some = rides(prefix, len(KINDS))
    for ride, (data, _) in zip(some, KINDS.values(), strict=True):
        put_all(world.kinesis, stream, [("poison", data), ride.entry])
    counts = consume(world, stream, world.consumer.function)
    assert (counts.records_settled, counts.errors) == (2 * len(KINDS), 0)
    letters = dead_letters(world, world.consumer, stream)
    assert {data: letter["reason"] for data, letter in letters.items()} == {
        data: reason.value for data, reason in KINDS.values()
    }
    assert published(world, world.consumer, prefix).minutes.keys() == {ride.ride_id for ride in some}


def test_a_dead_letter_is_redriven_and_comes_out(world: World, stream: str, prefix: str) -> None:
    """The command mends the producer's fault, text for a number, on the way back to the stream it came from."""
    [ride] = rides(prefix, 1)
    key, data = ride.entry
    put_all(world.kinesis, stream, [(key, data.replace(b'"PULocationID": 1,', b'"PULocationID": "1",'))])
    consume(world, stream, world.consumer.function)
    assert published(world, world.consumer, prefix).minutes == {}
    where = ["--bucket", world.consumer.dead_letters, "--prefix", f"dead-letters/{stream}"]
    redrive = ["dead-letters", "redrive", *where, "--edit", ".ride.PULocationID |= tonumber"]
    endpoints = {"AWS_ENDPOINT_URL_KINESIS": world.endpoints.kinesis, "AWS_ENDPOINT_URL_S3": world.endpoints.s3}
    subprocess.run(  # noqa: S603 (our own command)
        [sys.executable, "-m", "stream_consumer", *redrive], env={**os.environ, **KEYS, **endpoints}, check=True
    )
    consume(world, stream, world.consumer.function)
    assert published(world, world.consumer, prefix).minutes.keys() == {ride.ride_id}


def test_two_consumers_read_one_stream_each_with_its_own_model(world: World, stream: str, prefix: str) -> None:
    """Fan-out: each publishes to its own output, and neither sees the other."""
    some = rides(prefix, 100)
    put_all(world.kinesis, stream, [ride.entry for ride in some])
    both = (world.consumer, world.challenger)
    threads = [threading.Thread(target=consume, args=(world, stream, one.function)) for one in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    for one, model in zip(both, ("ride-duration", "challenger"), strict=True):
        found = published(world, one, prefix)
        assert found.minutes == pytest.approx(expected(one, some), rel=1e-9)
        assert found.models == {model}


@pytest.mark.needs(Capability.RESHARDING)
def test_resharding_in_mid_stream_loses_nothing_and_keeps_the_order_of_a_key(
    world: World, stream: str, prefix: str
) -> None:
    """A shard is split while it is consumed, and its children are merged again."""
    some = rides(prefix, 300)
    mapping, tally = mapping_of(world, stream, world.consumer.function, batch_size=20)
    running = threading.Thread(target=mapping.run)
    running.start()
    kinesis = world.kinesis
    put_all(kinesis, stream, [("one key", ride.entry[1]) for ride in some[:100]])
    kinesis.split_shard(StreamName=stream, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
    kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
    put_all(kinesis, stream, [("one key", ride.entry[1]) for ride in some[100:200]])
    kinesis.merge_shards(
        StreamName=stream, ShardToMerge="shardId-000000000001", AdjacentShardToMerge="shardId-000000000002"
    )
    kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
    put_all(kinesis, stream, [("one key", ride.entry[1]) for ride in some[200:]])
    mapping.drain()
    running.join(PATIENCE_SECONDS)
    assert not running.is_alive()
    assert (tally.counts.records_settled, tally.counts.shards_started) == (300, 4)
    found = published(world, world.consumer, prefix)
    assert found.minutes == pytest.approx(expected(world.consumer, some), rel=1e-9)
    assert found.duplicates == 0


@pytest.mark.needs(Capability.FAULTS)
def test_a_throttled_output_takes_everything_in_the_end(world: World, stream: str, prefix: str) -> None:
    """Shards that take 100 records a second: rejected entries are sent again, and none twice."""
    some = rides(prefix, 500)
    put_all(world.kinesis, stream, [ride.entry for ride in some])
    proxy = world.faults.kinesis
    before = proxy.met["entry"]
    proxy.limit(world.consumer.output, Throughput(time.monotonic, 100))
    try:
        counts = consume(world, stream, world.consumer.function, batch_size=500)
    finally:
        proxy.unlimit(world.consumer.output)
    assert counts.records_settled == 500
    assert proxy.met["entry"] > before
    found = published(world, world.consumer, prefix)
    assert found.minutes.keys() == {ride.ride_id for ride in some}
    assert found.duplicates == 0


@pytest.mark.needs(Capability.VOLUME)
def test_ten_thousand_rides_come_out_once_each(world: World, prefix: str) -> None:
    """Four shards, batches of a thousand; onto the output that no later test has to read through."""
    stream = create_stream(world.kinesis, f"rides-{prefix}", shards=4)
    some = rides(prefix, 10_000)
    put_all(world.kinesis, stream, [ride.entry for ride in some])
    counts = consume(world, stream, world.challenger.function, batch_size=1000)
    assert (counts.records_settled, counts.errors) == (10_000, 0)
    found = published(world, world.challenger, prefix)
    assert found.minutes == pytest.approx(expected(world.challenger, some), rel=1e-9)
    assert found.duplicates == 0
