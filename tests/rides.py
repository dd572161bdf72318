"""Rides for the tests: events as producers emit them, batches as Lambda hands them over, and a fake model."""

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_consumer.contract.envelope import Envelope, predicted_type
from stream_consumer.contract.event_schema import Column, EventSchema
from stream_consumer.errors import ModelError
from stream_consumer.model import Columns, Model

RIDE_COLUMNS = (
    Column("PULocationID", "long", minimum=1, maximum=265),
    Column("DOLocationID", "long", minimum=1, maximum=265),
    Column("trip_distance", "double", minimum=0.0, maximum=200.0),
)
"""The columns of the rides model, with its bounds."""


RideDuration = predicted_type(Envelope())


def minutes_of(pickup: int, dropoff: int, distance: float) -> float:
    """Return the fake model's prediction for a row: no two of its features can be mixed up unnoticed."""
    return pickup + dropoff / 1_000 + distance * 1_000


class FakeModel(Model):
    """A model that predicts each row by a function, and fails a whole call, as scikit-learn does, if one row does."""

    calls: list[int]
    """How many rows each call had."""
    _row: Callable[..., float]
    _healthy: bool

    def __init__(  # noqa: PLR0913 (what a model tells, each with a default)
        self,
        row: Callable[..., float] = minutes_of,
        *,
        columns: Sequence[Column] = RIDE_COLUMNS,
        categories: Mapping[str, frozenset[Any]] | None = None,
        healthy: bool = True,
        name: str = "ride_duration_prediction_model",
        version: str = "Test123",
        example: Columns = (),
        envelope: Envelope = Envelope(),  # noqa: B008 (frozen)
    ) -> None:
        """*row* takes a row's values in the columns' order; it raises, or returns nan, where the model would."""
        super().__init__(
            name=name,
            version=version,
            location="memory",
            digest="d" * 64,
            schema=EventSchema(columns, envelope),
            predict=self.minutes,
            categories=categories or {},
            example=example,
        )
        # A model is frozen; what a fake keeps is beside its fields.
        self.__dict__ |= {"calls": [], "_row": row, "_healthy": healthy}

    def minutes(self, columns: Sequence[Sequence[Any]]) -> NDArray[np.float64]:
        rows = list(zip(*columns, strict=True))
        self.calls.append(len(rows))
        return np.array([self._row(*row) for row in rows])

    def check(self) -> list[Any]:
        if not self._healthy:
            raise ModelError("the fake model fails on its own input example")
        return [0.0]


SHARD = "shardId-000000000000"
STREAM_ARN = "arn:aws:kinesis:us-east-1:123456789012:stream/ride_events"
FIRST_SEQUENCE_NUMBER = 49_630_081_666_084_879_290_581_185_630_324_770_398_608_704_880_802_529_282
ARRIVAL = 1_795_222_923.456  # 2026-11-21T01:02:03.456Z


def ride_event(ride_id: Any = 256, pickup: Any = 130, dropoff: Any = 205, distance: Any = 3.66) -> bytes:
    """Return the data of one input record, as producers of the MLOps Zoomcamp reference solution emit it."""
    ride = {"PULocationID": pickup, "DOLocationID": dropoff, "trip_distance": distance}
    return json.dumps({"ride": ride, "ride_id": ride_id}).encode()


def sequence_number(position: int) -> str:
    return str(FIRST_SEQUENCE_NUMBER + position)


def kinesis_event(datas: Iterable[bytes], first: int = 0) -> dict[str, Any]:
    """
    Return Lambda's event for a batch of records.

    The sequence numbers count from ``sequence_number(first)``, so a redelivery from the third record on is
    ``kinesis_event(datas[2:], first=2)``. Source: AWS Lambda developer guide, "Using Lambda with Kinesis".
    """
    return {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": f"key-{position}",
                    "sequenceNumber": sequence_number(position),
                    "data": base64.b64encode(data).decode(),
                    "approximateArrivalTimestamp": ARRIVAL,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"{SHARD}:{sequence_number(position)}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:aws:iam::123456789012:role/stream-consumer",
                "awsRegion": "us-east-1",
                "eventSourceARN": STREAM_ARN,
            }
            for position, data in enumerate(datas, first)
        ]
    }


CLUSTER_ARN = "arn:aws:kafka:us-east-1:123456789012:cluster/rides/0f5f3c8e-1f0e-4a51-9d3b-6f3f9a7c1d2e-4"
TOPIC_ARN = "arn:aws:kafka:us-east-1:123456789012:topic/rides/0f5f3c8e-1f0e-4a51-9d3b-6f3f9a7c1d2e-4/ride_events"


def kafka_event(values: Mapping[int, Iterable[bytes | None]], first: int = 0) -> dict[str, Any]:
    """
    Return Lambda's event for a batch of the topic ``ride_events``: values by partition, offsets from *first*.

    Source: AWS Lambda developer guide, "Process Amazon MSK messages with Lambda".
    """
    records: dict[str, list[dict[str, Any]]] = {
        f"ride_events-{partition}": [
            {
                "topic": "ride_events",
                "partition": partition,
                "offset": offset,
                "timestamp": round(ARRIVAL * 1000),
                "timestampType": "CREATE_TIME",
                "key": base64.b64encode(b"key-%d" % offset).decode(),
                "value": None if value is None else base64.b64encode(value).decode(),
                "headers": [],
            }
            for offset, value in enumerate(of_partition, first)
        ]
        for partition, of_partition in values.items()
    }
    brokers = "b-1.rides.a1b2c3.c4.kafka.us-east-1.amazonaws.com:9098"
    return {
        "eventSource": "aws:kafka",
        "eventSourceArn": CLUSTER_ARN,
        "bootstrapServers": brokers,
        "records": records,
    }


@dataclass(frozen=True, slots=True)
class FakeContext:
    """Lambda's context, as far as it is asked."""

    remaining_ms: int = 60_000
    aws_request_id: str = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms
