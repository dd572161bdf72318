"""
Put one ride on the input stream and wait for its prediction on every output stream: the system works, end to end.

The ride's id begins with ``smoke-``, so that readers of the predictions can tell it from a real one.
"""

import argparse
import json
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from types_boto3_kinesis.client import KinesisClient

_RIDE = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}
_POLL_SECONDS = 1.0  # a shard may be read five times a second, by all readers together


class SmokeTestFailed(Exception):
    """The system does not do what it is for; the message says where to look."""


def smoke(
    kinesis: "KinesisClient", ride_stream: str, prediction_streams: Sequence[str], *, seconds: float
) -> list[dict[str, Any]]:
    """
    Return the ride's prediction from each of *prediction_streams*, in order.

    Raises:
        SmokeTestFailed: No prediction came within *seconds* on one of them.
    """
    iterators = {stream: _ends(kinesis, stream) for stream in prediction_streams}
    ride_id = f"smoke-{uuid.uuid4()}"
    data = json.dumps({"ride": _RIDE, "ride_id": ride_id}).encode()
    kinesis.put_record(StreamName=ride_stream, Data=data, PartitionKey=ride_id)
    deadline = time.monotonic() + seconds
    return [_wait(kinesis, stream, iterators[stream], ride_id, deadline) for stream in prediction_streams]


def keeps_order(kinesis: "KinesisClient", stream: str) -> bool:
    """Return whether *stream* puts records where their partition key says, which Terraform's provider cannot ask."""
    summary: dict[str, Any] = {**kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]}
    return bool(summary.get("RecordDistributionStrategy", "USER_PARTITION_KEY") != "AUTO")


def _ends(kinesis: "KinesisClient", stream: str) -> list[str]:
    shards = kinesis.get_paginator("list_shards").paginate(StreamName=stream).search("Shards[].ShardId")
    return [
        kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="LATEST")["ShardIterator"]
        for shard in shards
    ]


def _wait(kinesis: "KinesisClient", stream: str, iterators: list[str], ride_id: str, deadline: float) -> dict[str, Any]:
    while time.monotonic() < deadline:
        for at, iterator in enumerate(iterators):
            page = kinesis.get_records(ShardIterator=iterator)
            iterators[at] = page.get("NextShardIterator", "")
            for prediction in _predictions(page["Records"]):
                if prediction.get("prediction", {}).get("ride_id") == ride_id:
                    return prediction
        iterators[:] = [iterator for iterator in iterators if iterator]
        time.sleep(_POLL_SECONDS)
    raise SmokeTestFailed(
        f"no prediction of ride {ride_id} came on {stream}: look at the alarms, at the function's newest log lines, "
        "and with stream-consumer dead-letters list whether the ride was refused"
    )


def _predictions(records: Sequence[Any]) -> Iterator[dict[str, Any]]:
    for record in records:
        prediction = json.loads(record["Data"])
        if isinstance(prediction, dict):
            yield prediction


def main(arguments: Sequence[str]) -> int:
    """Run the smoke test on streams that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input", help="name of the stream that rides are put on")
    parser.add_argument("output", nargs="+", help="names of the streams that predictions come on")
    parser.add_argument(
        "--seconds", type=float, default=120, help="how long to wait (a new mapping takes a minute to start)"
    )
    options = parser.parse_args(arguments)
    try:
        for prediction in smoke(boto3.client("kinesis"), options.input, options.output, seconds=options.seconds):
            print(json.dumps(prediction))
    except SmokeTestFailed as fault:
        print(fault, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
