"""Replay: a range of a stream once more, with the event ids of the first time, and no record twice."""

import io
import itertools
import json
import math
from collections import Counter
from collections.abc import Iterable
from typing import Any, cast

import pytest

from stream_consumer.consumer import Consumer
from stream_consumer.contract import kpl
from stream_consumer.contract.dead_letter import encode_dead_letters
from stream_consumer.contract.prediction import decode_prediction
from stream_consumer.contract.record import Reason, Record
from stream_consumer.errors import ReadFailed, StreamUnreadable
from stream_consumer.inference import Decider
from stream_consumer.kinesis.shard_reader import Start
from stream_consumer.kinesis.stream_writer import PredictionStream
from stream_consumer.operate.replay import LinesSink, NoSink, ReplayStopped, StreamRange, Tally, batches, replay
from stream_consumer.sinks import Entry, Sink
from tests import fakes
from tests.local.fakes import START, STREAM_ARN, FakeKinesis, client_error, shard_name
from tests.rides import FakeModel, ride_event

ALL = StreamRange(Start(), math.inf)


class Stream:
    """A stream of rides with *shards*, and replays of it."""

    def __init__(self, shards: int = 1, page: int = 10_000) -> None:
        self.kinesis = FakeKinesis(shards, page=page)
        self.time = fakes.FakeTime()

    def put(self, *ride_ids: int, shard: int = 0) -> list[str]:
        return [self.kinesis.put(str(ride_id), shard=shard, data=ride_event(ride_id))[0] for ride_id in ride_ids]

    def batches(self, wanted: StreamRange = ALL) -> list[list[Record]]:
        return list(batches(cast("Any", self.kinesis), "rides", wanted, self.time.retry()))

    def rides(self, wanted: StreamRange = ALL) -> list[int]:
        return [json.loads(record.data)["ride_id"] for batch in self.batches(wanted) for record in batch]


def consumer(predictions: Sink | None, dead_letters: Sink | None = None) -> Consumer:
    model = FakeModel(name="rides", version="7")
    return Consumer(
        Decider(model),
        predictions=predictions,
        dead_letters=dead_letters,
    )


def test_a_record_comes_as_lambda_delivered_it() -> None:
    stream = Stream()
    [number] = stream.kinesis.put("key", data=b"data")
    [[record]] = stream.batches()
    assert record == Record(b"data", f"shardId-000000000000:{number}", number, "key", START, STREAM_ARN)


def test_aggregates_are_unfolded_with_the_event_ids_of_the_first_time() -> None:
    stream = Stream()
    [number] = stream.kinesis.put("key", data=kpl.fold([kpl.SubRecord("a", b"0"), kpl.SubRecord("b", b"1")]))
    [batch] = stream.batches()
    assert [record.event_id for record in batch] == [f"shardId-000000000000:{number}.{index}" for index in (0, 1)]


def test_every_shard_is_read_to_its_tip_a_page_at_a_time() -> None:
    stream = Stream(shards=3, page=2)
    for shard in range(3):
        stream.put(*(10 * shard + index for index in range(5)), shard=shard)
    assert sorted(stream.rides()) == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 20, 21, 22, 23, 24]
    assert {len(batch) for batch in stream.batches()} == {1, 2}


def test_children_come_after_their_parents_and_keep_the_order_of_a_key() -> None:
    stream = Stream(shards=2, page=1)
    stream.put(1, 2)
    stream.put(3, shard=1)
    left, right = stream.kinesis.split(0)
    stream.put(4, shard=left)
    stream.put(5, shard=right)
    stream.put(6, shard=stream.kinesis.merge(left, 1))
    rides = stream.rides()
    assert sorted(rides) == [1, 2, 3, 4, 5, 6]
    assert [ride for ride in rides if ride in {1, 2, 4, 6}] == [1, 2, 4, 6]
    assert rides.index(3) < rides.index(6)


def test_a_child_whose_parent_has_expired_is_read() -> None:
    stream = Stream()
    stream.put(1)
    left, _ = stream.kinesis.split(0)
    stream.put(2, shard=left)
    del stream.kinesis.shards[shard_name(0)]
    assert stream.rides() == [2]


def at_times(stream: Stream, *ride_ids: int) -> list[str]:
    """Put the rides a minute apart, from START on."""
    numbers = []
    for ride_id in ride_ids:
        numbers += stream.put(ride_id)
        stream.kinesis.clock.advance(60)
    return numbers


@pytest.mark.parametrize(
    ("start", "until", "rides"),
    [
        (START, START + 1e9, [0, 1, 2, 3]),
        (START + 60, START + 180, [1, 2]),
        (START + 61, START + 120.001, [2]),
        (START + 60, START + 60, []),
    ],
)
def test_a_range_of_time_includes_its_start_and_not_its_end(start: float, until: float, rides: list[int]) -> None:
    stream = Stream()
    at_times(stream, 0, 1, 2, 3)
    assert stream.rides(StreamRange(Start(timestamp=start), until)) == rides


def test_a_range_ends_however_much_lies_behind_it() -> None:
    stream = Stream(page=2)
    at_times(stream, *range(10))
    assert stream.rides(StreamRange(Start(), START + 180)) == [0, 1, 2]
    reads = [operation for operation, _ in stream.kinesis.calls if operation == "get_records"]
    assert len(reads) == 2


