"""The pages of a topic: where they begin, where they end, and what comes while somebody follows."""

import itertools
from collections.abc import Iterable

import pytest

from stream_consumer.contract.record import Record
from stream_consumer.errors import ReadFailed, UsageError
from stream_consumer.kafka.topic_reader import BEGINNING, TopicReader
from stream_consumer.kinesis.shard_reader import Start
from stream_consumer.kinesis.stream_pages import Positions
from stream_consumer.operate.topic_pages import TopicPages, pages_between
from tests.fakes import FakeTime
from tests.kafka.fake_log import FakeLog
from tests.kafka.fakes import CONNECTION

AT = 1_700_000_000.0


class Topic:
    """A topic on fakes, and reads of it. Each read takes a second."""

    def __init__(self, page: int = 500) -> None:
        self.time = FakeTime()
        self.log = FakeLog(page=page, before_read=lambda: self.time.sleep(1.0))
        self.reader = TopicReader(CONNECTION, "rides", connect=self.log.connect, clock=self.time.clock)

    def between(self, begin: dict[int, int], end: dict[int, int]) -> list[str]:
        return ids(pages_between(self.reader, begin, end, clock=self.time.clock))

    def pages(self, start: Start, positions: Positions | None = None, *, follow: bool = False) -> TopicPages:
        return TopicPages(self.reader, positions or Positions(), start, follow, self.time.clock)


def ids(pages: Iterable[list[Record]]) -> list[str]:
    return [str(record.event_id) for page in pages for record in page]


def test_a_range_has_its_first_offset_and_not_its_end() -> None:
    topic = Topic()
    topic.log.put(0, *(b"%d" % n for n in range(5)))
    topic.log.put(1, b"a")
    assert topic.between({0: 1, 1: 0}, {0: 3, 1: 0}) == ["rides-0:1", "rides-0:2"]


def test_a_range_has_an_end_however_fast_the_topic_is_written_to() -> None:
    topic = Topic(page=2)
    topic.log.put(0, *(b"%d" % n for n in range(5)))
    topic.log.before_read = lambda: topic.log.put(0, b"new", b"new", b"new")
    assert topic.between({0: BEGINNING}, {0: 5}) == [f"rides-0:{n}" for n in range(5)]


def test_a_range_ends_where_the_partition_does() -> None:
    """Behind the last record there may be a mark of a transaction, which has an offset and is no record."""
    topic = Topic()
    topic.log.put(0, b"a")
    assert topic.between({0: 0}, {0: 2}) == ["rides-0:0"]


def test_a_partition_of_which_everything_is_forgotten_is_an_empty_range() -> None:
    topic = Topic()
    topic.log.put(0, b"a", b"b")
    topic.log.forgotten[0] = 2
    assert topic.between({0: BEGINNING}, {0: 2}) == []


def test_a_range_of_which_nothing_comes_is_given_up_after_a_minute() -> None:
    topic = Topic()
    topic.log.put(0, b"a")
    topic.log.silent = True
    with pytest.raises(
        ReadFailed, match=r"no record came from partitions \[0\] of kafka://localhost:9092/rides for a min"
    ):
        topic.between({0: 0}, {0: 1})
    assert topic.time.now == 1_060.0


def test_what_is_there_is_read_from_the_oldest_record_on() -> None:
    topic = Topic()
    topic.log.put(0, b"a", b"b", b"c")
    topic.log.put(1, b"d")
    topic.log.forgotten[0] = 1
    assert sorted(ids(topic.pages(Start()))) == ["rides-0:1", "rides-0:2", "rides-1:0"]


def test_reading_goes_on_behind_a_position() -> None:
    topic = Topic()
    topic.log.put(0, b"a", b"b", b"c")
    topic.log.put(1, b"d")
    positions = Positions({"rides-0": "1"}, "kafka://localhost:9092/rides")
    assert sorted(ids(topic.pages(Start("LATEST"), positions))) == ["rides-0:2"]


@pytest.mark.parametrize("start", [Start(), Start("LATEST"), Start("AT_TIMESTAMP", timestamp=AT + 9)])
def test_what_is_put_between_two_runs_is_read_also_from_a_partition_of_which_nothing_was_read(start: Start) -> None:
    topic, positions = Topic(), Positions()
    topic.log.put(0, b"a", at=AT)
    first = ids(topic.pages(start, positions))
    assert positions.shards == {"rides-0": "-1" if first else "0", "rides-1": "-1"}, "the caller moves them"
    topic.log.put(0, b"b", at=AT)
    topic.log.put(1, b"c", at=AT)
    again = ids(topic.pages(Start("LATEST"), positions))
    assert sorted(again) == [*first, "rides-0:1", "rides-1:0"]


@pytest.mark.parametrize(
    ("positions", "said"),
    [
        (Positions({}, "kafka://other:9092/rides"), "the checkpoint is of kafka://other:9092/rides, not of kafka://lo"),
        (Positions({"rides-0": "x"}), "the checkpoint has the offset 'x', which is not a number"),
    ],
)
def test_positions_of_something_else_are_refused(positions: Positions, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ids(Topic().pages(Start(), positions))


def test_from_a_time_on_earlier_records_are_left_out() -> None:
    """Producers set the timestamps: the third record stands behind one of a later time."""
    topic = Topic()
    for seconds in (0, 2, 1, 3):
        topic.log.put(0, b"a", at=AT + seconds)
    assert ids(topic.pages(Start("AT_TIMESTAMP", timestamp=AT + 2))) == ["rides-0:1", "rides-0:3"]
    assert ids(topic.pages(Start("AT_TIMESTAMP", timestamp=AT + 9))) == []


def test_a_position_counts_for_more_than_a_time() -> None:
    topic = Topic()
    topic.log.put(0, b"a", b"b", at=AT)
    assert ids(topic.pages(Start("AT_TIMESTAMP", timestamp=AT + 9), Positions({"rides-0": "0"}))) == ["rides-0:1"]


def test_who_follows_gets_what_comes_and_new_partitions_from_their_first_record() -> None:
    topic = Topic()
    topic.log.put(0, b"old")
    coming = {3: (0, b"new"), 40: (2, b"in a new partition"), 70: (1, b"last")}
    reads = itertools.count()

    def come() -> None:
        topic.time.sleep(1.0)
        partition, value = coming.get(next(reads), (None, b""))
        if partition is not None:
            topic.log.partitions.setdefault(partition, [])
            topic.log.put(partition, value)

    topic.log.before_read = come
    pages = topic.pages(Start("LATEST"), follow=True)
    assert ids(itertools.islice(pages, 80)) == ["rides-0:1", "rides-2:0", "rides-1:0"]


def test_following_outlives_a_cluster_that_does_not_tell_its_partitions() -> None:
    topic = Topic()
    reads = itertools.count()

    def fall_silent() -> None:
        topic.time.sleep(1.0)
        topic.log.silent = 1 <= next(reads) <= 40
        if topic.time.now > 1_045 and not topic.log.partitions[1]:
            topic.log.put(1, b"after")

    topic.log.before_read = fall_silent
    assert ids(itertools.islice(topic.pages(Start("LATEST"), follow=True), 60)) == ["rides-1:0"]
