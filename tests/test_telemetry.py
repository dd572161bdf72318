"""What an operator sees of a batch: exactly these metrics in one line, and these log lines."""

import contextlib
import io
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics
from aws_lambda_powertools.shared.functions import strtobool
from hypothesis import given
from hypothesis import strategies as st

from stream_consumer.contract.record import Record
from stream_consumer.environment_variables import FOREIGN, foreign_faults, switch
from stream_consumer.errors import BatchFailed, ModelError, SettingsError
from stream_consumer.telemetry import Metric, Telemetry, telemetry
from tests.fakes import DENIED, REJECTING_ALL, FakeTime, rejecting, slow
from tests.harness import Harness
from tests.rides import ARRIVAL, FakeModel, kinesis_event, minutes_of, ride_event, sequence_number

Line = dict[str, Any]


@pytest.fixture
def emitted(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[Line]]:
    """Return what gives the lines written to standard output since it was last asked."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def values(line: Line) -> Line:
    """Return the metrics of an EMF line that are not zero, by name."""
    return {name: value[0] for name, value in line.items() if isinstance(value, list) and value != [0.0]}


def test_a_good_batch_is_one_line_with_these_names_and_units(emitted: Callable[[], list[Line]]) -> None:
    """CloudWatch's embedded metric format; the only dimension is the service."""
    run = Harness()
    run.invoke([ride_event(1), ride_event(2)])
    [line] = emitted()
    [directive] = line["_aws"].pop("CloudWatchMetrics")
    assert directive["Namespace"] == "StreamConsumer"
    assert directive["Dimensions"] == [["service"]]
    assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]} == {
        "RecordsReceived": "Count",
        "PredictionsPublished": "Count",
        "DeadLetters": "Count",
        "DeadLettersUndecodable": "Count",
        "DeadLettersSchema": "Count",
        "DeadLettersBounds": "Count",
        "DeadLettersUnscorable": "Count",
        "EntriesResent": "Count",
        "RecordsUnsettled": "Count",
        "ModelTime": "Milliseconds",
        "PublishTime": "Milliseconds",
        "DeadLetterTime": "Milliseconds",
        "OldestRecordAge": "Milliseconds",
        "UnseenZones": "Count",
        "PredictionMean": "None",
        "PredictionP95": "None",
        "ColdStart": "Count",
    }
    assert set(line) == {"_aws", "service"} | {metric["Name"] for metric in directive["Metrics"]}
    assert line["service"] == "stream-consumer"
    assert values(line) == {
        "RecordsReceived": 2.0,
        "PredictionsPublished": 2.0,
        "OldestRecordAge": 2500.0,
        "PredictionMean": pytest.approx(3790.205),
        "PredictionP95": pytest.approx(3790.205),
        "ColdStart": 1.0,
    }


def test_every_metric_has_a_name_of_its_own_and_a_meaning() -> None:
    assert len({metric.label for metric in Metric}) == len(Metric)
    assert all(metric.meaning for metric in Metric)


def test_only_the_first_invocation_is_a_cold_start_and_nothing_leaks_into_the_next(
    emitted: Callable[[], list[Line]],
) -> None:
    run = Harness()
    run.invoke([ride_event(1), b"bad"])
    run.invoke([ride_event(1)])
    first, second = map(values, emitted())
    assert first.pop("ColdStart") == 1.0
    assert (first["RecordsReceived"], first["DeadLetters"]) == (2.0, 1.0)
    assert set(second) == {
        "RecordsReceived",
        "PredictionsPublished",
        "OldestRecordAge",
        "PredictionMean",
        "PredictionP95",
    }


def test_an_empty_batch_has_no_age_and_no_predictions(emitted: Callable[[], list[Line]]) -> None:
    Harness().invoke([])
    [line] = emitted()
    assert values(line) == {"ColdStart": 1.0}
    assert not {"OldestRecordAge", "PredictionMean", "PredictionP95"} & set(line)


def test_dead_letters_are_counted_by_reason_once_they_are_written(emitted: Callable[[], list[Line]]) -> None:
    def row(pickup: int, dropoff: int, distance: float) -> float:
        return float("nan") if distance == 13 else minutes_of(pickup, dropoff, distance)

    datas = [b"bad", b"{}", b"[]", ride_event(1, 0), ride_event(1, distance=13), b"", b"", ride_event(1)]
    Harness(model=FakeModel(row)).invoke(datas)
    [line] = emitted()
    assert {name: value for name, value in values(line).items() if name.startswith("Dead")} == {
        "DeadLetters": 7.0,
        "DeadLettersUndecodable": 3.0,
        "DeadLettersSchema": 2.0,
        "DeadLettersBounds": 1.0,
        "DeadLettersUnscorable": 1.0,
    }


