"""``demo``: the main job from nothing, its counts, its report, and what it says when they do not add up."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

import stream_consumer
from stream_consumer.models.files import directory_digest
from stream_consumer.training.rides import load_rides
from stream_consumer.training.synthetic import synthetic_rides
from tests.cli.conftest import Command, write_rides
from tests.cli.model import linear_model


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")


def rows(text: str) -> dict[str, str]:
    """Return the summary's rows by name."""
    lines = [line.split("  ", 1) for line in text.splitlines() if "  " in line]
    return {name.strip(): value.strip() for name, value in lines}


COLUMNS = ("PULocationID", "DOLocationID", "trip_distance", "prediction")


def verdicts(text: str) -> dict[str, tuple[str, ...]]:
    """Return the rows, the limits and the verdict of each column of the drift table."""
    cells = [re.split(r" {2,}", line.strip()) for line in text.splitlines()]
    table = [row for row in cells if len(row) == 6]
    return {name: (counted, limits, verdict) for name, counted, _, _, limits, verdict in table[1:]}


@pytest.mark.process
def test_from_nothing_it_trains_runs_and_reports(command: Command, tmp_path: Path) -> None:
    ran = command("demo", "--limit", 600, "--rate", 0, "--seed", 7)
    assert ran.code == 0, ran
    assert "There is no model yet" in ran.out
    assert rows(ran.out)["adds up"] == "yes: 600 = 600 + 0 + 0"
    judged = (*["small reference"] * 2, *["as in training"] * 2)
    assert verdicts(ran.out) == {
        name: ("600", "size 0.025, z 5", verdict) for name, verdict in zip(COLUMNS, judged, strict=True)
    }
    assert "No verdict on PULocationID, DOLocationID: it takes 500 rows" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80
    report = (tmp_path / "demo-report.html").read_text(encoding="utf-8")
    assert report.count("data:image/png;base64,") == 8, "four plots, each light and dark"
    assert "://" not in report, "the report needs nothing else"

    again = command("demo", "--limit", 600, "--rate", 0, "--seed", 7)
    assert "There is no model yet" not in again.out
    assert rows(again.out)["RMSE"] == rows(ran.out)["RMSE"], "the rides of the training are not put"
    assert "warning" not in again.out


@pytest.mark.process
def test_a_drift_on_purpose_rings_in_the_table_the_report_and_the_json_and_is_no_error(
    command: Command, tmp_path: Path
) -> None:
    ran = command("demo", "--limit", 600, "--rate", 0, "--malformed", "10%", "--drift", "kilometres", "--json")
    assert ran.code == 0, ran
    told = json.loads(ran.out)
    assert told["about"]["rides"].endswith("seed 42, 10% malformed, distances in kilometres")
    assert (told["put"], told["predicted"], sum(told["dead_letters"].values())) == (667, 600, 67)
    drift = told["drift"]
    rings = dict(zip(COLUMNS, (False, False, True, True), strict=True))
    assert {one["column"]: one["rings"] for one in drift["columns"]} == rings
    assert {one["rows"] for one in drift["columns"]} == {600}
    assert drift["limits"] == {"size": 0.025, "z": 5.0}
    assert (drift["records"], drift["invalid"], drift["skipped"]) == (667, 67, 0)
    assert drift["advice"].startswith("Drift in trip_distance, prediction: ")
    assert {name: verdict for name, (_, _, verdict) in verdicts(ran.err).items()} == {
        name: "RINGS" if ringing else "small reference" for name, ringing in rings.items()
    }
    report = (tmp_path / "demo-report.html").read_text(encoding="utf-8")
    assert "<th scope='row' class='bad'>trip_distance</th>" in report
    assert drift["advice"] in report


@pytest.mark.process
def test_malformed_records_come_out_as_dead_letters_by_reason(command: Command, rides_model: Path) -> None:
    ran = command("demo", "--model", rides_model, "--limit", 300, "--rate", 0, "--malformed", "20%")
    assert ran.code == 0, ran
    assert rows(ran.out)["adds up"] == "yes: 375 = 300 + 75 + 0"
    assert rows(ran.out)["dead letters"] == "75: 27 undecodable, 36 schema, 12 bounds"


@pytest.mark.process
def test_it_runs_the_function_as_lambda_does(
    command: Command, rides_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(stream_consumer.__file__).parent.parent))  # where it is not installed
    ran = command("demo", "--model", rides_model, "--limit", 200, "--rate", 0, "--runtime", "--shards", 1)
    assert ran.code == 0, ran
    assert rows(ran.out)["adds up"] == "yes: 200 = 200 + 0 + 0"


