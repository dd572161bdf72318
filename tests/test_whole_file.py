"""Files that appear whole, or not at all."""

import contextlib
import os
from pathlib import Path

import pytest

from stream_consumer.whole_file import whole_file, write_whole


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
