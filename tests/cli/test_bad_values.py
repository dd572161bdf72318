"""
No value of any option shows a traceback: every command ends with a known exit code and its error in one line.

The options come from the command line itself, so a new one is tried at once. SEED=n takes another sample.
CASES=n tries so many values of each command's options, CASES=all every value of every option: some 10,000 runs.
"""

import hashlib
import os
import random
import re
import shutil
import signal
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from typer.main import get_command

from stream_consumer.aws.clients import Clients
from stream_consumer.cli.app import app
from stream_consumer.contract.printable import printable
from tests.cli.conftest import Command
from tests.cli.model import linear_model
from tests.operate.bucket import event_id

SEED = int(os.environ.get("SEED", "1"))
FEW, MANY, MANY_SERVED = 2, 40, 10
ENDLESS_SECONDS, SERVING_SECONDS = 90.0, 2.0  # `put` tries for a minute
"""A command that runs on for longer is interrupted, as by Ctrl-C; serving is what some are for."""

TEXTS = (
    *("", " ", "x", "🚕", "\udcff", "\0", "a\0b", "x" * 5_000, "a\nb", "\x1b]0;owned\x07", "[/red]", "{", "{}", "{x}"),
    *("{date:%q}", "%", "=", "a=b", "a=", ".[", "null", "@", "@nosuch", "--", "~nosuch/x"),
)
NUMBERS = ("-1", "0", "1", "1.5", "inf", "-inf", "nan", "1e999", "1e300", "9" * 25, "٣", "1%", "101%", "nan%", "0x10")
TIMES = (
    *("0001-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00", "9999-12-31T23:59:59.999999"),
    *("2026-02-30", "1969-12-31", "T", "2026-W01-1"),
)
LOCATIONS = (
    *("http://[::1", "http://", "http://127.0.0.1:99999", "http://127.0.0.1:x", "http://x y/", "http://127.0.0.1:1"),
    *("https://[x", "ftp://x", "s3://", "s3://B/x", "s3://[", "models:/", "models:/x@y", "runs:/x", "sqlite:///"),
    *("sqlite:///nosuch/x.db", "postgresql://[", "postgresql://x:y@127.0.0.1:z/w", "arn:aws:kinesis", "file://x"),
)
PATHS = (
    *(".", "..", "folder", "folder/", "empty", "latin.csv", "fifo", "model", "nosuch/nosuch", "/proc/nosuch"),
    *("/proc/nosuch/", "empty/x", "loop"),
)
VALUES = (*TEXTS, *NUMBERS, *TIMES, *LOCATIONS, *PATHS)


@dataclass(frozen=True)
class Base:
    """The arguments and options with which a command does its work, or fails, and ends."""

    arguments: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    """What an error says that these give, here or in another region."""
    serves: bool = False
    """Whether it goes on for ever when all is well."""
    awaits: str = ""
    """The value for which it tries again for ever, with a warning each time."""
    makes: tuple[str, ...] = ()
    """What it makes before it reads its input: a store is tried before a large file is read."""

    def goes_on_with(self, value: str) -> bool:
        return self.serves or (bool(value) and value == self.awaits)

    def fails_with(self, error: str) -> bool:
        return any(one in error for one in self.errors)