def test_dead_letters_that_were_not_written_are_not_counted(emitted: Callable[[], list[Line]]) -> None:
    Harness(s3_faults=[DENIED]).invoke([ride_event(1), b"bad"])
    [line] = emitted()
    assert "DeadLetters" not in values(line)
    assert (values(line)["PredictionsPublished"], values(line)["RecordsUnsettled"]) == (1.0, 1.0)


def test_resent_and_unsettled_are_counted_and_times_measured(emitted: Callable[[], list[Line]]) -> None:
    time = FakeTime()

    def row(*values: Any) -> float:
        time.sleep(0.1)
        return minutes_of(*values)

    run = Harness([rejecting(0, 2), rejecting(1), *[REJECTING_ALL] * 9], model=FakeModel(row), time=time)
    run.invoke([ride_event(1), ride_event(2), ride_event(3)], remaining_ms=1_500)
    [line] = emitted()
    assert values(line)["ModelTime"] == 300.0
    assert values(line)["EntriesResent"] == 2.0 + 1.0
    assert values(line)["PredictionsPublished"] == 2.0
    assert values(line)["RecordsUnsettled"] == 1.0
    assert 50.0 <= values(line)["PublishTime"] <= 200.0


def test_the_time_of_dead_letters_is_measured(emitted: Callable[[], list[Line]]) -> None:
    Harness(s3_faults=[slow(1.5)]).invoke([b"bad"])
    [line] = emitted()
    assert values(line)["DeadLetterTime"] == 1500.0


def test_the_unseen_values_of_categorical_columns_are_counted(emitted: Callable[[], list[Line]]) -> None:
    model = FakeModel(categories={"PULocationID": frozenset({130}), "DOLocationID": frozenset({205})})
    Harness(model=model).invoke([ride_event(1), ride_event(2, 131), ride_event(3, 131, 206)])
    [line] = emitted()
    assert values(line)["UnseenZones"] == 3.0


def test_mean_and_95th_percentile_are_those_of_the_batch(emitted: Callable[[], list[Line]]) -> None:
    run = Harness(model=FakeModel(lambda _pickup, _dropoff, distance: distance))
    run.invoke([ride_event(at, distance=float(at)) for at in range(1, 101)])
    [line] = emitted()
    assert values(line)["PredictionMean"] == 50.5
    assert values(line)["PredictionP95"] == 95.0


def test_a_record_from_the_future_is_no_negative_age(emitted: Callable[[], list[Line]]) -> None:
    """Clocks differ."""
    event = kinesis_event([ride_event(1)])
    event["Records"][0]["kinesis"]["approximateArrivalTimestamp"] = ARRIVAL + 3.0
    Harness().handler(event, None)
    [line] = emitted()
    assert line["OldestRecordAge"] == [0.0]


def test_a_batch_that_fails_is_reported_too(emitted: Callable[[], list[Line]]) -> None:
    run = Harness([DENIED])
    with pytest.raises(BatchFailed):
        run.invoke([ride_event(1)])
    [line] = emitted()
    assert values(line)["RecordsUnsettled"] == 1.0


# --- logs -------------------------------------------------------------------------------------------------------------

pytestmark = pytest.mark.usefixtures("emitted")


def told(line: Line) -> Line:
    """Return what a log line says beside when, where and at which level."""
    return {key: value for key, value in line.items() if key not in {"location", "timestamp", "service"}}


def test_success_is_silent() -> None:
    run = Harness()
    run.invoke([ride_event(1)])
    assert run.logs == []


def test_a_dead_letter_is_one_warning_that_leads_to_it() -> None:
    run = Harness()
    run.invoke([ride_event(1), b'{"secret"'])
    [line] = run.logs
    assert told(line) == {
        "level": "WARNING",
        "message": "invalid record",
        "request_id": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        "reason": "undecodable",
        "path": "$",
        "event_id": f"shardId-000000000000:{sequence_number(1)}",
        "sequence_number": sequence_number(1),
    }