def test_a_record_that_arrived_out_of_order_within_a_page_is_not_left_out() -> None:
    stream = Stream()
    for ride_id, age in ((1, 0.0), (2, -1.0), (3, 0.0), (4, -1.0)):
        stream.kinesis.put("k", data=ride_event(ride_id), age=age)
    assert stream.rides(StreamRange(Start(), START + 0.5)) == [1, 3]


def test_a_range_of_records_includes_both_ends_and_only_their_shard() -> None:
    stream = Stream(shards=2)
    numbers = stream.put(0, 1, 2, 3)
    stream.put(4, shard=1)
    shard = shard_name(0)
    assert stream.rides(StreamRange(Start(at=numbers[1]), math.inf, shard, numbers[2])) == [1, 2]
    assert stream.rides(StreamRange(Start(at=numbers[3]), math.inf, shard)) == [3]
    assert stream.rides(StreamRange(Start(), math.inf, shard, numbers[0])) == [0]


def test_a_shard_of_a_resharded_stream_is_read_without_its_parents() -> None:
    stream = Stream()
    stream.put(1)
    left, _ = stream.kinesis.split(0)
    stream.put(2, shard=left)
    assert stream.rides(StreamRange(Start(), math.inf, shard_name(left))) == [2]


def test_a_shard_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(
        StreamUnreadable, match=r"has no shard 'shardId-9'; it has shardId-000000000000, shardId-000000000001"
    ):
        Stream(shards=2).batches(StreamRange(Start(), math.inf, "shardId-9"))


@pytest.mark.parametrize("operation", ["describe_stream_summary", "list_shards", "get_shard_iterator", "get_records"])
def test_a_read_that_fails_is_tried_again_for_a_minute(operation: str) -> None:
    stream = Stream()
    stream.put(1)
    throttled = client_error("ProvisionedThroughputExceededException")
    stream.kinesis.faults[operation] += [throttled, throttled]
    assert stream.rides() == [1]
    stream.kinesis.faults[operation] += [throttled] * 1_000
    with pytest.raises(ReadFailed, match="ProvisionedThroughputExceededException"):
        stream.rides()
    assert 55 < sum(stream.time.slept[2:]) < 61


@pytest.mark.parametrize("operation", ["describe_stream_summary", "list_shards", "get_shard_iterator", "get_records"])
def test_a_stream_that_cannot_be_read_is_an_error_at_once(operation: str) -> None:
    stream = Stream()
    stream.kinesis.faults[operation].append(client_error("AccessDeniedException"))
    with pytest.raises(StreamUnreadable, match="AccessDeniedException"):
        stream.rides()
    assert stream.time.slept == []


def records(datas: Iterable[bytes]) -> list[Record]:
    return [Record(data, f"shardId-0:{number}", str(number)) for number, data in enumerate(datas)]


def test_predictions_go_to_a_stream_with_the_event_ids_of_the_first_time() -> None:
    time = fakes.FakeTime()
    kinesis = fakes.FakeKinesis(time, streams=["backfill"])
    sink = PredictionStream(kinesis.client, "backfill", retry=time.retry())
    told: list[int] = []
    wanted = [records([ride_event(1), b"poison"]), records([ride_event(3, pickup=0)])]
    tally = replay(wanted, consumer(sink, NoSink()), clock=time.clock, progress=told.append)
    assert tally == Tally(records=3, published=1, dead_letters=Counter({Reason.UNDECODABLE: 1, Reason.BOUNDS: 1}))
    [entry] = kinesis.streams["backfill"]
    prediction = decode_prediction(entry.data)
    assert (prediction.event_id, prediction.version, prediction.prediction.id) == ("shardId-0:0", "7", 1)
    assert told == [2, 1]


def test_predictions_and_dead_letters_go_to_files_as_lines() -> None:
    made, failed = io.BytesIO(), io.BytesIO()
    predictions = LinesSink(made, lambda entries: b"".join(cast("Entry", entry).data + b"\n" for entry in entries))
    replay(
        [records([ride_event(1), b"poison", ride_event(2)])],
        consumer(predictions, LinesSink(failed, encode_dead_letters)),
    )
    assert [json.loads(line)["prediction"]["ride_id"] for line in made.getvalue().splitlines()] == [1, 2]
    assert [json.loads(line)["event_id"] for line in failed.getvalue().splitlines()] == ["shardId-0:1"]


def test_a_replay_that_cannot_publish_says_where_it_stopped() -> None:
    time = fakes.FakeTime()
    kinesis = fakes.FakeKinesis(time, itertools.chain([None], itertools.repeat(fakes.DENIED)), streams=["backfill"])
    sink = PredictionStream(kinesis.client, "backfill", retry=time.retry())
    wanted = [records([ride_event(1)]), records([b"poison", ride_event(2)])]
    with pytest.raises(
        ReplayStopped,
        match=r"stopped at shardId-0:1 after 1 predictions: predictions not published: .*Denied.*the same event_id",
    ):
        replay(wanted, consumer(sink, NoSink()), clock=time.clock)
