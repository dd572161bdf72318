"""The metadata ``null_is_nan``: null in a required column of floats reaches the model as NaN, at every interface."""

from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest

from stream_consumer.batch.job import Job, run
from stream_consumer.batch.storage import Stores
from stream_consumer.contract.record import Reason
from stream_consumer.inference import Decider
from stream_consumer.model import Model
from stream_consumer.models.loading import load_model
from stream_consumer.web.app import WebApp
from tests.batch.files import rides_file, rows
from tests.example_models import changed, with_metadata
from tests.harness import Harness
from tests.rides import ride_event
from tests.web.client import post, settings

WITHOUT_A_DISTANCE = ride_event(1, 130, 205, None)


@pytest.fixture(scope="module")
def lenient(boosted_rides_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return changed(
        boosted_rides_model, tmp_path_factory.mktemp("models") / "lenient", with_metadata({"null_is_nan": True})
    )


@pytest.fixture(scope="module")
def model(lenient: Path) -> Model:
    return load_model(str(lenient))


@pytest.fixture(scope="module")
def wanted(lenient: Path) -> float:
    """What MLflow predicts for NaN."""
    frame = pd.DataFrame({"PULocationID": [130], "DOLocationID": [205], "trip_distance": [np.nan]})
    [predicted] = mlflow.pyfunc.load_model(str(lenient)).predict(frame)
    return float(predicted)


@pytest.mark.usefixtures("capsys")
def test_the_handler_predicts_an_event_with_null(model: Model, wanted: float) -> None:
    run = Harness(model=model)
    run.invoke([WITHOUT_A_DISTANCE, ride_event(2)])
    assert run.predictions[0].value == pytest.approx(wanted, rel=1e-12)
    assert run.s3.letters == []


REFUSED: dict[str, tuple[bytes, Reason]] = {
    "a column that is missing": (b'{"ride": {"PULocationID": 130, "DOLocationID": 205}, "ride_id": 1}', Reason.SCHEMA),
    "null for an integer": (ride_event(1, None), Reason.SCHEMA),
    "the bare word NaN": (WITHOUT_A_DISTANCE.replace(b"null", b"NaN"), Reason.UNDECODABLE),
    "a distance beyond the bounds": (ride_event(1, distance=-1), Reason.BOUNDS),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.usefixtures("capsys")
def test_nothing_else_is_let_in_with_it(model: Model, case: str) -> None:
    data, reason = REFUSED[case]
    run = Harness(model=model)
    run.invoke([data, ride_event(2)])
    assert [letter.reason for letter in run.s3.letters] == [reason]
    assert run.ride_ids == [2]


@pytest.mark.usefixtures("capsys")
def test_without_it_null_is_a_dead_letter(boosted_rides_model: Path) -> None:
    run = Harness(model=load_model(str(boosted_rides_model)))
    run.invoke([WITHOUT_A_DISTANCE, ride_event(2)])
    assert [(letter.reason, letter.path) for letter in run.s3.letters] == [(Reason.SCHEMA, "$.ride.trip_distance")]


def test_the_web_predicts_it_in_either_form(model: Model, wanted: float) -> None:
    application = WebApp(model, settings(), Decider(model).decide, 100)
    event = post(application, WITHOUT_A_DISTANCE).json
    assert event["prediction"]["ride_duration"] == pytest.approx(wanted, rel=1e-12)
    for null in ("null", "NaN"):
        body = f'{{"inputs": [{{"PULocationID": 130, "DOLocationID": 205, "trip_distance": {null}}}]}}'
        assert post(application, body.encode(), "/invocations").json == {"predictions": [pytest.approx(wanted)]}


@pytest.mark.parametrize("name", ["rides.parquet", "rides.ndjson", "rides.csv"])
def test_so_does_a_run_of_files(model: Model, wanted: float, tmp_path: Path, name: str) -> None:
    table = {"PULocationID": [130, 1], "DOLocationID": [205, 2], "trip_distance": [None, 3.66], "ride_id": [1, 2]}
    job = Job.of(str(rides_file(tmp_path / name, table)), str(tmp_path / "made.parquet"))
    summary = run(job, model=model, stores=Stores())
    assert (summary.predicted, summary.rejected) == (2, {})
    assert rows(tmp_path / "made.parquet")[0]["ride_duration"] == pytest.approx(wanted, rel=1e-12)
