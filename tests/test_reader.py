"""Reading downstream: what a reader of the predictions is promised."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from stream_consumer.contract import kpl
from stream_consumer.contract.prediction import Prediction, encode_prediction
from stream_consumer.errors import StreamUnreadable, UsageError
from stream_consumer.kinesis.shard_reader import Start
from stream_consumer.reader import PredictionReader, load_checkpoint, save_checkpoint
from tests.local.fakes import STREAM_ARN, FakeKinesis, client_error
from tests.rides import RideDuration


def prediction(ride_id: int, event_id: str | None = "") -> bytes:
    """*event_id* defaults to one of the ride's own."""
    known = f"shardId-0:{ride_id}" if event_id == "" else event_id
    return encode_prediction(Prediction("ride-duration", "3", RideDuration(12.5, ride_id), known))


class Stream:
    """A stream of predictions and readers of it."""

    def __init__(self, shards: int = 1) -> None:
        self.kinesis = FakeKinesis(shards)
        self.slept: list[float] = []

    def put(self, *ride_ids: int, shard: int = 0) -> list[str]:
        return [self.kinesis.put(str(ride_id), shard=shard, data=prediction(ride_id))[0] for ride_id in ride_ids]

    def reader(self, *, sleep: Callable[[float], None] | None = None, **options: Any) -> PredictionReader:
        options = {"follow": False, **options}
        return PredictionReader(
            cast("Any", self.kinesis), "ride_predictions", sleep=sleep or self.slept.append, **options
        )


def ride_ids(reader: PredictionReader) -> list[int | str]:
    return [received.prediction.prediction.id for received in reader]


def test_every_prediction_of_every_shard_is_read_once() -> None:
    stream = Stream(shards=2)
    stream.put(1, 2)
    stream.put(3, shard=1)
    assert sorted(map(str, ride_ids(stream.reader()))) == ["1", "2", "3"]


def test_a_prediction_comes_with_its_place() -> None:
    stream = Stream()
    [number] = stream.put(7)
    [received] = stream.reader()
    assert (received.shard_id, received.sequence_number) == ("shardId-000000000000", number)
    assert received.prediction == Prediction("ride-duration", "3", RideDuration(12.5, 7), "shardId-0:7")


def test_only_the_first_of_each_event_is_read() -> None:
    stream = Stream()
    stream.put(1, 2, 1, 1, 3)
    reader = stream.reader()
    assert ride_ids(reader) == [1, 2, 3]
    assert reader.duplicates == 2


def test_predictions_without_event_id_are_all_read() -> None:
    stream = Stream()
    for _ in range(2):
        stream.kinesis.put("1", data=prediction(1, None))
    assert ride_ids(stream.reader()) == [1, 1]


def test_identifiers_are_forgotten_oldest_first() -> None:
    """A duplicate is recognised as long as no more than ``remember`` predictions lie between it and the first."""
    stream = Stream()
    stream.put(1, 2, 1, 3, 4, 1)
    assert ride_ids(stream.reader(remember=2)) == [1, 2, 3, 4, 1]


def test_what_is_no_prediction_is_passed_over_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    stream = Stream()
    [number] = stream.kinesis.put("x", data=b"SECRET not JSON")
    stream.put(1)
    reader = stream.reader()
    assert ride_ids(reader) == [1]
    assert reader.foreign == 1
    assert number in caplog.text
    assert "SECRET" not in caplog.text


def aggregate(*datas: bytes) -> bytes:
    return kpl.fold([kpl.SubRecord("0", data) for data in datas])


def test_kpl_aggregates_are_unfolded() -> None:
    """As PUBLISH_AGGREGATE_KEYS makes them; what is no prediction is passed over, the others are not."""
    stream = Stream()
    [number] = stream.kinesis.put("0", data=aggregate(prediction(1), b"bad", prediction(1), prediction(2)))
    stream.put(3)
    reader = stream.reader()
    received = list(reader)
    assert [one.prediction.prediction.id for one in received] == [1, 2, 3]
    assert [one.sequence_number for one in received][:2] == [number, number]
    assert (reader.duplicates, reader.foreign) == (1, 1)


def test_a_corrupt_aggregate_is_no_prediction() -> None:
    stream = Stream()
    stream.kinesis.put("0", data=aggregate(prediction(1))[:-1])
    reader = stream.reader()
    assert ride_ids(reader) == []
    assert reader.foreign == 1


