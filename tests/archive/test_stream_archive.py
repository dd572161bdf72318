"""An archive has each record once, wherever the runs that wrote it ended."""

import gzip
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from stream_consumer.archive.layout import archive_at, lines, objects
from stream_consumer.archive.stream_archive import StreamArchive
from stream_consumer.batch.errors import StoreFailed
from stream_consumer.batch.locations import Location
from stream_consumer.batch.storage import LocalStore, Stores
from stream_consumer.contract import kpl
from stream_consumer.errors import UsageError
from stream_consumer.kinesis.shard_reader import Start
from stream_consumer.kinesis.stream_pages import StreamPages
from tests.fakes import FakeTime
from tests.local.fakes import FIRST_NUMBER, START, FakeKinesis

FIRST_HOUR = datetime.fromtimestamp(START, UTC).replace(minute=0, second=0)


class FailingStore(LocalStore):
    """A folder whose writes fail, before or after the file is there, as a machine that stops."""

    def __init__(self, dice: random.Random | None = None) -> None:
        self._dice = dice

    def put(self, file: Path, location: Location) -> None:
        fate = self._dice.random() if self._dice else 1.0
        if fate < 0.2:
            raise StoreFailed("told to fail before")
        super().put(file, location)
        if fate < 0.4:
            raise StoreFailed("told to fail after")


class OneStore(Stores):
    def __init__(self, store: LocalStore, scratch: Path) -> None:
        super().__init__(scratch=scratch)
        self._store = store

    def at(self, location: Location) -> LocalStore:  # noqa: ARG002 (there is one)
        return self._store


class World:
    """A stream, and runs that archive it."""

    def __init__(self, folder: Path, *, shards: int = 1, page: int = 10_000) -> None:
        self.kinesis = FakeKinesis(shards, page=page)
        self.folder = folder
        self.archive = archive_at(str(folder / "archive"))
        self.time = FakeTime()
        folder.joinpath("scratch").mkdir()

    def stores(self, dice: random.Random | None = None) -> Stores:
        return OneStore(FailingStore(dice), self.folder / "scratch")

    def run(self, dice: random.Random | None = None, *, seconds: float = 60.0, pages: int = 1_000) -> StreamArchive:
        """Archive to the tip of the stream, or so many *pages*. A run that is to end without a flush raises."""
        archived = StreamArchive(self.stores(dice), self.archive, "rides", seconds=seconds, clock=self.time.clock)
        positions = archived.positions
        read = StreamPages(
            cast("Any", self.kinesis), "rides", positions, start=Start(), follow=False, sleep=self.time.sleep
        )
        for number, (shard_id, page) in enumerate(read):
            archived.take(shard_id, page)
            if number >= pages:
                raise StoreFailed("told to end")
        archived.flush()
        return archived

    def records(self) -> list[tuple[str, bytes]]:
        """What is in the archive, with the hour of each record."""
        end = FIRST_HOUR + timedelta(days=3)
        return list(self._records(end))

    def _records(self, end: datetime) -> Iterator[tuple[str, bytes]]:
        for hour, location in objects(self.stores(), self.archive, FIRST_HOUR, end):
            for line in lines(self.stores(), location):
                yield f"{hour:%d %H}", line

    def names(self) -> list[str]:
        root = Path(self.archive.text)
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_records_are_in_the_hour_of_their_arrival(world: World) -> None:
    """The fake's clock begins at 22:13:20 UTC, on 14 November 2023."""
    world.kinesis.put("1", data=b'{"a": 1}')
    world.kinesis.clock.advance(3600)
    world.kinesis.put("2", data=b'{"a": 2}')
    world.kinesis.clock.advance(3600)
    world.kinesis.put("3", data=b'{"a": 3}')
    archived = world.run()
    assert world.records() == [("14 22", b'{"a": 1}'), ("14 23", b'{"a": 2}'), ("15 00", b'{"a": 3}')]
    assert (archived.records, archived.objects) == (3, 3)
    shard = "rides-shardId-000000000000"
    assert world.names() == [
        f"2023/11/14/22/{shard}-{FIRST_NUMBER + 17}.gz",
        f"2023/11/14/23/{shard}-{FIRST_NUMBER + 34}.gz",
        f"2023/11/15/00/{shard}-{FIRST_NUMBER + 51}.gz",
        "checkpoints/rides.json",
    ]


