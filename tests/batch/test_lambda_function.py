"""The Lambda form: an event names an interval, and the answer is what is committed."""

import importlib
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from stream_consumer.batch import lambda_function
from stream_consumer.batch.errors import UnusableInput
from stream_consumer.batch.lambda_function import Handler, build_handler
from stream_consumer.batch.storage import Stores
from stream_consumer.errors import SettingsError, UsageError
from stream_consumer.model import Model
from tests.batch.conftest import nowhere
from tests.batch.files import jobs_asked, rides_file, rows

Handle = Callable[..., dict[str, Any]]
NOW = datetime(2021, 3, 1, 0, 30, tzinfo=UTC)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    rides_file(tmp_path / "2021-02.parquet")
    return {"BATCH_INPUT": f"{tmp_path}/{{date:%Y-%m}}.parquet", "BATCH_OUTPUT": f"{tmp_path}/out/{{date:%Y-%m}}.csv"}


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logger(log: io.StringIO, request: pytest.FixtureRequest) -> Logger:
    # Powertools keeps the stream of each service.
    return Logger(service=request.node.nodeid, stream=log)


@pytest.fixture
def handler(environ: dict[str, str], model: Model, stores: Stores, logger: Logger) -> Handler:
    return Handler(model, environ, stores, logger, lambda: NOW)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"date": "2021-02-14"},
        {"scheduled_time": "2021-03-01T00:00:00Z"},
        {"time": "2021-03-01T00:00:07Z", "detail-type": "Scheduled Event", "source": "aws.events"},
    ],
)
def test_the_event_names_the_interval(event: dict[str, str], handler: Handler, tmp_path: Path) -> None:
    answer = handler(event, None)
    assert (answer["rows"], answer["predicted"], answer["rejected"]) == (4, 2, {"schema": 1, "bounds": 1})
    assert json.loads(json.dumps(answer)) == json.loads((tmp_path / "out" / "2021-02.csv.summary.json").read_bytes())


def test_what_is_committed_is_not_scored_again(
    environ: dict[str, str], handler: Handler, model: Model, scratch: Path
) -> None:
    first = handler({}, None)
    scratch.rmdir()
    assert (
        Handler(model, environ, Stores(nowhere, scratch), Logger(service="batch-test"), lambda: NOW)({}, None) == first
    )


def test_a_failure_raises_and_leaves_nothing(handler: Handler, tmp_path: Path, log: io.StringIO) -> None:
    with pytest.raises(UnusableInput, match=r"there is no file .*2021-05\.parquet"):
        handler({"date": "2021-05-01"}, None)
    assert not (tmp_path / "out").exists()
    line = json.loads(log.getvalue())
    assert (line["level"], line["message"], line["error"]) == ("ERROR", "batch failed", "UnusableInput")


def test_rejected_rows_are_a_warning(handler: Handler, log: io.StringIO) -> None:
    handler({}, None)
    [done, warning] = [json.loads(line) for line in log.getvalue().splitlines()]
    assert (done["message"], done["rows"], done["predicted"]) == ("batch committed", 4, 2)
    assert (warning["level"], warning["rejected"]) == ("WARNING", {"schema": 1, "bounds": 1})


OBJECT = {"bucket": {"name": "taxi"}, "object": {"key": "rides/2021-03.parquet", "size": 1}}


@pytest.mark.parametrize(
    "event",
    [
        {"date": 20210201},
        {"date": None},
        {"date": ""},
        {"scheduled_time": ""},
        {"time": None, "scheduled_time": 5},
        {"date": "2021-02-01", "scheduled_time": "2021-03-01T00:00:00Z"},
        {"date": "today"},
        {"detail-type": "Scheduled Event", "source": "aws.events"},
    ],
)
def test_an_event_that_names_no_time_is_refused(event: dict[str, Any], handler: Handler, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="wanted"):
        handler(event, None)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "event",
    [
        {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": OBJECT}]},
        {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "{}"}}]},
        {"Records": [{"eventSource": "aws:sqs", "body": "{}"}]},
        {"Records": []},
        {"version": "0", "detail-type": "Object Created", "source": "aws.s3", "time": "2021-03-05T10:00:00Z",
         "detail": OBJECT},
        {"version": "0", "detail-type": "Object Deleted", "source": "aws.s3", "time": "2021-03-05T10:00:00Z"},
        {"source": "aws.s3", "time": "2021-03-05T10:00:00Z"},
        {"Date": "2021-02-01"},
        {"requestContext": {"http": {"method": "GET"}}},
        [], [{"date": "2021-02-01"}], "2021-02-01", 5, True,
    ],
)  # fmt: skip
def test_an_event_of_another_kind_is_never_taken_for_the_interval_that_ended(
    event: Any, handler: Handler, tmp_path: Path
) -> None:
    """What arrived would be scored never, and another file instead of it."""
    with pytest.raises(UsageError, match="objects that arrive are scored by stream-consumer worker"):
        handler(event, None)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "event", [None, {"warmer": True, "concurrency": 3}, {"source": "serverless-plugin-warmup"}, {"warmup": True}]
)
def test_a_warm_up_scores_nothing_and_is_answered(event: Any, handler: Handler, tmp_path: Path) -> None:
    assert handler(event, None) == {"scored": False, "model": "batch", "model_version": "run-batch"}
    assert not (tmp_path / "out").exists()


def test_init_loads_the_model_and_says_so(
    model_folder: str, environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ["POWERTOOLS_SERVICE_NAME"] = "test-of-init"
    handler = build_handler(environ | {"MODEL_LOCATION": model_folder}, nowhere)
    assert handler({"date": "2021-02-01"}, None)["model"] == "batch"
    assert json.loads(capsys.readouterr().out.splitlines()[0])["message"] == "model loaded"
    assert len(rows(tmp_path / "2021-02.parquet")) == 4
    with pytest.raises(SettingsError, match="MODEL_LOCATION is not set"):
        build_handler({}, nowhere)


def test_the_environment_says_how_many_chunks_are_scored_at_once(
    model_folder: str, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = jobs_asked(monkeypatch)
    build_handler(environ | {"MODEL_LOCATION": model_folder, "BATCH_JOBS": "3"}, nowhere)({"date": "2021-02-01"}, None)
    assert asked == [3]
    with pytest.raises(SettingsError, match="BATCH_JOBS='none'"):
        build_handler({"MODEL_LOCATION": model_folder, "BATCH_JOBS": "none"}, nowhere)


def test_in_lambda_importing_the_module_is_init(
    model_folder: str, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (environ | {"MODEL_LOCATION": model_folder, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DATE", "2021-02-01")
    module = importlib.reload(lambda_function)
    assert module.lambda_handler({}, None)["rows"] == 4
    monkeypatch.undo()
    importlib.reload(lambda_function)
