"""Names that no file can have, and the longest that one can: read and written, or refused in one line."""

from pathlib import Path

import pytest

from stream_consumer.batch.errors import StoreFailed, UnusableInput
from stream_consumer.batch.job import Job, run
from stream_consumer.batch.locations import Location
from stream_consumer.batch.storage import Stores
from stream_consumer.batch.targets import locations_written
from stream_consumer.errors import UsageError
from stream_consumer.model import Model
from stream_consumer.training.rides import load_rides
from tests.batch.files import rides_file


@pytest.fixture
def loop(tmp_path: Path) -> Path:
    """A symbolic link to itself, in a folder that is one, too."""
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    (tmp_path / "folder").symlink_to("folder")
    return tmp_path


UNREADABLE = ["loop.csv", "folder/rides.csv", f"{'x' * 300}.csv", f"{'x/' * 3000}rides.csv", "gone/rides.csv"]


@pytest.mark.parametrize("name", UNREADABLE, ids=lambda name: name[:16])
def test_an_input_that_no_name_leads_to_is_refused_in_one_line(
    name: str, loop: Path, model: Model, stores: Stores
) -> None:
    with pytest.raises(UnusableInput, match=r"cannot be read: |there is no file") as refusal:
        run(Job.of(str(loop / name), str(loop / "out.csv")), model=model, stores=stores)
    assert "\n" not in str(refusal.value)
    with pytest.raises(UsageError, match=r"cannot be read: |there is no file"):
        load_rides([str(loop / name)])


@pytest.mark.parametrize("name", [*UNREADABLE[:4], f"{'x' * 245}.csv"], ids=lambda name: name[:16])
def test_an_output_that_cannot_be_made_is_said_before_anything_is_written(
    name: str, loop: Path, model: Model, stores: Stores
) -> None:
    """The summary beside it has the longest name."""
    source, before = rides_file(loop / "rides.csv"), sorted(path.name for path in loop.iterdir())
    with pytest.raises((StoreFailed, UsageError)) as refusal:
        run(Job.of(str(source), str(loop / name)), model=model, stores=stores)
    assert "\n" not in str(refusal.value)
    assert sorted(path.name for path in loop.iterdir()) == sorted({*before, "rides.csv", "scratch"})


@pytest.mark.parametrize("name", ["r\udcffdes.csv", "folder\udc80/rides.csv", "rides\0.csv"])
def test_a_name_that_is_not_utf8_or_has_a_null_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="rename it"):
        Location.parse(name)


def test_the_longest_key_of_s3_is_that_of_the_longest_file_beside_an_output() -> None:
    """Source: Amazon S3 user guide, "Naming Amazon S3 objects": 1,024 bytes of UTF-8."""
    beside = len(".committing.json")
    fits = Location.parse(f"s3://taxi/{'é' * 502}.csv")
    assert max(len(written.key.encode()) for written in locations_written(fits)) == 1_008 + beside == 1_024
    with pytest.raises(UsageError, match=r"the key has 1025 bytes of 1024"):
        locations_written(Location.parse(f"s3://taxi/{'é' * 502}x.csv"))