MODEL = ("--model", "model")
BASES: dict[str, Base] = {
    "demo": Base((), ("--model", "nosuch", "--limit", "1"), ("nosuch",)),
    "demo-loop": Base((), ("--rides", "nosuch.parquet"), ("nosuch.parquet", "an empty name")),
    "train": Base(("nosuch.parquet",), (), ("nosuch.parquet",), makes=("mlflow.db",)),
    "put": Base(("trips.csv",), (), ("ride_events",)),
    "consume": Base(
        (),
        ("--drain", "--poll", "0", "--maximum-retry-attempts", "0"),
        ("ride_events", "goes with --kafka", "goes with Kinesis"),
    ),
    "tail": Base((), ("--from", "TRIM_HORIZON", "--no-follow"), ("ride_predictions",), awaits="http://127.0.0.1:1"),
    "archive": Base((), ("--to", "archived", "--no-follow"), ("ride_predictions",), awaits="http://127.0.0.1:1"),
    "replay": Base((), (*MODEL, "--output", "replayed.json"), ("ride_events",)),
    "batch": Base(("rides.csv", "out/"), MODEL),
    "worker": Base(
        (),
        ("--queue", "http://127.0.0.1:1/queue", "--exit-when-empty", "--model", "nosuch"),
        ("nosuch", "127.0.0.1:1/queue"),
    ),
    "serve": Base((), ("--model", "nosuch"), ("nosuch",), serves=True),
    "capacity": Base(("100",)),
    "doctor": Base(("demo",)),
    "status": Base((), ("--function", "nosuch"), ("nosuch",)),
    "logs": Base((), ("--function", "nosuch"), ("nosuch",)),
    "training-job": Base((), ("--root", "nosuch"), ("the training job is wrong",), makes=("output", "output/failure")),
    "model show": Base(("model",)),
    "model list": Base((), ("--models", "folder")),
    "model promote": Base(("1",), ("--models", "folder"), ("no version in folder",)),
    "model rollback": Base((), ("--models", "folder"), ("names no champion before",)),
    "model sign": Base(("model",), ("--example", "events.ndjson", "--output", "signed"), ("the example events",)),
    "model export": Base(("model", "exported")),
    "dead-letters redrive": Base((event_id(0),), ("--bucket", "ride-failures")),
    "dead-letters list": Base((), ("--bucket", "ride-failures")),
    "dead-letters show": Base((event_id(0),), ("--bucket", "ride-failures"), ("no dead letter",)),
    "monitor quality": Base(
        (),
        ("--predictions", "folder", "--outcomes", "events.ndjson", "--results", "results", "--day", "2026-11-21"),
        ("has no prediction of",),
    ),
    "monitor report": Base(
        (),
        ("--profiles", "folder", "--model", "nosuch", "--output", "monitor.html"),
        ("nosuch", "no reference profile"),
    ),
    "monitor watch": Base((), ("--profiles", "folder", "--model", "nosuch", "--once"), ("nosuch",)),
    "local env": Base((), ("--port", "1"), ("local up does not run on",)),
    "local up": Base((), ("--port", "1", "--stream", "x"), serves=True),
}
INPUTS = {"folder", "empty", "latin.csv", "fifo", "model", "rides.csv", "events.ndjson", "loop"}


@dataclass(frozen=True)
class Case:
    """A command line with one bad value."""

    option: str
    """The option that has it, or the name of the argument."""
    value: str
    line: list[str]

    def is_named(self, error: str) -> bool:
        """Whether *error* says which option or which value is meant."""
        name = self.option.strip("-")
        words = {name, name.replace("-", "_"), name.replace("-", " "), *(word for word in name.split("-") if word[3:])}
        masked = self.value.partition("://")[0] + "://…"  # what a URL says of itself if it may hold a password
        plain = re.sub("//[^/]*@", "//", self.value)
        filled = self.value.removeprefix("{date:").removesuffix("}")  # a date that strftime leaves as it is
        shown = {printable(self.value).strip(), repr(self.value), repr(self.value)[1:-1].strip(), masked, plain, filled}
        if self.value.startswith("-"):  # an argument that looks like options
            shown.add(f"no such option: {self.value[:2]}")
        shown = (shown | {f"{Path(self.value)} ", f"{Path(self.value)}:"}) - {""}  # a path, "." for one without a name
        return any(text in error.lower() for text in {*words, *map(str.lower, shown)})

    def asks_for(self, path: str) -> bool:
        """Whether the command line names *path*, a folder above or below it, or a file that it lies beside."""
        told = [str(Path(part)) for part in self.line if part.strip("./")]
        return any(path.startswith(part) or part.startswith(f"{path}/") for part in told)


