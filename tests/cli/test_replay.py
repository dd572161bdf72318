"""``replay`` as an operator types it: a backfill to a stream or a file, or two models compared."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream_consumer.aws.clients import Clients
from stream_consumer.cli import replay
from stream_consumer.cli.app import app
from stream_consumer.model import Model
from stream_consumer.reader import PredictionReader
from tests.cli.conftest import Command, Ran
from tests.cli.model import linear_model
from tests.rides import SHARD, ride_event

LOST = b"not JSON"
MILES = [3.0, 1.0, 150.0]


@pytest.fixture
def event_ids(mocked_aws: Clients) -> list[str]:
    """Three rides and one record that is none on the input stream; their event ids."""
    ids = []
    for data in (*(ride_event(f"ride-{at}", distance=miles) for at, miles in enumerate(MILES)), LOST):
        put = mocked_aws.kinesis.put_record(StreamName="ride_events", PartitionKey="k", Data=data)
        ids.append(f"{SHARD}:{put['SequenceNumber']}")
    return ids


@pytest.fixture
def model(tmp_path: Path) -> str:
    return linear_model(tmp_path / "two-minutes")


def test_a_backfill_publishes_with_the_event_ids_of_the_first_time(
    command: Command, mocked_aws: Clients, event_ids: list[str], model: str
) -> None:
    done = command("replay", "--model", model, "--output-stream", "ride_predictions")
    assert (done.code, done.out) == (0, "")
    assert "4 records replayed: 3 predictions, 1 undecodable\n" in done.err
    received = list(PredictionReader(mocked_aws.kinesis, "ride_predictions", follow=False))
    assert [one.prediction.event_id for one in received] == event_ids[:3]
    assert [one.prediction.value for one in received] == [11.0, 7.0, 305.0]
    assert {(one.prediction.model, one.prediction.version) for one in received} == {("two-minutes", "run-two-minutes")}


def test_a_replay_heeds_the_pin_and_the_envelope(
    command: Command, event_ids: list[str], model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREDICTION_FIELD", "minutes")
    monkeypatch.setenv("RUN_ID", "the-one")
    done = command("replay", "--model", model, "--output", "-")
    assert json.loads(done.out.splitlines()[0]) == {
        "model": "two-minutes",
        "version": "the-one",
        "prediction": {"minutes": 11.0, "ride_id": "ride-0"},
        "event_id": event_ids[0],
    }
    compared = command("replay", "--model", model, "--compare", model)
    assert "one:   two-minutes the-one" in compared.out
    assert "other: two-minutes run-two-minutes" in compared.out, "the environment names one version, not two"
    monkeypatch.setenv("MODEL_DIGEST", "0" * 64)
    pinned = command("replay", "--model", model, "--output", "-")
    assert (pinned.code, f"but MODEL_DIGEST pins {'0' * 64}" in pinned.err) == (1, True)


def test_a_replay_into_files_has_the_predictions_as_on_the_stream(
    command: Command, event_ids: list[str], model: str, tmp_path: Path
) -> None:
    made, failed = tmp_path / "predictions.ndjson", tmp_path / "failed.ndjson"
    done = command("replay", "--model", model, "--output", str(made), "--dead-letters", str(failed))
    assert done.code == 0
    assert made.read_text(encoding="utf-8").splitlines()[1] == (
        '{"model":"two-minutes","version":"run-two-minutes",'
        f'"prediction":{{"ride_duration":7.0,"ride_id":"ride-1"}},"event_id":"{event_ids[1]}"}}'
    )
    [letter] = failed.read_text(encoding="utf-8").splitlines()
    assert json.loads(letter)["event_id"] == event_ids[3]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["failed.ndjson", "predictions.ndjson", "two-minutes"]


@pytest.mark.parametrize(
    ("places", "rides"),
    [
        ((None, None), [0, 1, 2]),
        ((1, None), [1, 2]),
        ((None, 1), [0, 1]),
        ((1, 1), [1]),
        (("2000-01-01", "2001-01-01"), []),
        (("2000-01-01", 0), [0]),
        ((2, "2099-01-01T00:00:00Z"), [2]),
    ],
)
def test_a_range_is_named_by_times_or_event_ids(
    command: Command,
    event_ids: list[str],
    model: str,
    places: tuple[int | str | None, int | str | None],
    rides: list[int],
) -> None:
    bounds: list[str] = []
    for option, place in zip(("--from", "--until"), places, strict=True):
        if place is not None:
            bounds += [option, event_ids[place] if isinstance(place, int) else place]
    done = command("replay", "--model", model, "--output", "-", *bounds)
    assert [json.loads(line)["prediction"]["ride_id"] for line in done.out.splitlines()] == [
        f"ride-{at}" for at in rides
    ]


@pytest.mark.usefixtures("event_ids")
def test_a_comparison_publishes_nothing_and_says_how_the_models_differ(
    command: Command, mocked_aws: Clients, event_ids: list[str], model: str, tmp_path: Path
) -> None:
    other = linear_model(tmp_path / "three-minutes", 3.0, longest=100.0)
    done = command("replay", "--model", model, "--compare", other, "--keep", "1", "--threshold", "2")
    assert done.code == 0
    assert (
        done.out
        == f"""\
