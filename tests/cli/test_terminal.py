"""What a person sees on a terminal of 80 columns."""

import functools
import re
from pathlib import Path

import pytest

from stream_consumer.local.demo.embedded_aws import EmbeddedAws
from stream_consumer.training.synthetic import synthetic_rides
from tests.batch.files import rides_file as ride_rows
from tests.cli.conftest import write_rides
from tests.cli.terminal import COLUMNS, Seen, in_terminal, screen


def rows(seen: Seen) -> dict[str, str]:
    """Return the rows of the printed tables by name."""
    found = (re.fullmatch(r"(\S.*?) {2,}(\S.*)", line) for line in seen.lines)
    return {row[1]: row[2] for row in found if row}


def is_readable(seen: Seen, most_lines: int) -> bool:
    """Whether a person can read it: no more than *most_lines*, none folded, no document, no traceback."""
    assert len(seen.lines) <= most_lines, seen.text
    assert max(map(len, seen.lines)) <= COLUMNS, seen.text
    assert not re.search(r'\{"|Traceback|Exception', seen.text), seen.text
    return True


def test_the_screen_is_a_terminal_s() -> None:
    assert screen("one\r\ntwo\x1b[2K\x1b[1A\rsix\x1b[31m!\x1b[0m\r\nten") == ["six!", "ten"]
    with pytest.raises(AssertionError, match="CSI 2J"):
        screen("\x1b[2J")


@pytest.mark.process
def test_the_demo_shows_two_bars_and_its_summary(boosted_rides_model: Path, tmp_path: Path) -> None:
    seen = in_terminal(
        *("demo", "--model", boosted_rides_model, "--limit", 2000, "--rate", 0, "--malformed", "1%"), directory=tmp_path
    )
    assert seen.code == 0, seen.text
    assert is_readable(seen, 24)
    assert rows(seen)["adds up"] == "yes: 2,020 = 2,000 + 20 + 0"
    invocations = re.fullmatch(r"([\d,]+), ([\d,]+) ms in the model, 0 entries resent", rows(seen)["invocations"])
    assert invocations, seen.text
    assert int(invocations[1]) > 0
    assert int(invocations[2]) > 0


@pytest.mark.process
def test_ctrl_c_ends_the_demo_at_once_and_without_a_word(rides_model: Path, tmp_path: Path) -> None:
    seen = in_terminal("demo", "--model", rides_model, "--rate", 100, directory=tmp_path, interrupt_at="read back")
    assert seen.code == 130, seen.text
    assert is_readable(seen, 12)


@pytest.mark.process
def test_a_batch_shows_a_bar_and_a_table_with_the_file_s_name_as_it_is(rides_model: Path, tmp_path: Path) -> None:
    ride_rows(tmp_path / "[red]rides.csv")
    ride_rows(tmp_path / f"{'long ' * 20}.csv")
    for _ in range(2):
        seen = in_terminal(
            *("batch", "[red]rides.csv", f"{'long ' * 20}.csv", "out/", "--model", rides_model), directory=tmp_path
        )
        assert seen.code == 0, seen.text
        table = Seen(0, [line for line in seen.lines if "out/" not in line])
        assert is_readable(table, 10)
        assert "…" not in table.text.partition("input ")[2], "only the label of a bar is cut"
        assert "[red]rides.csv" in seen.lines[0]
        assert rows(seen)["[red]rides.csv"].split() == ["4", "2", "2"]


@pytest.mark.process
def test_serve_names_the_model_that_it_loads(rides_model: Path, tmp_path: Path) -> None:
    (tmp_path / "model").symlink_to(rides_model)
    seen = in_terminal("serve", "--model", "model", "--port", 0, directory=tmp_path, interrupt_at="/docs)")
    assert seen.code == 130, seen.text
    assert seen.lines[0] == "loading model …"
    assert seen.lines[1].startswith("serving ")


@pytest.fixture
def consuming(aws: EmbeddedAws, rides_model: Path) -> dict[str, str]:
    """Return the environment of a function that consumes one ride and 30 records that are none."""
    kinesis = aws.clients().kinesis
    ride = b'{"ride":{"PULocationID":130,"DOLocationID":205,"trip_distance":3.66},"ride_id":256}'
    for data in [ride, *[b"[]"] * 30]:
        kinesis.put_record(StreamName="ride_events", PartitionKey="1", Data=data)
    return {**aws.environment, "MODEL_LOCATION": str(rides_model), "DEAD_LETTER_BUCKET": "ride-failures"}


@pytest.mark.process
def test_consuming_shows_log_lines_in_short_each_batch_and_the_total(consuming: dict[str, str], tmp_path: Path) -> None:
    consume = functools.partial(
        in_terminal,
        *("consume", "--checkpoint", "checkpoint.json", "--poll", "0.05"),
        directory=tmp_path,
        environment=consuming,
    )
    seen = consume("--drain")
    assert seen.code == 0, seen.text
    assert is_readable(seen, 18)
    said = "ride_events from the beginning of the stream: the checkpoint file checkpoint.json is new"
    assert " ".join(seen.lines[:2]) == said
    assert seen.lines[2].startswith("INFO model loaded: model=")
    assert sum(line.startswith("WARNING invalid record: reason=schema") for line in seen.lines) == 9
    [batch] = [line for line in seen.lines if line.startswith("shardId-")]
    assert re.fullmatch(r"shardId-\d{12}: 31 records: 1 predicted, 30 dead letters, \d+ ms", batch)
    assert "31 records: 1 predicted, 30 dead letters (1 batch)" in seen.lines
    assert "12 more log lines (2>&1 | cat shows all)" in seen.lines

    again = consume(interrupt_at="until Ctrl-C or SIGTERM\r\n")
    assert again.code == 130, again.text
    assert is_readable(again, 9)
    assert again.lines[0] == "ride_events from the checkpoint in checkpoint.json"
    assert "0 records: 0 predicted, 0 dead letters (0 batches)" in again.text


@pytest.mark.process
def test_training_and_the_demo_tell_the_same_twice(tmp_path: Path) -> None:
    write_rides(tmp_path / "rides.parquet", synthetic_rides(500, seed=3))
    for version in (1, 2):
        trained = in_terminal("train", "rides.parquet", directory=tmp_path)
        assert trained.code == 0, trained.text
        assert is_readable(trained, 12)
        assert rows(trained)["registered"].startswith(f"models:/ride-duration/{version} ")
    errors = []
    for _ in range(2):
        ran = in_terminal("demo", "--rides", "rides.parquet", "--rate", 0, directory=tmp_path)
        assert ran.code == 0, ran.text
        assert is_readable(ran, 32)
        assert rows(ran)["model"] == "ride-duration, version 1, from models:/ride-duration@champion"
        errors.append((rows(ran)["held-out error"].split()[1], rows(ran)["RMSE"].split()[0]))
    assert errors[0] == errors[1]
    assert errors[0][0] == errors[0][1], "the rides put are those that training held out"


@pytest.mark.process
@pytest.mark.parametrize("command", ["train", "demo"])
def test_ctrl_c_ends_a_training_without_a_word(command: str, tmp_path: Path) -> None:
    write_rides(tmp_path / "rides.parquet", synthetic_rides(500, seed=3))
    rides = ["rides.parquet"] if command == "train" else ["--train", "rides.parquet"]
    # Each of these stages takes long enough to be seen.
    for stage in ("starting", "saving the model"):
        seen = in_terminal(command, *rides, directory=tmp_path, interrupt_at=stage)
        assert seen.code == 130, seen.text
        assert is_readable(seen, 2)