def options_of(group: Any, path: str = "") -> dict[str, list[str]]:
    """Return the options that take a value, and the names of the arguments, by command."""
    found: dict[str, list[str]] = {}
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            found |= options_of(command, f"{path}{name} ")
        else:
            found[path + name] = [one.opts[0] for one in command.params if not getattr(one, "is_flag", False)]
    return found


OPTIONS = options_of(get_command(app))


def cases(command: str, count: int) -> list[Case]:
    """Return a sample of *count* command lines."""
    base = BASES[command]
    every = [
        Case(option, value, [*command.split(), *base.options, *given, *arguments])
        for option in OPTIONS[command]
        for value in VALUES
        for given, arguments in (
            [([option, value], base.arguments)]
            if option.startswith("-")
            else [([], arguments) for arguments in _with(base.arguments, value)]
        )
    ]
    asked = os.environ.get("CASES", str(count))
    if asked == "all":
        return every
    return random.Random(f"{SEED} {command}").sample(every, min(int(asked), len(every)))  # noqa: S311 (a sample of cases)


def _with(arguments: tuple[str, ...], value: str) -> list[tuple[str, ...]]:
    """Return *arguments* with *value* in the place of each."""
    if value == "--":  # ends the options, and is no argument
        return []
    return [(*arguments[:at], value, *arguments[at + 1 :]) for at in range(len(arguments))]


@pytest.fixture
def _place(mocked_aws: Clients, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:  # noqa: ARG001
    """Give a folder with a model and rides, AWS in this process, and an end to what would run on."""
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    monkeypatch.setenv("MODEL_LOCATION", linear_model(Path("model").absolute()))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # which MLflow itself sets for its store, in other tests
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("MOTO_ALLOW_NONEXISTENT_REGION", "true")
    Path("folder").mkdir()
    Path("empty").touch()
    os.mkfifo("fifo")
    Path("loop").symlink_to("loop")
    Path("latin.csv").write_bytes(b"ride_id,PULocationID\n1,\xe9\n")
    Path("trips.csv").write_text(
        "lpep_pickup_datetime,lpep_dropoff_datetime,PULocationID,DOLocationID,trip_distance\n"
        "2021-01-01 00:15:56,2021-01-01 00:19:52,43,151,1.01\n"
    )
    Path("rides.csv").write_text("ride_id,PULocationID,DOLocationID,trip_distance\n1,1,2,3.0\n")
    ride = '{"ride": {"PULocationID": 1, "DOLocationID": 2, "trip_distance": 3.5}, "ride_id": 1}\n'
    Path("events.ndjson").write_text(ride)

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)  # which a server handles in its own way

    before = signal.signal(signal.SIGALRM, interrupt)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_every_command_is_tried() -> None:
    assert BASES.keys() == OPTIONS.keys()


@pytest.mark.parametrize("name", BASES)
@pytest.mark.usefixtures("_place")
def test_a_bad_value_ends_in_one_line(command: Command, name: str) -> None:
    _try(command, name, 1 if BASES[name].serves else FEW)


@pytest.mark.process
@pytest.mark.parametrize("name", BASES)
@pytest.mark.usefixtures("_place")
def test_many_bad_values_end_in_one_line(command: Command, name: str) -> None:
    _try(command, name, MANY_SERVED if BASES[name].serves else MANY)