def test_many_dead_letters_are_not_as_many_lines() -> None:
    run = Harness()
    run.invoke([ride_event(1), *[b"bad"] * 1_000])
    assert len(run.logs) == 21
    assert told(run.logs[-1]) == {
        "level": "WARNING",
        "message": "more invalid records",
        "request_id": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        "count": 980,
    }


def test_a_redelivery_is_one_warning_that_says_from_where_and_why() -> None:
    run = Harness([rejecting(1), DENIED])
    run.invoke([ride_event(1), ride_event(2), ride_event(3)])
    [line] = run.logs
    assert told(line) == {
        "level": "WARNING",
        "message": "redelivery",
        "request_id": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        "cause": ("predictions not published: PutRecords was answered with AccessDeniedException (HTTP status 400)"),
        "sequence_number": sequence_number(1),
        "unsettled": 2,
    }


def test_the_real_one_has_the_operators_names(capsys: pytest.CaptureFixture[str]) -> None:
    """POWERTOOLS_SERVICE_NAME and POWERTOOLS_METRICS_NAMESPACE, or the defaults that alarms are made for."""
    for environ, names in (
        ({}, ("stream-consumer", "StreamConsumer")),
        ({"POWERTOOLS_SERVICE_NAME": "mine", "POWERTOOLS_METRICS_NAMESPACE": "Mine"}, ("mine", "Mine")),
    ):
        report = telemetry(environ)
        report.invoked(Harness().consumer.process([]), None, now=0.0)
        line = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert (line["service"], line["_aws"]["CloudWatchMetrics"][0]["Namespace"]) == names


def test_a_failed_init_is_one_error_line_with_the_remedy() -> None:
    log = io.StringIO()
    report = Telemetry(Logger(service="failing", stream=log), lambda: EphemeralMetrics(namespace="n", service="s"))
    report.failed_to_start(ModelError("there is no model; make one"))
    assert told(json.loads(log.getvalue())) == {
        "level": "ERROR",
        "message": "init failed",
        "error": "ModelError",
        "remedy": "there is no model; make one",
    }


# --- what is only told decides nothing --------------------------------------------------------------------------------


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_no_prediction_is_too_extreme_to_be_reported(predicted: list[float]) -> None:
    """The sum of two finite numbers may be infinite; a value that CloudWatch would refuse is left out of the line."""
    run = Harness(model=FakeModel(lambda _pickup, _dropoff, distance: predicted[int(distance)]))
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        answer = run.invoke([ride_event(at, distance=float(at)) for at in range(len(predicted))])
    assert answer == {"batchItemFailures": []}
    assert [prediction.value for prediction in run.predictions] == predicted
    assert run.logs == []
    line = json.loads(out.getvalue(), parse_constant=pytest.fail)
    assert all(abs(value[0]) <= 2.0**360 for value in line.values() if isinstance(value, list))
    mean = sum(map(Fraction, predicted), Fraction()) / len(predicted)
    if abs(mean) < 2**359:
        assert line["PredictionMean"][0] == pytest.approx(float(mean), rel=1e-12, abs=1e-290)


class Broken(io.StringIO):
    """Standard output whose reader is gone."""

    def write(self, _: str) -> int:
        raise BrokenPipeError


def test_metrics_that_cannot_be_written_fail_no_batch() -> None:
    run = Harness()
    with contextlib.redirect_stdout(Broken()):
        answer = run.invoke([ride_event(1), b"bad"])
    assert answer == {"batchItemFailures": []}
    assert len(run.predictions) == len(run.s3.letters) == 1
    assert [told(line)["message"] for line in run.logs] == ["telemetry failed", "invalid record"]
    assert told(run.logs[0]) == {
        "level": "ERROR",
        "message": "telemetry failed",
        "part": "metrics",
        "error": "BrokenPipeError",
    }


