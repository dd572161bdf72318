"""What goes wrong between the image and AWS: nothing is lost, and what was published twice can be recognised."""

import threading
import uuid

import pytest

from integration_tests.faults import RETIRED, Fault, Rejected
from integration_tests.rides import dead_letters, expected, published, rides
from integration_tests.world import Capability, World, consume, create_stream, put_all

pytestmark = pytest.mark.needs(Capability.FAULTS)

RIDES = 100


@pytest.fixture
def prefix() -> str:
    return uuid.uuid4().hex[:12]


@pytest.fixture
def stream(world: World, prefix: str) -> str:
    return create_stream(world.kinesis, f"rides-{prefix}")


FAULTS = [
    # fault, invocations that fail, whether the rides of the request are there twice
    (Fault.SERVER_ERROR, 0, False),
    (Fault.UNAVAILABLE, 0, False),
    (Fault.THROTTLED, 0, False),
    (Fault.RESET_BEFORE, 0, False),
    (Fault.SLOW, 0, False),
    (Fault.RESET_AFTER, 0, True),
    (Fault.TRUNCATED, 0, True),
    (Fault.HANGING, 0, True),
    (Fault.DENIED, 1, False),
    (Rejected((0, 7, 99)), 0, False),
    (Rejected((50,), RETIRED), 0, False),
]


@pytest.mark.parametrize(("fault", "errors", "twice"), FAULTS, ids=lambda value: getattr(value, "name", None))
def test_every_ride_comes_out_whatever_the_output_stream_does(  # noqa: PLR0913 (fixtures and a row of the table)
    world: World, stream: str, prefix: str, fault: Fault | Rejected, *, errors: int, twice: bool
) -> None:
    """A write whose answer was lost is the one thing that makes duplicates, and they share their event_id."""
    some = rides(prefix, RIDES)
    put_all(world.kinesis, stream, [ride.entry for ride in some])
    world.faults.kinesis.script("PutRecords", fault)
    counts = consume(world, stream, world.consumer.function)
    assert world.faults.kinesis.unmet() == []
    assert counts.records_settled == RIDES
    assert counts.errors == errors
    found = published(world, world.consumer, prefix)
    assert found.minutes == pytest.approx(expected(world.consumer, some), rel=1e-9)
    assert found.duplicates == (RIDES if twice else 0)


@pytest.mark.parametrize(
    "fault", [Fault.SERVER_ERROR, Fault.UNAVAILABLE, Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.TRUNCATED]
)
def test_dead_letters_are_written_once_whatever_the_bucket_does(
    world: World, stream: str, prefix: str, fault: Fault
) -> None:
    """The object's key is the same on every try, so a second write is no second object."""
    [ride] = rides(prefix, 1)
    put_all(world.kinesis, stream, [("poison", b"not JSON"), ride.entry])
    world.faults.s3.script("PutObject", fault)
    counts = consume(world, stream, world.consumer.function)
    assert world.faults.s3.unmet() == []
    assert (counts.records_settled, counts.errors) == (2, 0)
    assert list(dead_letters(world, world.consumer, stream)) == [b"not JSON"]
    assert published(world, world.consumer, prefix).minutes.keys() == {ride.ride_id}


def test_a_container_killed_in_mid_batch_loses_nothing(world: World, stream: str, prefix: str) -> None:
    """The predictions are on the stream and nobody knows: the batch comes again, and each event has one event_id."""
    some = rides(prefix, RIDES)
    put_all(world.kinesis, stream, [ride.entry for ride in some])
    consume(world, create_stream(world.kinesis, f"warm-{prefix}"), world.consumer.function)
    proxy = world.faults.kinesis
    killed = threading.Event()

    def kill(_: Fault) -> None:
        world.kill()
        killed.set()

    proxy.script("PutRecords", Fault.RESET_AFTER)
    proxy.on_fault = kill
    try:
        counts = consume(world, stream, world.consumer.function)
    finally:
        proxy.on_fault = lambda _: None
    assert killed.is_set()
    assert counts.errors == 1
    found = published(world, world.consumer, prefix)
    assert found.minutes == pytest.approx(expected(world.consumer, some), rel=1e-9)
    assert found.duplicates == RIDES
