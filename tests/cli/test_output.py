"""Whatever standard output is, a command shows no traceback: full, closed, without a reader, or short of characters."""

import collections
import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from stream_consumer import __main__
from stream_consumer.aws.clients import Clients
from stream_consumer.cli.app import app, run
from stream_consumer.cli.terminal import say
from stream_consumer.errors import UsageError
from tests.batch.files import rides_file
from tests.cli.conftest import Command, Ran
from tests.cli.model import linear_model

ENCODINGS = ["ascii", "latin-1", "cp1252", "utf-8"]
NAME = "é → 🚕"


def commands_of(group: Any, *path: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of each command and of each group of commands."""
    yield path
    for name, command in getattr(group, "commands", {}).items():
        yield from commands_of(command, *path, name)


@pytest.fixture
def encoded(command: Command, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run a command whose standard output and standard error have an encoding."""

    def run_encoded(encoding: str, *arguments: object) -> Ran:
        streams = [io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2)]
        with monkeypatch.context() as patch:
            for name, stream in zip(("stdout", "stderr"), streams, strict=True):
                patch.setattr(sys, name, stream)
            code = command(*arguments).code
            for stream in streams:
                stream.flush()
        return Ran(code, *(stream.buffer.getvalue().decode(encoding) for stream in streams))

    return run_encoded


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_help_of_every_command_is_shown_in_any_encoding(encoded: Callable[..., Ran], encoding: str) -> None:
    for words in commands_of(get_command(app)):
        ran = encoded(encoding, *words, "--help")
        assert (ran.code, ran.err) == (0, ""), words
        assert " ".join(("Usage:", "root", *words)).removeprefix("Usage: root") in ran.out
        assert "--help" in ran.out


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_json_stays_the_value_that_it_was_in_any_encoding(
    encoded: Callable[..., Ran], encoding: str, mocked_aws: Clients
) -> None:
    made = {"model": NAME, "version": "1", "prediction": {"ride_duration": 1.0, "ride_id": NAME}, "event_id": NAME}
    mocked_aws.kinesis.put_record(StreamName="ride_predictions", PartitionKey="k", Data=json.dumps(made).encode())
    ran = encoded(encoding, "tail", "--from", "TRIM_HORIZON", "--no-follow", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out) == made


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_batch_says_what_it_committed_in_any_encoding(
    encoded: Callable[..., Ran], encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rides_file(Path(f"{NAME}.csv"))
    ran = encoded(encoding, "batch", f"{NAME}.csv", "out/", "--model", linear_model(tmp_path / "model"))
    assert ran.code == 0, ran
    assert Path("out", f"{NAME}.csv.summary.json").exists()
    assert json.loads(f'"{ran.out.splitlines()[2]}"') == f"→ out/{NAME}.csv"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_error_is_shown_in_any_encoding(encoded: Callable[..., Ran], encoding: str) -> None:
    ran = encoded(encoding, "put", f"{NAME}.parquet")
    assert (ran.code, ran.out) == (2, "")
    assert json.loads(f'"{ran.err.strip()}"') == f"error: there is no file {NAME}.parquet"


@pytest.fixture
def unwritable(tmp_path: Path) -> Iterator[int]:
    """Give a descriptor that takes nothing, as one on a full disk does, and fails without harm to the machine."""
    (tmp_path / "read-only").touch()
    descriptor = os.open(tmp_path / "read-only", os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def unread() -> Iterator[int]:
    """Give a descriptor of a pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


def lines(count: int) -> Callable[[], object]:
    return lambda: collections.deque(map(say, ["a line"] * count))


OUTPUTS: dict[str, Callable[[], object]] = {
    "little": lines(1),
    "more than a buffer holds": lines(10_000),
    "a table": lambda: app(["capacity", "100"], standalone_mode=False),
    "nothing that was refused": lambda: say("a line", flush=True),
}


@pytest.fixture
def run_to(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    """Run a command whose standard output is a descriptor; *buffered* is as without PYTHONUNBUFFERED."""
    opened = []

    def run_to(descriptor: int, command: Callable[[], object], *, buffered: bool) -> int:
        stream = io.TextIOWrapper(os.fdopen(os.dup(descriptor), "wb"), write_through=not buffered)
        opened.append(stream)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            return run(command)

    yield run_to
    for stream in opened:
        os.close(stream.fileno())
        with contextlib.suppress(OSError):
            stream.close()


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("command", OUTPUTS.values(), ids=OUTPUTS)
def test_output_that_cannot_be_written_is_an_error(
    *,
    unwritable: int,
    run_to: Callable[..., int],
    command: Callable[[], object],
    buffered: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_to(unwritable, command, buffered=buffered) == 1
    assert capsys.readouterr().err == "error: standard output cannot be written: Bad file descriptor\n"


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("command", OUTPUTS.values(), ids=OUTPUTS)
def test_a_reader_that_is_gone_is_no_news(
    *,
    unread: int,
    run_to: Callable[..., int],
    command: Callable[[], object],
    buffered: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_to(unread, command, buffered=buffered) == 1
    assert capsys.readouterr().err == ""


def test_a_command_without_output_and_error_output_does_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)

    def command() -> None:
        sys.stdout.write("done")
        done.append("done")
        raise UsageError("not as it was asked")

    assert run(command) == 2
    assert done == ["done"]


def test_ctrl_c_during_the_import_ends_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Interrupting:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "stream_consumer.cli.app":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "stream_consumer.cli.app")
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == 130
    assert capfd.readouterr() == ("", "")


@pytest.mark.process
@pytest.mark.parametrize("module", [1, 2, 5, 10, 20, 50, 100, 200, 400, 600])
def test_ctrl_c_at_any_time_of_the_start_ends_without_a_traceback(module: int) -> None:
    """It comes when so many modules have been looked for."""
    script = (
        "import os, signal, sys\n"
        "class Interrupting:\n"
        "    left = int(sys.argv[1])\n"
        "    def find_spec(self, *_):\n"
        "        Interrupting.left -= 1\n"
        "        if not Interrupting.left: os.kill(os.getpid(), signal.SIGINT)\n"
        "from stream_consumer.__main__ import main\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "sys.argv = ['stream-consumer', 'capacity', '100']\n"
        "main()\n"
    )
    ran = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", script, str(module)], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "")


@pytest.mark.process
def test_a_process_ends_well_whatever_its_output_is(unwritable: int, unread: int) -> None:
    """What the interpreter does with its streams at the end is the process's, too."""
    command = [sys.executable, "-m", "stream_consumer", "capacity", "100"]
    full = subprocess.run(command, stdout=unwritable, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603
    assert (full.returncode, full.stderr) == (1, "error: standard output cannot be written: Bad file descriptor\n")
    closed = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", '"$@" >&-', "sh", *command], stderr=subprocess.PIPE, text=True, check=False
    )
    assert (closed.returncode, closed.stderr) == (0, "")
    gone = subprocess.run(command, stdout=unread, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603
    assert (gone.returncode, gone.stderr) == (1, "")