def test_a_checkpoint_within_an_aggregate_goes_on_within_it() -> None:
    stream = Stream()
    stream.kinesis.put("0", data=aggregate(prediction(1), prediction(2), prediction(3)))
    first = stream.reader()
    taken = iter(first)
    next(taken), next(taken)
    assert ride_ids(stream.reader(checkpoint=first.checkpoint())) == [3]


def test_a_checkpoint_goes_on_behind_the_last_prediction_taken() -> None:
    stream = Stream()
    stream.put(1, 2, 3)
    first = stream.reader()
    taken = iter(first)
    next(taken), next(taken)
    # The caller still holds ride 2: a crash now must bring it again.
    kept = json.loads(json.dumps(first.checkpoint()))
    assert ride_ids(stream.reader(checkpoint=kept)) == [3]
    assert ride_ids(stream.reader(checkpoint={**kept, "event_ids": []})) == [2, 3]


def test_a_duplicate_is_recognised_across_a_checkpoint() -> None:
    stream = Stream()
    stream.put(1)
    first = stream.reader()
    assert ride_ids(first) == [1]
    stream.put(1, 2)
    assert ride_ids(stream.reader(checkpoint=first.checkpoint())) == [2]


def test_a_checkpoint_of_another_stream_says_so_and_what_to_do() -> None:
    stream = Stream()
    stream.put(1)
    reader = stream.reader()
    assert ride_ids(reader) == [1]
    kept = {**reader.checkpoint(), "stream_arn": "arn:aws:kinesis:eu-west-1:123456789012:stream/others"}
    with pytest.raises(UsageError, match=r"is of arn:.*/others, not of arn:.*/rides; name another file or remove it"):
        next(iter(stream.reader(checkpoint=kept)))


def test_a_checkpoint_that_was_kept_before_it_named_its_stream_is_taken() -> None:
    stream = Stream()
    first, _ = stream.put(1, 2)
    kept = {"shards": {"shardId-000000000000": first}, "event_ids": []}
    reader = stream.reader(checkpoint=kept)
    assert ride_ids(reader) == [2]
    assert reader.checkpoint()["stream_arn"] == STREAM_ARN


def test_a_position_that_is_not_of_the_stream_says_what_to_do() -> None:
    """As after the stream was deleted and made again."""
    stream = Stream()
    stream.kinesis.faults["get_shard_iterator"] = [client_error("InvalidArgumentException", 400, "GetShardIterator")]
    with pytest.raises(StreamUnreadable, match=r"no record 17: .*; if a checkpoint says so, it is of another"):
        next(iter(stream.reader(checkpoint={"shards": {"shardId-000000000000": "17"}, "event_ids": []})))


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"\xff", b"[" * 100_000, b'{"stream_arn":"a","started":1.0,"shards":{"s":{"sequence_number":"1"}}}'],
    ids=["empty", "of something else", "no text", "nested", "of a mapping"],
)
def test_a_file_that_is_no_checkpoint_says_so(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"is no checkpoint of a reader of predictions: .*; name another file or"):
        load_checkpoint(path)


def test_the_stream_may_be_named_by_its_arn() -> None:
    stream = Stream()
    stream.put(1)
    reader = PredictionReader(cast("Any", stream.kinesis), STREAM_ARN, follow=False)
    assert ride_ids(reader) == [1]
    assert stream.kinesis.calls[0] == ("describe_stream_summary", {"StreamARN": STREAM_ARN})


@pytest.mark.parametrize(
    ("arn", "why"),
    [
        (STREAM_ARN.replace("123456789012", "999999999999"), "is not here: this endpoint has arn:"),
        ("arn:aws:kafka:us-east-1:1:cluster/c/1", "is not the ARN of a Kinesis stream"),
    ],
)
def test_an_arn_of_a_stream_that_is_not_here_is_not_read_as_another(arn: str, why: str) -> None:
    with pytest.raises(StreamUnreadable, match=why):
        next(iter(PredictionReader(cast("Any", FakeKinesis()), arn, follow=False)))


def test_a_prediction_nested_without_end_is_passed_over() -> None:
    stream = Stream()
    stream.kinesis.put("1", data=b'{"x":' + b"[" * 100_000)
    stream.put(1)
    reader = stream.reader()
    assert (ride_ids(reader), reader.foreign) == ([1], 1)


