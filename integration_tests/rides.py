"""Rides to put, and what must come out for them."""

import base64
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from integration_tests.world import Consumer, World, records_of


class Ride(NamedTuple):
    ride_id: str
    pickup: int
    dropoff: int
    distance: float

    @property
    def entry(self) -> tuple[str, bytes]:
        """Partition key and data, as producers put them."""
        ride = {"PULocationID": self.pickup, "DOLocationID": self.dropoff, "trip_distance": self.distance}
        return self.ride_id, json.dumps({"ride": ride, "ride_id": self.ride_id}).encode()


def rides(prefix: str, count: int) -> list[Ride]:
    """Return *count* rides, all different, whose ids begin with *prefix*."""
    return [
        Ride(f"{prefix}-{at}", 1 + at % 200, 1 + at * 7 % 200, round(0.5 + at % 300 / 10, 1)) for at in range(count)
    ]


def expected(consumer: Consumer, some: Sequence[Ride]) -> dict[str, float]:
    """Return the minutes that the consumer's model gives, by ride."""
    columns = list(zip(*((ride.pickup, ride.dropoff, ride.distance) for ride in some), strict=True))
    minutes = consumer.model.predict(columns).tolist()
    return {ride.ride_id: value for ride, value in zip(some, minutes, strict=True)}


class Published(NamedTuple):
    """What is on an output stream for some rides."""

    minutes: dict[str, float]
    """By ride; of the first prediction of each event."""
    models: set[str]
    times: Counter[str]
    """How often each event is there, by event_id."""

    @property
    def duplicates(self) -> int:
        return self.times.total() - len(self.times)


def published(world: World, consumer: Consumer, prefix: str) -> Published:
    """Read what *consumer* published for the rides of *prefix*, the first of each event_id."""
    minutes: dict[str, float] = {}
    models: set[str] = set()
    times: Counter[str] = Counter()
    for record in records_of(world, consumer.output):
        prediction = json.loads(record["Data"])
        ride_id = prediction["prediction"]["ride_id"]
        if not str(ride_id).startswith(f"{prefix}-"):
            continue
        assert record["PartitionKey"] == str(ride_id)
        times[prediction["event_id"]] += 1
        if times[prediction["event_id"]] == 1:
            assert ride_id not in minutes
            minutes[ride_id] = prediction["prediction"]["ride_duration"]
            models.add(prediction["model"])
    return Published(minutes, models, times)


def dead_letters(world: World, consumer: Consumer, stream: str) -> dict[bytes, Mapping[str, str]]:
    """Return the dead letters of the records of *stream*, by their original bytes."""
    pages = world.s3.get_paginator("list_objects_v2").paginate(
        Bucket=consumer.dead_letters, Prefix=f"dead-letters/{stream}/"
    )
    keys: Iterable[str] = [item["Key"] for page in pages for item in page.get("Contents", ())]
    letters = {}
    for key in keys:
        for line in world.s3.get_object(Bucket=consumer.dead_letters, Key=key)["Body"].read().splitlines():
            letter = json.loads(line)
            letters[base64.b64decode(letter["data"])] = letter
    return letters
