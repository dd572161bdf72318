"""Files that appear whole, or not at all."""

import contextlib
import os
from pathlib import Path

import pytest

from stream_consumer.whole_file import read_whole, refuse_unwritable, whole_file, write_whole


def test_what_was_there_stays_until_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "numbers"
    write_whole(path, b"one")
    with contextlib.suppress(ZeroDivisionError), whole_file(path) as file:
        file.write(b"two")
        raise ZeroDivisionError
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("numbers", b"one")]


@pytest.mark.parametrize("name", ["pipe", "link"])
def test_a_pipe_or_a_device_keeps_its_place(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    with pytest.raises(OSError, match="it is a pipe or a device, not a file"):
        write_whole(tmp_path / name, b"one")
    assert ((tmp_path / "pipe").is_fifo(), (tmp_path / "link").is_symlink()) == (True, True)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (".", "it is a folder, not a file"),
        ("/", "it is a folder, not a file"),
        ("pipe", "it is a pipe or a device, not a file"),
        ("nosuch/file", "No such file or directory"),
        ("/proc/file", "No such file or directory"),
        ("file/file", "Not a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_file_that_could_not_be_written_is_known_before_there_is_anything_to_write(
    name: str, why: str, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    before = sorted(tmp_path.iterdir())
    for refused in (refuse_unwritable, lambda path: write_whole(path, b"one")):
        with pytest.raises(OSError, match=why):
            refused(tmp_path / name)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["file", "new"])
def test_asking_whether_a_file_can_be_written_leaves_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"one")
    refuse_unwritable(tmp_path / name)
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("file", b"one")]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is a pipe or a device, not a file"):
        read_whole(tmp_path / "pipe")