@pytest.mark.process
@pytest.mark.parametrize("runtime", [[], ["--runtime"]], ids=["in process", "runtime"])
def test_a_challenger_is_compared_and_changes_no_count(
    command: Command, rides_model: Path, boosted_rides_model: Path, monkeypatch: pytest.MonkeyPatch, runtime: list[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(stream_consumer.__file__).parent.parent))  # where it is not installed
    monkeypatch.setenv("CHALLENGER_LOCATION", str(boosted_rides_model))
    monkeypatch.setenv("CHALLENGER_STREAM", "challenger_predictions")
    monkeypatch.setenv("CHALLENGER_TIMEOUT_MS", "29000")  # it must fit twice into the function's minute
    ran = command("demo", "--model", rides_model, "--limit", 200, "--rate", 0, "--shards", 1, *runtime)
    assert ran.code == 0, ran
    assert rows(ran.out)["adds up"] == "yes: 200 = 200 + 0 + 0"
    assert rows(ran.out)["challenger"] == "200 compared, 200 of them disagree, 0 failed, 0 skipped"


def test_a_model_that_does_not_load_ends_it_with_the_remedy(command: Command, tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    ran = command("demo", "--model", tmp_path, "--limit", 10)
    assert ran.code == 1
    assert "has the flavours []; log it with sklearn" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.process
def test_the_rides_to_train_on_decide_which_model_runs(command: Command, tmp_path: Path) -> None:
    for seed in (1, 2):
        write_rides(tmp_path / f"city {seed}.parquet", synthetic_rides(500, seed=seed))
    options = ("--rides", "city*.parquet", "--limit", 50, "--rate", 0)
    first = command("demo", *options, "--train", "city 1.parquet")
    assert rows(first.out)["rides"].startswith("50 that the model has not seen, of city 1.parquet, ")
    other = command("demo", *options, "--train", "city 2.parquet")
    assert "version 2, from models:/ride-duration/2" in rows(other.out)["model"]
    again = command("demo", *options, "--train", "city 1.parquet")
    assert "version 1, from models:/ride-duration/1" in rows(again.out)["model"]
    assert "registered" not in rows(again.out), "a model of these very rides is there"
    rides = load_rides(["city 1.parquet"])
    write_rides(tmp_path / "seen.parquet", rides.where(rides.pickup_time < np.datetime64("2021-02-01")))
    seen = command("demo", "--rides", "seen.parquet", "--train", "city 1.parquet")
    assert (seen.code, "the model was trained on all " in seen.err) == (2, True)
    synthetic = command("demo", "--limit", 50, "--rate", 0)
    warning = "warning: the model was trained on trip records, and these are synthetic rides, so expect another error"
    assert warning in " ".join(synthetic.out.split())


@pytest.mark.process
def test_a_model_of_unknown_training_is_said_to_be_one(command: Command, rides_model: Path) -> None:
    ran = command("demo", "--model", rides_model, "--limit", 50, "--rate", 0)
    assert rows(ran.out)["trained on"] == "not recorded"
    assert "has no reference profile to compare rows with; train it again, or sign a copy" in " ".join(ran.out.split())
    assert "monitor" not in rows(ran.out)
    assert "warning: nothing tells which rides the model was trained on" in ran.out


def test_a_model_and_rides_to_train_on_exclude_each_other(command: Command, rides_model: Path) -> None:
    ran = command("demo", "--model", rides_model, "--train", "rides.parquet")
    assert (ran.code, "cannot be combined" in ran.err) == (2, True)


def test_make_passes_names_as_a_shell_reads_them(tmp_path: Path) -> None:
    shutil.copy(Path(stream_consumer.__file__).parents[1] / "Makefile", tmp_path)
    command = tmp_path / ".venv" / "bin" / "stream-consumer"
    command.parent.mkdir(parents=True)
    command.write_text('#!/bin/sh\nfor argument; do echo "$argument"; done\n')
    command.chmod(0o755)
    for name in ("a b.parquet", "c.parquet"):
        (tmp_path / name).touch()
    given = ["RIDES='a b.parquet' c*.parquet", "TRAIN=s3://rides/d.parquet", "DEMO_ARGS=--limit 5"]
    made = subprocess.run(  # noqa: S603 (make, as README has it)
        ["make", "--silent", "--old-file", ".venv/.local", "demo", *given],  # noqa: S607
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stdout.splitlines() == [
        *("demo", "--rides", "a b.parquet", "--rides", "c.parquet", "--train", "s3://rides/d.parquet", "--limit", "5"),
    ]


def test_no_rides_are_no_demo(command: Command) -> None:
    ran = command("demo", "--limit", 0)
    assert (ran.code, "--limit is '0', wanted 1 to 10,000,000" in ran.err) == (2, True)


@pytest.fixture
def shops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pickled classifier of labels, as most people log one, and its pin."""
    path = tmp_path / "shops"
    frame = pd.DataFrame({"plan": ["basic", "family"] * 10, "fee": [float(fee) for fee in range(20)]})
    split = ColumnTransformer([("plan", OneHotEncoder(), ["plan"])], remainder="passthrough")
    model = make_pipeline(split, DecisionTreeClassifier(max_depth=1)).fit(frame, ["stays"] * 10 + ["leaves"] * 10)
    signature = infer_signature(frame)
    mlflow.sklearn.save_model(model, path, serialization_format="cloudpickle", signature=signature, pip_requirements=[])
    monkeypatch.setenv("MODEL_DIGEST", directory_digest(path))
    for name, value in {"ENTITY_FIELD": "customer", "ID_FIELD": "customer_id", "PREDICTION_FIELD": "fate"}.items():
        monkeypatch.setenv(name, value)
    return path


@pytest.mark.process
def test_a_model_and_events_of_ones_own_run(command: Command, shops: Path, tmp_path: Path) -> None:
    lines = ["customer_id,plan,fee", *(f"c-{number},basic,{number}" for number in range(20)), "c-20,basic,dear"]
    (tmp_path / "customers.csv").write_text("\n".join(lines), encoding="utf-8")
    ran = command("demo", "--model", shops, "--events", "customers.csv", "--rate", 0, "--malformed", "16%")
    assert ran.code == 0, ran
    said = rows(ran.out)
    assert said["adds up"] == "yes: 25 = 20 + 5 + 0"
    assert said["dead letters"] == "5: 4 undecodable, 1 schema"
    fault = "1 have the fault schema at $.customer.fee (Expected `float`, got `str`); deploy a model whose signature"
    assert f"commonest fault {fault} fits the events, such as a copy by" in " ".join(ran.out.split())
    assert said["fate"] == "stays: 10, leaves: 10"
    assert said["first event"] == '{"customer":{"plan":"basic","fee":0},"customer_id":"c-0"}'
    # The first five that came; which ones these are depends on which shard was read first.
    assert len(re.findall(r'\{"fate":"(?:stays|leaves)","customer_id":"c-\d+"\}', ran.out)) == 5
    assert "ride" not in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80
    report = (tmp_path / "demo-report.html").read_text(encoding="utf-8")
    assert report.count("data:image/png;base64,") == 4, "latencies, light and dark, and nothing of rides"
    assert f"<th scope='row'>commonest fault</th><td>{fault}" in report
    assert "Put-to-prediction latency" in report


@pytest.mark.process
def test_events_without_an_id_and_predictions_that_are_numbers_run(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = linear_model(tmp_path / "trips")
    for name, value in {"ENTITY_FIELD": "", "ID_FIELD": "", "PREDICTION_FIELD": "minutes"}.items():
        monkeypatch.setenv(name, value)
    trips = [{"PULocationID": 1, "DOLocationID": 2, "trip_distance": float(miles)} for miles in (1, 2, 3, 10)]
    (tmp_path / "trips.json").write_text(json.dumps(trips), encoding="utf-8")
    ran = command("demo", "--model", location, "--events", "trips.json", "--rate", 0)
    assert ran.code == 0, ran
    assert rows(ran.out)["adds up"] == "yes: 4 = 4 + 0 + 0"
    assert rows(ran.out)["minutes"] == "mean 13, p95 22.9"
    assert "commonest fault" not in ran.out
    assert "put-to-prediction" not in rows(ran.out), "nothing tells which event a prediction is of"


def test_events_that_are_all_invalid_are_no_demo(command: Command, shops: Path, tmp_path: Path) -> None:
    (tmp_path / "e.ndjson").write_text('{"customer": {"plan": "basic"}, "customer_id": 1}\n', encoding="utf-8")
    ran = command("demo", "--model", shops, "--events", "e.ndjson")
    assert ran.code == 2
    assert (
        "no event is valid. The first event has a fault at $.customer: Object missing required field `fee`" in ran.err
    )


def test_events_need_a_model_of_ones_own_and_no_rides(command: Command, shops: Path) -> None:
    for options in ((), ("--model", shops, "--rides", "r.parquet"), ("--model", shops, "--drift", "zones")):
        ran = command("demo", "--events", "e.ndjson", *options)
        assert (ran.code, "Add --model, and leave out --rides" in ran.err) == (2, True)


@pytest.mark.process
def test_on_topics_of_an_embedded_broker_it_adds_up_in_order(command: Command, tmp_path: Path) -> None:
    ran = command("demo", "--kafka", "--limit", 600, "--malformed", "5%", "--rate", 0, "--batch-size", 100)
    assert ran.code == 0, ran
    summary = rows(ran.out)
    assert summary["put"] == "632 (0 put again)"
    assert summary["predictions"] == "600 (0 duplicates left out)"
    assert summary["dead letters"].startswith("32: ")
    assert summary["adds up"] == "yes: 632 = 600 + 32 + 0"
    assert summary["order"] == "kept for each key"
    assert (tmp_path / "demo-report.html").is_file()


def test_on_topics_there_is_no_function_to_run_in_processes(command: Command) -> None:
    ran = command("demo", "--kafka", "--runtime")
    assert (ran.code, "since --kafka runs no function" in ran.err) == (2, True)