@pytest.mark.parametrize("variable", ["POWERTOOLS_METRICS_DISABLED", "POWERTOOLS_DEV"])
def test_a_setting_that_turns_wrong_fails_no_batch(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Powertools reads its environment anew with every line of metrics."""
    run = Harness()
    monkeypatch.setenv(variable, "maybe")
    assert run.invoke([ride_event(1)]) == {"batchItemFailures": []}
    assert len(run.predictions) == 1


class Mute(logging.Handler):
    """A log whose handler raises, as none should."""

    def handle(self, record: logging.LogRecord) -> bool:
        raise OSError(record.msg)


def test_a_log_that_cannot_be_written_fails_no_batch() -> None:
    def metrics() -> EphemeralMetrics:
        raise RuntimeError

    report = Telemetry(Logger(service="mute", logger_handler=Mute()), metrics)
    report.invoked(Harness().consumer.process([Record(b"bad")]), None, now=0.0)
    report.not_returned(ValueError())


def test_predictions_that_cannot_be_returned_are_published_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> str:
        raise MemoryError

    run = Harness(RETURN_PREDICTIONS="true")
    monkeypatch.setattr("stream_consumer.lambda_function._returned", fail)
    answer = run.invoke([ride_event(1)])
    assert answer == {"batchItemFailures": [], "predictions": [], "predictionsLeftOut": 1}
    assert len(run.predictions) == 1


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("POWERTOOLS_METRICS_DISABLED", "maybe"),
        ("POWERTOOLS_METRICS_DISABLED", ""),
        ("POWERTOOLS_DEV", " true"),
        ("POWERTOOLS_LOG_DEDUPLICATION_DISABLED", "2"),
        ("POWERTOOLS_LOG_LEVEL", "verbose"),
        ("LOG_LEVEL", "5"),
        ("POWERTOOLS_LOGGER_SAMPLE_RATE", "often"),
        ("POWERTOOLS_LOGGER_SAMPLE_RATE", "1.5"),
        ("POWERTOOLS_LOGGER_SAMPLE_RATE", "nan"),
        ("POWERTOOLS_METRICS_NAMESPACE", "AWS/Lambda"),
        ("POWERTOOLS_METRICS_NAMESPACE", "a" * 256),
        ("POWERTOOLS_SERVICE_NAME", "fahrt\u00fcberwachung"),
    ],
)
def test_a_wrong_setting_of_telemetry_fails_init_by_its_name(variable: str, text: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(f"the environment is wrong: {variable}={text!r}: wanted ")):
        telemetry({variable: text})


HANDLERS = ["stream_consumer.lambda_function", "stream_consumer.batch.lambda_function"]


def test_a_variable_that_powertools_reads_at_its_import_fails_init_by_its_name() -> None:
    """The import of a handler's module is Lambda's init, and would end in an error that names nothing."""
    script = "import importlib, sys\n" + "".join(
        f"handler = importlib.import_module({module!r}).lambda_handler\n"
        "try: handler(None, None)\n"
        "except Exception as error: print(type(error).__name__, error)\n"
        for module in HANDLERS
    )
    ran = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", script],
        env=os.environ | {"POWERTOOLS_DEBUG": "maybe", "MODEL_LOCATION": "model"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = "SettingsError the environment is wrong: POWERTOOLS_DEBUG='maybe': wanted true or false\n"
    assert (ran.stdout, ran.stderr) == (said * len(HANDLERS), "")


@pytest.mark.parametrize("text", ["", "1", "y", "T", "TRUE", "off", "N"])
@pytest.mark.parametrize("variable", [name for name, parse in FOREIGN.items() if parse is switch])
def test_a_switch_is_what_powertools_takes_for_one(variable: str, text: str) -> None:
    try:
        taken: bool | None = strtobool(text)
    except ValueError:
        taken = None
    assert foreign_faults({variable: text}) == (
        [] if taken is not None else [f"{variable}={text!r}: wanted true or false"]
    )


# --- predictions that are no numbers ----------------------------------------------------------------------------------


def test_labels_are_counted_each_by_itself(emitted: Callable[[], list[Line]]) -> None:
    labels: list[Any] = ["stays", "leaves", "stays", True]
    model = FakeModel(lambda _pickup, _dropoff, distance: labels[int(distance)])
    model.__dict__["predict"] = lambda columns: [labels[int(distance)] for distance in columns[2]]
    Harness(model=model).invoke([ride_event(at, distance=float(at)) for at in range(4)])
    [line] = emitted()
    told_of = {name: value for name, value in values(line).items() if name.startswith("Prediction")}
    assert told_of == {
        "PredictionsPublished": 4.0,
        "Predictions.stays": 2.0,
        "Predictions.leaves": 1.0,
        "Predictions.True": 1.0,
    }


def test_texts_of_any_kind_are_not_counted_as_labels(emitted: Callable[[], list[Line]]) -> None:
    model = FakeModel()
    model.__dict__["predict"] = lambda columns: [f"text {distance}" for distance in columns[2]]
    Harness(model=model).invoke([ride_event(at, distance=float(at)) for at in range(21)])
    [line] = emitted()
    assert [name for name in values(line) if name.startswith("Predictions.")] == []