NAMED: dict[str, tuple[tuple[str, ...], int, str]] = {
    "a time after the calendar's end": (
        ("dead-letters", "list", "--until", "9999-12-31T23:59:59-14:00"),
        2,
        "'9999-12-31T23:59:59-14:00' is out of range; wanted a time in the years 1970 to 9998",
    ),
    "a date before the calendar": (
        ("batch", "rides.csv", "out/", "--date", "0001-01-01T00:00:00+14:00"),
        2,
        "'0001-01-01T00:00:00+14:00' is out of range; wanted a time in the years 1970 to 9998",
    ),
    "an endless peak": (
        ("capacity", "100", "--peak", "inf"),
        2,
        "capacity cannot be estimated: peak_events_per_second is inf, wanted at most 1,000,000,000",
    ),
    "a stream without a name": (
        ("tail", "--stream", ""),
        1,
        "the stream '': Parameter validation failed: Invalid length",
    ),
    "no name of a bucket": (
        ("dead-letters", "list", "--bucket", "a b"),
        1,
        'error: Parameter validation failed: Invalid bucket name "a b"',
    ),
    "a stream that is not there": (
        ("put", "trips.csv", "--stream", "nosuch"),
        2,
        "error: --stream nosuch: the stream does not exist at https://kinesis.us-east-1.amazonaws.com",
    ),
    "no IPv6 address": (
        ("tail", "--endpoint-url", "http://[::1"),
        2,
        "endpoint 'http://[::1' is not a URL such as http://127.0.0.1:4566",
    ),
    "no port": (
        ("tail", "--endpoint-url", "http://127.0.0.1:99999"),
        2,
        "endpoint 'http://127.0.0.1:99999' is not a URL such as http://127.0.0.1:4566",
    ),
    "not UTF-8": (("tail", "--stream", "\udcff"), 2, "the argument '\\udcff' is not UTF-8"),
    "one JSON document": (("put", "event.json"), 2, "event.json: events are read from .ndjson and .jsonl files"),
    "two lines for a name": (("put", "a\nb"), 2, "error: a\\u000ab: rides are read from"),
    "more than any machine counts": (
        ("put", "trips.csv", "--limit", "9" * 25),
        2,
        "--limit is '9999999999999999999999999', wanted 0 to 1,000,000,000",
    ),
    "a null character": (("tail", "--stream", "a\0b"), 2, "the argument 'a\\x00b' holds a null character"),
    "a pipe of examples": (
        ("model", "sign", "model", "--output", "signed", "--example", "fifo"),
        2,
        "--example fifo: it is a pipe or a device, not a file",
    ),
    "a pipe of a program": (
        ("dead-letters", "redrive", "--edit", "@fifo"),
        2,
        "--edit @fifo: [Errno 22] it is a pipe or a device, not a file: 'fifo'",
    ),
    "a pipe of events": (
        ("demo", "--model", "model", "--events", "fifo.ndjson"),
        2,
        "--events fifo.ndjson: there is no such file",
    ),
    "a pipe of rides": (("put", "fifo.csv"), 2, "fifo.csv is a pipe or a device, not a file"),
    "a pipe of rides to train on": (("train", "fifo.csv"), 2, "fifo.csv is a pipe or a device, not a file"),
    "a pipe of rows": (("batch", "fifo.csv", "out/"), 2, "fifo.csv is a pipe or a device, not a file"),
    "a pipe of predictions": (
        ("replay", "--output", "fifo"),
        2,
        "--output fifo cannot be written: it is a pipe or a device",
    ),
    "no folder to sign into": (
        ("model", "sign", "model", "--example", "events.ndjson", "--output", "."),
        1,
        ". is there already; name a folder that is not",
    ),
    "no file to replay to": (
        ("replay", "--output", "."),
        2,
        "--output . cannot be written: it is a folder, not a file",
    ),
    "no file to report to": (("demo", "--report", "folder"), 2, "--report folder cannot be written: it is a folder"),
    "a store that cannot be": (
        ("train", "rides.csv", "--tracking-uri", "sqlite:////proc/nosuch/x.db"),
        2,
        "MLflow's store /proc/nosuch/x.db cannot be written: No such file or directory",
    ),
    "a store that is no URL": (
        ("train", "rides.csv", "--tracking-uri", "postgresql://user:secret@[/x"),
        2,
        "MLflow at postgresql://… cannot be used",
    ),
    "no seed": (("train", "rides.csv", "--seed", "-1"), 2, "--seed is '-1', wanted 0 to 4,294,967,295"),
}