def test_another_run_goes_on_behind_what_is_archived(world: World) -> None:
    world.kinesis.put("1", data=b"1")
    world.run()
    before = {name: (Path(world.archive.text) / name).read_bytes() for name in world.names()}
    again = world.run()
    assert (again.records, again.objects) == (0, 0)
    assert {name: (Path(world.archive.text) / name).read_bytes() for name in world.names()} == before
    world.kinesis.put("2", data=b"2")
    world.run()
    assert [line for _, line in world.records()] == [b"1", b"2"]


@pytest.mark.parametrize("seed", range(5))
def test_no_record_is_lost_or_twice_there_wherever_runs_end(tmp_path: Path, seed: int) -> None:
    """Writes fail before and after the file is there; runs stop between pages; shards are split; hours pass."""
    dice = random.Random(seed)  # noqa: S311 (a test)
    world = World(tmp_path, shards=2, page=3)
    shards, put = [0, 1], 0
    for _ in range(12):
        for _ in range(dice.randrange(12)):
            world.kinesis.put(str(put), shard=dice.choice(shards), data=b"%d" % put)
            put += 1
            world.kinesis.clock.advance(dice.choice([1, 600, 2000]))
        if dice.random() < 0.2:
            parent = shards.pop(0)
            shards += world.kinesis.split(parent)
        try:
            world.run(dice, seconds=dice.choice([0.0, 60.0]), pages=dice.choice([2, 5, 1_000]))
        except StoreFailed:
            continue
    world.run()
    assert sorted(int(line) for _, line in world.records()) == list(range(put))


def test_a_record_waits_no_longer_than_it_is_told_to(world: World) -> None:
    archived = StreamArchive(world.stores(), world.archive, "rides", seconds=60, clock=world.time.clock)
    pages = iter(
        StreamPages(
            cast("Any", world.kinesis), "rides", archived.positions, start=Start(), follow=True, sleep=world.time.sleep
        )
    )
    world.kinesis.put("1", data=b"1")
    archived.take(*next(pages))
    world.time.sleep(59)
    archived.take(*next(pages))
    assert world.records() == []
    world.time.sleep(1)
    archived.take(*next(pages))
    assert [line for _, line in world.records()] == [b"1"]


def test_aggregates_are_unfolded_and_a_record_is_one_line(world: World) -> None:
    world.kinesis.put("1", data=kpl.fold([kpl.SubRecord("0", b'{"a":\r\n1}'), kpl.SubRecord("0", b"2")]))
    corrupt = kpl.fold([kpl.SubRecord("0", b"3")])[:-1]
    world.kinesis.put("2", data=corrupt)
    assert world.run().records == 3
    assert [line for _, line in world.records()] == [b'{"a":  1}', b"2", corrupt.replace(b"\n", b" ")]


def test_a_checkpoint_of_another_stream_is_refused(world: World) -> None:
    world.kinesis.put("1", data=b"1")
    world.run()
    path = Path(world.archive.text) / "checkpoints" / "rides.json"
    path.write_text(path.read_text().replace("123456789012", "210987654321"))
    with pytest.raises(UsageError, match="the checkpoint is of arn:aws:kinesis:eu-west-1:210987654321:stream/rides"):
        world.run()
    path.write_text("{}")
    with pytest.raises(UsageError, match=r"rides\.json is not a checkpoint of an archive"):
        world.run()


def test_a_damaged_object_is_named(world: World) -> None:
    world.kinesis.put("1", data=b"1")
    world.run()
    [name] = [name for name in world.names() if name.endswith(".gz")]
    path = Path(world.archive.text) / name
    for damaged in (b"no gzip", path.read_bytes()[:-6], gzip.compress(b"x")[:12] + b"\xff" * 9):
        path.write_bytes(damaged)
        with pytest.raises(StoreFailed, match=r"-\d+.gz is damaged: .*; write it again, or move it away"):
            world.records()


@pytest.mark.parametrize("text", ["", "/", "s3://", "postgresql://x/y"])
def test_what_is_no_archive_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"not an archive|no name"):
        archive_at(text)
