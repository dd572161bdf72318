"""``train`` and ``model``: a model made and looked at from the command line."""

import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import skops.io
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from sklearn.feature_extraction import DictVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from stream_consumer.models.files import directory_digest
from stream_consumer.models.loading import Choice, load_directory
from stream_consumer.profiling.reference import carried_by
from tests.cli.conftest import Command
from tests.cli.model import linear_model
from tests.rides import ride_event

PAIRS = "PU_DO={PULocationID}_{DOLocationID}"


def test_a_model_is_shown_with_its_columns_bounds_and_digest(command: Command, rides_model: Path) -> None:
    ran = command("model", rides_model)
    assert ran.code == 0
    assert directory_digest(rides_model) in ran.out
    assert "column       PULocationID: long, required, 1 to 265" in ran.out
    lines = {line[:13].rstrip(): line for line in ran.out.splitlines()}
    assert served(rides_model, lines["event"][13:].encode()) > 0
    del lines["location"], lines["event"]  # each is to be copied, so no line is broken
    assert max(map(len, lines.values())) <= 80


def test_columns_set_for_a_model_with_a_signature_are_said_to_be_unused(
    command: Command, rides_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unused = "not used     MODEL_COLUMNS, since the model has a signature"
    assert unused not in command("model", rides_model).out
    monkeypatch.setenv("MODEL_COLUMNS", "trip_distance:double?")
    ran = command("model", rides_model)
    assert (ran.code, unused in ran.out) == (0, True)
    assert "column       trip_distance: double, required" in ran.out


def test_a_model_is_exported_with_its_digest(
    command: Command, rides_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = command("model", "export", rides_model, tmp_path / "copy")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[0].split() == ["digest", directory_digest(rides_model)]
    assert directory_digest(tmp_path / "copy") == directory_digest(rides_model)
    assert served(tmp_path / "copy", ride_event(1)) == served(rides_model, ride_event(1))
    again = command("model", "export", rides_model, tmp_path / "copy")
    assert (again.code, "copy is there already; name a folder that is not" in " ".join(again.err.split())) == (1, True)
    lost = command("model", "export", rides_model, tmp_path / "no" / "folder")
    assert (lost.code, "cannot be copied to" in lost.err) == (1, True)
    within = command("model", "export", tmp_path / "copy", tmp_path / "copy" / "copy")
    assert (within.code, "lies in the model's own folder" in " ".join(within.err.split())) == (1, True)
    monkeypatch.setenv("MODEL_DIGEST", "0" * 64)
    pinned = command("model", "export", rides_model, tmp_path / "other")
    assert (pinned.code, f"MODEL_DIGEST pins {'0' * 64}" in " ".join(pinned.err.split())) == (1, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


def test_what_is_no_model_is_said_with_the_remedy(command: Command, tmp_path: Path) -> None:
    ran = command("model", tmp_path)
    assert ran.code == 1
    assert "name the directory that holds it, an s3:// prefix, a champion.json or models:/NAME@ALIAS" in ran.err


@pytest.mark.process
def test_training_prints_the_errors_beside_the_baseline(
    command: Command, rides_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # A store of its own by its full path: mlflow keeps a connection to every address for as long as the process lives.
    ran = command("train", rides_file, "--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db")
    assert ran.code == 0, ran
    assert "the linear baseline" in ran.out
    assert "moved here: there was no champion" in ran.out
    assert command("model", "models:/ride-duration@champion").code == 0


def test_rides_that_are_not_there_are_a_usage_error(command: Command) -> None:
    ran = command("train", "no-such-rides.parquet")
    assert (ran.code, "no-such-rides.parquet" in ran.err) == (2, True)


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    """The MLOps Zoomcamp reference solution: dicts of PU_DO and distance, pickled, without signature or example."""
    rides = [{"PU_DO": f"{zone}_205", "trip_distance": zone / 100} for zone in range(120, 140)]
    model = make_pipeline(DictVectorizer(), LinearRegression()).fit(rides, np.arange(20.0))
    [predicted] = model.predict([{"PU_DO": "130_205", "trip_distance": 3.66}])
    model[-1].intercept_ += 21.294545348333408 - predicted
    mlflow.sklearn.save_model(model, tmp_path / "reference", serialization_format="cloudpickle", pip_requirements=[])
    return tmp_path / "reference"


@pytest.fixture
def rides_ndjson(tmp_path: Path) -> Path:
    path = tmp_path / "rides.ndjson"
    path.write_bytes(b"\n".join(ride_event(number) for number in (1, 2, 3)) + b"\n")
    return path


def served(path: Path, event: bytes) -> Any:
    """Return what the function would predict for one event."""
    model = load_directory(path, str(path), Choice(digest=directory_digest(path)))
    decoded: Any = model.schema.decode(event)
    row = decoded.row if model.schema.envelope.entity else decoded
    return model.values([[getattr(row, name.removeprefix("row."))] for name in model.schema.fields])[0]


def test_the_digest_of_a_pickled_model_comes_before_its_refusal(
    command: Command, reference: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = directory_digest(reference)
    refused = command("model", reference)
    assert (refused.code, refused.out) == (1, f"digest       {digest}\n")
    assert "pin it with MODEL_DIGEST" in refused.err
    assert command("model", reference, "--digest").out == f"{digest}\n"
    monkeypatch.setenv("MODEL_DIGEST", "0" * 64)
    assert f"has the digest {digest}, but MODEL_DIGEST pins 000" in command("model", reference).err
    monkeypatch.setenv("MODEL_DIGEST", digest)
    shown = command("model", reference)
    assert shown.code == 0
    assert "column       PU_DO: string, required" in shown.out, "its DictVectorizer knows them"


def test_the_settings_of_the_envelope_are_heeded(
    command: Command, rides_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"ENTITY_FIELD": "", "ID_FIELD": "trip", "PREDICTION_FIELD": "minutes"}.items():
        monkeypatch.setenv(name, value)
    shown = command("model", rides_model)
    assert 'event        {"PULocationID":130,"DOLocationID":205,"trip_distance":1.0,"trip":"1"}\n' in shown.out
    assert "prediction   minutes: double" in shown.out


def test_a_registry_that_is_not_there_is_not_made(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = command("model", "models:/churn/1")
    assert ran.code == 1
    assert "models:/churn/1" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_signed_copy_carries_a_reference_made_of_events_and_its_digest_covers_it(
    command: Command, tmp_path: Path, rides_ndjson: Path
) -> None:
    location, events, signed = (
        linear_model(tmp_path / "trips", longest=2000.0),
        tmp_path / "events",
        tmp_path / "signed",
    )
    rides = [{"PULocationID": 1 + at % 2, "DOLocationID": 7, "trip_distance": float(at)} for at in range(40)]
    lines = [{"ride": ride, "ride_id": at} for at, ride in enumerate([*rides, {"trip_distance": "far"}])]
    events.write_text("\n".join(map(json.dumps, lines)))
    sign = ("model", "sign", location, "--example", rides_ndjson)
    ran = command(*sign, "--reference", events, "-o", signed)
    assert ran.code == 0, ran
    assert f"digest       {directory_digest(signed)}" in ran.out
    assert "reference    trip_distance: 40 rows, number\nreference    prediction: 40 rows, number\n" in ran.out
    reference, _ = carried_by(load_directory(signed, "here", Choice()))
    assert [bins.kind for bins in reference.bins] == ["label", "label", "number", "number"]
    assert reference.counts[0].tolist() == [20, 20, 0, 0, 0]

    assert command(*sign, "-o", tmp_path / "without").code == 0
    assert (
        "reference    none; stream-consumer model sign --reference adds" in command("model", tmp_path / "without").out
    )
    assert directory_digest(tmp_path / "without") != directory_digest(signed)


def test_events_that_the_model_does_not_predict_make_no_reference(command: Command, tmp_path: Path) -> None:
    location, example, events = linear_model(tmp_path / "trips"), tmp_path / "example", tmp_path / "events"
    example.write_bytes(ride_event(1))
    events.write_text('{"ride": {"trip_distance": "far"}}\n')
    ran = command("model", "sign", location, "--example", example, "--reference", events, "-o", tmp_path / "signed")
    assert (ran.code, "the model predicts no event of the reference, of 1 in all" in ran.err) == (1, True)
    assert "the first has the fault $.ride.trip_distance: Expected `float`, got `str`" in ran.err
    assert not (tmp_path / "signed").exists()
    events.write_text("{broken")
    ran = command("model", "sign", location, "--example", example, "--reference", events, "-o", tmp_path / "signed")
    assert (ran.code, f"--reference {events}, line 1: JSON is malformed" in "".join(ran.err.split("\n"))) == (2, True)


def test_the_reference_solution_is_served_after_it_is_signed(
    command: Command, reference: Path, rides_ndjson: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_DIGEST", directory_digest(reference))
    signed = tmp_path / "signed"
    ran = command("model", "sign", reference, "--example", rides_ndjson, "-o", signed, "--derived", PAIRS)
    assert ran.code == 0, ran
    assert f"original     {directory_digest(reference)}" in ran.out
    assert f"digest       {directory_digest(signed)}" in ran.out
    assert f"location     {signed}" in "".join(ran.out.split("\n"))
    assert "column       PULocationID: long, required" in ran.out
    ride = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}
    event = json.dumps({"ride": ride, "ride_id": 256}).encode()
    [expected] = mlflow.pyfunc.load_model(str(reference)).predict([{"PU_DO": "130_205", "trip_distance": 3.66}])
    assert served(signed, event) == expected == pytest.approx(21.294545348333408, abs=1e-12)

    monkeypatch.setenv("MODEL_DIGEST", directory_digest(signed))
    again = command("model", "sign", signed, "--example", rides_ndjson, "-o", tmp_path / "again")
    assert again.code == 0, again
    assert served(tmp_path / "again", event) == expected, "what the model says already stays said"


@pytest.mark.parametrize("by_options", [True, False])
def test_names_of_the_envelope_are_written_into_the_copy(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, by_options: bool
) -> None:
    location = linear_model(tmp_path / "trips", longest=2000.0)
    line = b'{"PULocationID": 1, "DOLocationID": 2, "trip_distance": 4.5, "trip": "t-1", "note": null, "paid": true}'
    (tmp_path / "trips.ndjson").write_bytes(line.replace(b', "note": null, "paid": true', b""))
    options = ["--entity-field", "", "--id-field", "trip", "--prediction-field", "minutes"] if by_options else []
    if not by_options:
        for name, value in {"ENTITY_FIELD": "", "ID_FIELD": "trip", "PREDICTION_FIELD": "minutes"}.items():
            monkeypatch.setenv(name, value)
    example = tmp_path / "trips.ndjson"
    assert command("model", "sign", location, "--example", example, "-o", tmp_path / "signed", *options).code == 0
    for name in ("ENTITY_FIELD", "ID_FIELD", "PREDICTION_FIELD"):
        monkeypatch.delenv(name, raising=False)
    shown = command("model", tmp_path / "signed")
    assert 'event        {"PULocationID":1,"DOLocationID":1,"trip_distance":1.0,"trip":"1"}\n' in shown.out
    assert "prediction   minutes: double" in shown.out
    assert "column       trip:" not in shown.out, "the identifier is no column"
    assert "column       trip_distance: double, required, 0.0 to 2000.0" in shown.out, "bounds stay"
    assert served(tmp_path / "signed", line) == 5 + 2 * 4.5


@pytest.mark.parametrize("bare", [True, False])
def test_a_signed_copy_has_the_columns_of_the_signature_and_those_null_in_an_example_are_optional(
    command: Command, tmp_path: Path, *, bare: bool
) -> None:
    """As pandas writes a table with its label and identifier: ``to_json(orient="records", lines=True)``."""
    location, example = linear_model(tmp_path / "trips"), tmp_path / "trips.ndjson"
    imputing = make_pipeline(SimpleImputer(), LinearRegression()).fit(np.eye(3), np.arange(3))
    skops.io.dump(imputing, tmp_path / "trips" / "model.skops")
    rows: list[dict[str, Any]] = [
        {"ride_id": "a", "PULocationID": 1, "DOLocationID": 2, "trip_distance": 4, "minutes": 9.5},
        {"ride_id": "b", "PULocationID": 1, "DOLocationID": None, "trip_distance": 3, "minutes": 8.0},
    ]
    events = rows if bare else [{"ride": row, "ride_id": row["ride_id"]} for row in rows]
    example.write_text("\n".join(map(json.dumps, events)), encoding="utf-8")
    ran = command("model", "sign", location, "--example", example, "--reference", example, "-o", tmp_path / "signed")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert "left out     ride_id, minutes: no column of the model's signature" in lines
    assert [line for line in lines if line.startswith("column")] == [
        "column       PULocationID: long, required, 1 to 265",
        "column       DOLocationID: long, optional, 1 to 265",
        "column       trip_distance: double, required, 0.0 to 200.0",
    ]
    assert "reference    trip_distance: 2 rows, number" in ran.out
    assert served(tmp_path / "signed", ride_event(1)) == served(Path(location), ride_event(1))


def test_events_without_a_required_column_of_the_signature_replace_the_signature(
    command: Command, reference: Path, rides_ndjson: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_DIGEST", directory_digest(reference))
    mlflow.models.set_signature(
        str(reference), ModelSignature(Schema([ColSpec("string", "PU_DO"), ColSpec("double", "trip_distance")]))
    )
    monkeypatch.setenv("MODEL_DIGEST", directory_digest(reference))
    ran = command("model", "sign", reference, "--example", rides_ndjson, "-o", tmp_path / "signed", "--derived", PAIRS)
    assert (ran.code, "left out" in ran.out) == (0, False)
    assert "column       PULocationID: long, required" in ran.out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "there is no example event"),
        (b"[1]\n", "line 1: Expected `object`, got `array`"),
        (b'{"ride": {"trip_distance": 1}}\n{broken\n', "line 2: JSON is malformed"),
        (b"age,plan\n3,a\n", 'a DataFrame is written so by to_json(FILE, orient="records", lines=True)'),
        (b'{"trip_distance": 1}\n', "example event 1 has no object 'ride'; name the field of the model's input with"),
        (b'{"ride": {"trip_distance": [1]}}\n', "the column 'trip_distance' of the example events holds list"),
        (b'{"ride": {"trip_distance": null}}\n', "the column 'trip_distance' of the example events holds null only"),
        (b'{"ride": {"zone": "a"}}\n{"ride": {"zone": 1}}\n', "the column 'zone' of the example events holds int, str"),
        (None, "No such file or directory"),
    ],
)
def test_bad_example_events_are_named_and_nothing_is_written(
    command: Command, rides_model: Path, tmp_path: Path, content: bytes | None, said: str
) -> None:
    example = tmp_path / "events.ndjson"
    if content is not None:
        example.write_bytes(content)
    ran = command("model", "sign", rides_model, "--example", example, "-o", tmp_path / "signed")
    assert ran.code in {1, 2}
    assert said in ran.err
    assert list(tmp_path.iterdir()) == ([] if content is None else [example])


def test_a_copy_that_does_not_predict_is_not_left_behind(
    command: Command, reference: Path, rides_ndjson: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = tmp_path / "signed"
    sign = ("model", "sign", reference, "--example", rides_ndjson, "-o", signed, "--derived")
    unpinned = command(*sign, PAIRS)
    assert (unpinned.code, f"`stream-consumer model {reference}` prints" in unpinned.err) == (1, True)
    monkeypatch.setenv("MODEL_DIGEST", "0" * 64)
    assert "but MODEL_DIGEST pins 000" in command(*sign, PAIRS).err
    monkeypatch.setenv("MODEL_DIGEST", directory_digest(reference))
    assert (command(*sign, "PU_DO={nowhere}").code, command(*sign, "PU_DO").code) == (1, 2)
    assert sorted(tmp_path.iterdir()) == [reference, rides_ndjson]

    signed.mkdir()
    ran = command(*sign, PAIRS)
    assert (ran.code, f"{signed} is there already" in ran.err, list(signed.iterdir())) == (1, True, [])
