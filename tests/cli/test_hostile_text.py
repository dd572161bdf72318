"""What others wrote reaches the terminal as text: nothing in it is obeyed, by the terminal or as markup."""

import ast
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import stream_consumer.cli
from stream_consumer.aws.clients import Clients
from stream_consumer.cli.app import run
from stream_consumer.cli.function_log import escaped_output
from stream_consumer.cli.terminal import Terminal, complain
from stream_consumer.contract.printable import log_line, printable
from stream_consumer.contract.record import Reason
from stream_consumer.errors import UsageError
from tests.cli.conftest import Command
from tests.cli.model import linear_model
from tests.hostile import HOSTILE, SHOWN
from tests.operate.bucket import ReadableS3, dead_letter, event_id, lay_ours
from tests.rides import ride_event

MODULES = sorted(Path(stream_consumer.cli.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_every_command_says_what_it_says_through_the_terminal(module: Path) -> None:
    """Neither the built-in print nor a console of rich's own, but in the one module that escapes."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    prints = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "print"]
    consoles = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "rich.console"]
    if module.stem == "terminal":
        assert (len(prints), len(consoles)) == (2, 1)
    else:
        assert (prints, consoles) == ([], [])


@pytest.fixture
def hostile(mocked_aws: Clients, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Clients:
    """Rides and predictions on the streams and dead letters in the bucket, all with a text that nobody should obey."""
    ride = ride_event(HOSTILE)
    mocked_aws.kinesis.put_record(StreamName="ride_events", PartitionKey="k", Data=ride)
    mocked_aws.kinesis.put_record(StreamName="ride_events", PartitionKey="k", Data=ride_event(HOSTILE, pickup=0))
    made = {
        "model": HOSTILE,
        "version": HOSTILE,
        "prediction": {"ride_duration": 1.0, "ride_id": HOSTILE},
        "event_id": HOSTILE,
    }
    mocked_aws.kinesis.put_record(StreamName="ride_predictions", PartitionKey="k", Data=json.dumps(made).encode())
    mocked_aws.kinesis.put_record(StreamName="ride_predictions", PartitionKey="k", Data=HOSTILE.encode())
    s3 = ReadableS3()
    lay_ours(s3, dead_letter(0, ride, key=HOSTILE), dead_letter(1, HOSTILE.encode(), Reason.UNDECODABLE))
    lay_ours(s3, dead_letter(2, json.dumps({"d": HOSTILE}).encode(), index=HOSTILE))
    s3.objects[f"dead-letters/{HOSTILE}"] = b"SECRET"
    for key, body in s3.objects.items():
        mocked_aws.s3.put_object(Bucket="ride-failures", Key=key, Body=body)
    monkeypatch.setenv("MODEL_LOCATION", linear_model(tmp_path / "model"))
    monkeypatch.chdir(tmp_path)
    linear_model(tmp_path / "other", 3.0)
    (tmp_path / "failing.py").write_text(f"def handle(event, context):\n    raise ValueError({HOSTILE!r})\n")
    (tmp_path / "talking.py").write_text(TALKING)
    (tmp_path / f"{HOSTILE.replace('/', '')}.ndjson").write_bytes(ride + b"\n")
    return mocked_aws


TALKING = f"""import sys

def handle(event, context):
    print({HOSTILE!r}, {HOSTILE!r})
    sys.stderr.write({HOSTILE!r})
"""

COMMANDS: dict[str, tuple[str, ...]] = {
    "tail": ("tail", "--from", "TRIM_HORIZON", "--no-follow"),
    "tail as JSON": ("tail", "--from", "TRIM_HORIZON", "--no-follow", "--json"),
    "list": ("dead-letters", "list"),
    "list as JSON": ("dead-letters", "list", "--json"),
    "show": ("dead-letters", "show", event_id(2) + HOSTILE),
    "show as JSON": ("dead-letters", "show", event_id(0), "--json"),
    "redrive, tried": ("dead-letters", "redrive", "--dry-run", "--stream", "s", "--edit", ".x = 1"),
    "redrive": ("dead-letters", "redrive", "--edit", ".d |= error"),
    "replay here": ("replay", "--output", "-"),
    "replay compared": ("replay", "--compare", "other"),
    "replay compared, as JSON": ("replay", "--compare", "other", "--json"),
    "replay to a file that cannot be": ("replay", "--output", f"nowhere{HOSTILE}/x"),
    "consume": (
        *("consume", "--function", "failing.handle", "--drain", "--poll", "0", "--maximum-retry-attempts", "0"),
    ),
    "batch": ("batch", f"{HOSTILE.replace('/', '')}.ndjson", f"out{HOSTILE.replace('/', '')}.ndjson"),
    "put": ("put", f"nosuch{HOSTILE}.parquet"),
    "model": ("model", f"nosuch{HOSTILE}"),
    "train": ("train", f"nosuch{HOSTILE}.csv"),
    "a bad time": ("tail", "--from", HOSTILE),
    "a bad bucket": ("dead-letters", "list", "--bucket", f"b{HOSTILE}"),
    "a bad program": ("dead-letters", "redrive", "--edit", HOSTILE),
    "a bad destination": ("consume", "--on-failure", HOSTILE),
}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.usefixtures("hostile")
def test_no_command_lets_a_text_be_obeyed(command: Command, arguments: tuple[str, ...]) -> None:
    done = command(*arguments)
    said = done.out + done.err
    assert said
    assert [character for character in said if not character.isprintable() and character != "\n"] == []
    assert "Traceback (most" not in said


@pytest.mark.usefixtures("hostile")
def test_json_is_escaped_and_stays_the_value_that_it_was(command: Command) -> None:
    done = command("tail", "--from", "TRIM_HORIZON", "--no-follow", "--json")
    assert SHOWN.replace('"', r"\"") in done.out
    assert json.loads(done.out)["prediction"]["ride_id"] == HOSTILE


def _raising(text: str) -> Callable[[], object]:
    def command() -> object:
        raise UsageError(text)

    return command


@pytest.mark.parametrize("text", ["a [b] c", r"\[/red]", "[/]", r"\\[x]\\"])
def test_an_error_is_shown_as_it_is(capfd: pytest.CaptureFixture[str], text: str) -> None:
    assert run(_raising(text)) == 2
    assert capfd.readouterr().err == f"error: {text}\n"


def test_an_error_is_one_line_whatever_a_file_is_called(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(_raising("two\nlines")) == 2
    assert capfd.readouterr().err == "error: two\\u000alines\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (HOSTILE, SHOWN),
        ("é 🚕 \\ [", "é 🚕 \\ ["),
        ("a\nb\tc\r", r"a\u000ab\u0009c\u000d"),
        ("\ud800", r"\ud800"),
        ("\U000e0001", r"\udb40\udc01"),
        ("", ""),
    ],
)
def test_what_is_not_printable_is_escaped_as_json_would(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert json.loads(f'"{shown}"') == text if "\\ [" not in text else True


def test_a_log_line_is_json_and_printable() -> None:
    line = log_line({"event_id": HOSTILE})
    assert line.isprintable()
    assert json.loads(line) == {"event_id": HOSTILE}


@pytest.mark.usefixtures("hostile")
def test_a_function_that_talks_is_heard_to_the_last_word(command: Command) -> None:
    done = command("consume", "--function", "talking.handle", "--drain", "--poll", "0")
    assert done.code == 0
    assert sorted(done.err.splitlines()[1:]) == sorted([f"{SHOWN} {SHOWN}", SHOWN])
    assert [json.loads(line)["type"] for line in done.out.splitlines()] == ["batch", "total"]


def test_a_function_s_output_leaves_displays_of_progress_alone(capfd: pytest.CaptureFixture[str]) -> None:
    with escaped_output():
        Terminal().print("bold", style="bold")
        complain(HOSTILE)
        sys.stdout.write(HOSTILE)
    assert capfd.readouterr() == (f"bold\n{SHOWN}\n", f"{SHOWN}\n")