@pytest.mark.parametrize(("line", "code", "said"), NAMED.values(), ids=NAMED)
@pytest.mark.usefixtures("_place")
def test_a_value_is_refused_by_name(command: Command, line: tuple[str, ...], code: int, said: str) -> None:
    for name in ("fifo.csv", "fifo.ndjson"):
        os.mkfifo(name)
    before = _files()
    ran = command(*line)
    assert (ran.code, said in ran.err, "Traceback" in ran.err) == (code, True, False), ran
    assert _files() == before


@pytest.mark.parametrize("stream", ["consume", "tail"])
@pytest.mark.parametrize(
    ("checkpoint", "why"),
    [
        ("folder", "it is a folder, not a file"),
        ("fifo", "it is a pipe or a device, not a file"),
        ("nosuch/x", "No such file or directory"),
        ("empty/x", "Not a directory"),
        ("/proc/nosuch", "No such file or directory"),
        ("loop", "Too many levels of symbolic links"),
        ("x" * 300, "File name too long"),
    ],
)
@pytest.mark.usefixtures("_place")
def test_a_checkpoint_that_cannot_be_kept_is_refused_before_a_record_is_read(
    command: Command, stream: str, checkpoint: str, why: str
) -> None:
    ran = command(stream, "--checkpoint", checkpoint, "--stream", "which-is-not-there")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == f"error: --checkpoint {checkpoint} cannot be written: {why}. Name a different file\n"


@pytest.mark.parametrize("command_name", ["train", "demo"])
@pytest.mark.usefixtures("_place")
def test_training_where_nothing_can_be_written_is_refused_at_once(
    command: Command, command_name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nobody can make a file in /proc, not even root."""
    rides = str(Path("trips.csv").absolute())
    monkeypatch.chdir("/proc")
    line = [rides] if command_name == "train" else ["--rides", rides, "--report", str(tmp_path / "report.html")]
    ran = command(command_name, *line)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.strip().startswith(
        "error: MLflow's store mlflow.db cannot be written: No such file or directory; change to"
    )


def _try(command: Command, name: str, count: int) -> None:
    faults = []
    for case in cases(name, count):
        before, environment = _files(), dict(os.environ)
        if fault := _fault(command, BASES[name], case):
            faults.append(f"{[part[:80] for part in case.line]}: {fault}")
        for path in _files().keys() - before.keys():
            shutil.rmtree(path, ignore_errors=True)
            Path(path).unlink(missing_ok=True)
        os.environ.clear()
        os.environ.update(environment)
    assert not faults, f"SEED={SEED}:\n" + "\n".join(faults)


def _fault(command: Command, base: Base, case: Case) -> str:
    """Return what is wrong with what a user sees, and with what was written."""
    before = _files()
    goes_on = base.goes_on_with(case.value)
    signal.setitimer(signal.ITIMER_REAL, SERVING_SECONDS if goes_on else ENDLESS_SECONDS)
    try:
        ran = command(*case.line)
    except BaseException:  # noqa: BLE001 (it would be the user's traceback)
        return traceback.format_exc(limit=-3)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    errors = [text for text in ran.err.splitlines() if text.startswith("error: ")]
    written = [path for path, _ in before.items() ^ _files().items() if path not in base.makes]
    wrong = {
        f"exit code {ran.code}": ran.code not in {0, 1, 2} and not (ran.code == 130 and goes_on),
        f"{len(errors)} errors": len(errors) > 1 or (ran.code == 2 and not errors and "Usage:" not in ran.err),
        "a traceback": "Traceback" in ran.out + ran.err,
        "an error about something else": not all(case.is_named(error) or base.fails_with(error) for error in errors),
        "raw text": any(not one.isprintable() and one != "\n" for one in ran.err),
        f"wrote {written}": any(ran.code == 2 or not case.asks_for(path) for path in written),
    }
    said = [what for what, holds in wrong.items() if holds]
    return f"{said}: {ran.out[-200:]}{ran.err[-700:]}" if said else ""


def _files() -> dict[str, str]:
    """Return what is in the working directory."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(Path().rglob("*"))
    }