def test_a_checkpoint_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.json"
    assert load_checkpoint(path) is None
    save_checkpoint(path, {"shards": {"shardId-0": "5"}, "event_ids": ["a"]})
    assert load_checkpoint(path) == {"shards": {"shardId-0": "5"}, "event_ids": ["a"]}
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.json"]


def test_children_of_a_split_shard_are_read_after_their_parent() -> None:
    stream = Stream()
    stream.put(1, 2)
    left, right = stream.kinesis.split(0)
    stream.put(3, shard=left)
    stream.put(4, shard=right)
    assert ride_ids(stream.reader()) == [1, 2, 3, 4]


def test_a_merged_shard_is_read_after_both_its_parents() -> None:
    stream = Stream(shards=2)
    stream.put(1)
    stream.put(2, shard=1)
    stream.put(3, shard=stream.kinesis.merge(0, 1))
    assert ride_ids(stream.reader())[-1] == 3


def test_shards_are_listed_through_all_pages() -> None:
    stream = Stream(shards=5)
    stream.kinesis.shards_a_page = 2
    for shard in range(5):
        stream.put(shard, shard=shard)
    assert sorted(map(str, ride_ids(stream.reader()))) == ["0", "1", "2", "3", "4"]


def test_an_expired_iterator_goes_on_where_the_last_read_ended() -> None:
    stream = Stream()
    stream.kinesis.page = 1
    stream.put(1, 2, 3)
    received = iter(stream.reader())
    first = next(received)
    stream.kinesis.expire_iterators()
    assert [first, *received] == list(stream.reader())


@pytest.mark.parametrize("operation", ["describe_stream_summary", "list_shards", "get_shard_iterator", "get_records"])
@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "InternalFailure"])
def test_a_throttled_read_is_tried_again_after_a_wait(operation: str, code: str) -> None:
    stream = Stream()
    stream.put(1)
    stream.kinesis.faults[operation].append(client_error(code))
    assert ride_ids(stream.reader()) == [1]
    [waited] = stream.slept
    assert 0 <= waited <= 0.05


def test_a_stream_that_cannot_be_reached_for_long_is_asked_ever_less_often_and_never_given_up() -> None:
    """An outage of hours is no end, and no flood of warnings."""
    stream = Stream()
    stream.put(1)
    stream.kinesis.faults["get_records"] += [client_error("InternalFailure")] * 1_000
    assert ride_ids(stream.reader()) == [1]
    assert len(stream.slept) == 1_000
    assert sum(stream.slept) > 500
    assert max(stream.slept) <= 2


@pytest.mark.parametrize("operation", ["describe_stream_summary", "list_shards", "get_shard_iterator", "get_records"])
def test_a_stream_that_cannot_be_read_is_an_error_that_names_it(operation: str) -> None:
    stream = Stream()
    stream.kinesis.faults[operation].append(client_error("AccessDeniedException"))
    with pytest.raises(StreamUnreadable, match=r"(ride_predictions|stream/rides).*AccessDeniedException"):
        list(stream.reader())


def test_reading_starts_at_the_oldest_the_newest_or_a_time() -> None:
    stream = Stream()
    stream.put(1)
    stream.kinesis.clock.advance(60)
    since = stream.kinesis.clock.now()
    stream.put(2)
    assert ride_ids(stream.reader(start=Start("TRIM_HORIZON"))) == [1, 2]
    assert ride_ids(stream.reader(start=Start("LATEST"))) == []
    assert ride_ids(stream.reader(start=Start("AT_TIMESTAMP", timestamp=since))) == [2]


@pytest.mark.parametrize("position", ["LATEST", "TRIM_HORIZON"])
def test_what_is_put_between_two_runs_is_read_also_from_a_shard_without_a_position(position: str) -> None:
    """Otherwise a second start at LATEST, the default of `tail`, would skip it."""
    stream = Stream()
    first = stream.reader(start=Start(position))
    assert ride_ids(first) == []
    kept = json.loads(json.dumps(first.checkpoint()))
    stream.kinesis.clock.advance(time.time() - stream.kinesis.clock.now() + 60)
    stream.put(1)
    assert ride_ids(stream.reader(start=Start("LATEST"), checkpoint=kept)) == [1]


def test_following_waits_for_what_is_put_later() -> None:
    stream = Stream()
    stream.put(1)

    def put_meanwhile(_: float) -> None:
        stream.put(2)

    received = iter(stream.reader(follow=True, sleep=put_meanwhile))
    assert [next(received).prediction.prediction.id for _ in range(2)] == [1, 2]
