"""Memory is bounded: whatever a batch holds, deciding it takes a small multiple of the bytes that Lambda hands over."""

import json
import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_consumer.consumer import Consumer
from stream_consumer.contract import kpl
from stream_consumer.contract.dead_letter import encode_dead_letters
from stream_consumer.contract.kpl import SubRecord
from stream_consumer.contract.lambda_event import records_from_lambda
from stream_consumer.inference import Decider
from stream_consumer.sinks import Written
from tests.rides import FakeModel, kinesis_event, ride_event

TIMES = 40
"""Measured at the worst, a 6 MB event of aggregates of nothing: 32."""
ONCE = 2**19
"""What the first calls leave behind."""


class Counting:
    """Takes everything."""

    def write(self, items: Sequence[object], deadline: float) -> Written:  # noqa: ARG002
        return Written()


class Encoding(Counting):
    """Also makes of dead letters the bytes that S3 would be sent."""

    def write(self, items: Sequence[object], deadline: float) -> Written:
        encode_dead_letters(items)  # type: ignore[arg-type]
        return super().write(items, deadline)


def times(datas: Sequence[bytes]) -> float:
    """Return the peak of memory that deciding a batch takes, as a multiple of Lambda's event, *ONCE* left out."""
    model = FakeModel()
    decider = Decider(model)
    consumer = Consumer(decider, predictions=Counting(), dead_letters=Encoding())
    consumer.process(records_from_lambda(kinesis_event([ride_event(1)])))  # an environment that has scored before
    event = kinesis_event(datas)
    tracemalloc.start()
    try:
        result = consumer.process(records_from_lambda(event))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.unsettled == 0
    return max(0, peak - ONCE) / len(json.dumps(event))


def aggregate(data: bytes, count: int) -> bytes:
    return kpl.fold([SubRecord("k", data)] * count)


HOSTILE = {
    "no data": [b""] * 2_000,
    "rides": [ride_event(1)] * 2_000,
    "aggregates of few crumbs": [aggregate(b"", 20)] * 500,
    "aggregates of short dead letters": [aggregate(b"x" * 23, 2_000)] * 4,
    "aggregates of short rides": [aggregate(ride_event(1).replace(b" ", b""), 2_000)] * 4,
    "an aggregate of crumbs": [aggregate(b"", 20_000)],
    "an aggregate of crumbs and rides": [
        kpl.fold([SubRecord("k", data) for data in [b"{}", ride_event(1)] * 2_000 + [b""] * 5_000])
    ],
    "aggregates of half as many crumbs as fold": [
        kpl.fold([SubRecord("k", data) for data in [b""] * 100 + [ride_event(1)] * 30]) for _ in range(200)
    ],
    "aggregates of short records under a key of 1,024 bytes": [
        kpl.fold([SubRecord("\U0001f695" * 256, b"x" * length)] * 5_000) for length in (0, 23, 40, 60, 80, 120)
    ],
    "an aggregate of short records under many keys of 1,024 bytes": [
        kpl.fold([SubRecord("\U0001f695" * 250 + str(at % 20), b"x" * 60) for at in range(5_000)])
    ],
    "an aggregate of one long key": [kpl.fold([SubRecord("k" * 5_000, b"x" * 30)] * 2_000)],
    "opening brackets": [b"[" * 2**20],
    "arrays side by side": [b"[" + b"[]," * 100_000 + b"0]"],
    "a ride that is a long array": [b'{"ride":[' + b"0," * 100_000 + b'0],"ride_id":1}'],
    "many keys": [b"{" + b",".join(b'"%d":0' % at for at in range(20_000)) + b"}"],
    "a long string": [b'{"x":"' + b"y" * 2**20 + b'"}'],
    "a string of escapes": [b'{"x":"' + b'\\"' * 2**18 + b'"}'],
    "a long number": [b'{"ride":{},"ride_id":' + b"9" * 2**20 + b"}"],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_hostile_batch_grows_beyond_the_bound(name: str) -> None:
    assert times(HOSTILE[name]) < TIMES


def test_compressed_data_is_not_decompressed() -> None:
    """A record of gzip is a dead letter of its own size, however large it would become."""
    import gzip  # noqa: PLC0415 - here and nowhere in the package

    assert times([gzip.compress(bytes(50_000_000))]) < TIMES


_units = st.one_of(st.binary(max_size=40), st.sampled_from([b"[", b'{"a":', b'"', b"\\", b"0,", b"{}", ride_event(1)]))
_records = st.one_of(
    st.builds(lambda unit, count: unit * count, _units, st.integers(0, 2_000)),
    st.builds(aggregate, _units, st.integers(1, 200)),
)


@settings(max_examples=50)
@given(st.lists(_records, max_size=5))
def test_no_batch_grows_beyond_the_bound(datas: list[bytes]) -> None:
    assert times(datas) < TIMES