one:   two-minutes run-two-minutes  {model}
other: three-minutes run-three-minutes  {other}

records                       4
scored by both                2, 2 of them differently
disagreeing                   1 of 2 that both predict

other less one
mean                     2.0000
RMS                      2.2361
p50, p95 absolute        0.9901       3.0013
largest absolute         3.0000

       one      other       less  ride_id, event_id
     11.00      14.00       3.00  'ride-0', {event_ids[0]}

   records one          other        such as
         1 scored       bounds       {event_ids[2]}
"""
    )
    assert list(PredictionReader(mocked_aws.kinesis, "ride_predictions", follow=False)) == []


@pytest.mark.usefixtures("event_ids")
def test_models_that_agree_have_nothing_to_name(command: Command, model: str) -> None:
    done = command("replay", "--model", model, "--compare", model)
    assert done.out.endswith("mean                     0.0000\nRMS                      0.0000\n"
        "p50, p95 absolute        0.0000       0.0000\nlargest absolute         0.0000\n")  # fmt: skip


@pytest.mark.usefixtures("event_ids")
def test_a_comparison_is_had_as_json(command: Command, model: str, tmp_path: Path) -> None:
    other = linear_model(tmp_path / "three-minutes", 3.0)
    found = json.loads(command("replay", "--model", model, "--compare", other, "--json").out)
    assert (found["records"], found["scored_by_both"], found["largest"]) == (4, 3, 150.0)
    assert found["largest_differences"][0]["ride_id"] == "ride-2"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            (),
            2,
            "error: wanted exactly one of --output-stream, --output-topic, --output and --compare",
        ),
        (
            ("--output", "-", "--output-stream", "x"),
            2,
            "error: wanted exactly one of --output-stream, --output-topic, --output and --compare",
        ),
        (
            ("--output-stream", "ride_events"),
            2,
            "error: --output-stream ride_events is the input stream. Name a different stream for the predictions\n",
        ),
        (
            ("--output", "-", "--from", "LATEST"),
            2,
            "error: --from 'LATEST' is not a time, wanted TRIM_HORIZON, a time in ISO 8601 (2026-11-21T01:02:03Z)",
        ),
        (("--output", "-", "--until", "noon"), 2, "error: --until 'noon' is not a time, wanted a time in ISO 8601"),
        (
            ("--output", "-", "--from", "shardId-000000000000:1", "--until", "shardId-000000000001:2"),
            2,
            "error: --from is in shardId-000000000000 and --until in shardId-000000000001: an event id bounds its own",
        ),
        (("--output", "-", "--from", "shardId-000000000009:1"), 1, "has no shard 'shardId-000000000009'"),
        (("--output", "-", "--stream", "nosuch"), 1, "error: the stream 'nosuch': An error occurred (ResourceNotFound"),
        (("--output", "nosuch/made.ndjson"), 2, "error: --output nosuch/made.ndjson cannot be written: No such file"),
        (
            ("--output", "-", "--dead-letters", "nosuch/x"),
            2,
            "error: --dead-letters nosuch/x cannot be written: No such",
        ),
        (
            ("--output", "made.ndjson", "--dead-letters", "./made.ndjson"),
            2,
            "error: --output and --dead-letters are both made.ndjson. Name a different file",
        ),
        (
            ("--output-stream", "nosuch"),
            2,
            "error: --output-stream nosuch: the stream does not exist at http",
        ),
        (("--output", "-", "--digest", "0000"), 1, "MODEL_DIGEST pins 0000"),
        (("--compare", "nosuch"), 1, "error: there is no MLflow model at nosuch"),
    ],
)
@pytest.mark.usefixtures("event_ids")
def test_what_cannot_be_done_is_one_line(
    command: Command, model: str, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = command("replay", "--model", model, *arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert "Traceback" not in done.err


def test_a_file_that_was_not_finished_does_not_take_its_name(  # noqa: PLR0913, PLR0917 (fixtures)
    command: Command,
    mocked_aws: Clients,
    event_ids: list[str],
    model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The output stream is deleted while the model is loaded."""
    load = replay._load  # noqa: SLF001 (the time between check and use)

    def deleting(location: str, digest: str | None, clients: Clients) -> Model:
        mocked_aws.kinesis.delete_stream(StreamName="ride_predictions")
        return load(location, digest, clients)

    monkeypatch.setattr(replay, "_load", deleting)
    failed = tmp_path / "failed.ndjson"
    done = command("replay", "--model", model, "--output-stream", "ride_predictions", "--dead-letters", str(failed))
    assert done == Ran(1, "", done.err)
    assert event_ids[0] in done.err
    assert not failed.exists()


def test_help_fits_80_columns() -> None:
    result = CliRunner().invoke(app, ["replay", "--help"], env={"COLUMNS": "80", "TERM": "dumb"})
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 80
