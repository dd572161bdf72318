"""The Lambda shell: what is answered, how it is composed from the environment, and what it never says."""

import gc
import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics
from awslambdaric.lambda_runtime_marshaller import to_json
from moto import mock_aws

from stream_consumer import lambda_function
from stream_consumer.contract import kpl
from stream_consumer.contract.dead_letter import decode_dead_letters
from stream_consumer.contract.kpl import SubRecord
from stream_consumer.contract.prediction import decode_prediction
from stream_consumer.errors import BatchFailed, ModelError, NotAKinesisEvent, SettingsError
from stream_consumer.lambda_function import build_handler, lambda_handler
from stream_consumer.reader import PredictionReader
from stream_consumer.telemetry import Telemetry
from tests.fakes import DENIED, Fault, client_error, rejecting
from tests.harness import Harness
from tests.rides import SHARD, FakeContext, FakeModel, kinesis_event, minutes_of, ride_event, sequence_number

# --- the answer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [{}, {"Records": [{"body": "{}"}]}, None, [], {"httpMethod": "GET"}])
def test_what_is_no_kinesis_event_is_refused(event: Any) -> None:
    """Nothing was consumed, so nothing may look like success."""
    run = Harness()
    with pytest.raises(NotAKinesisEvent):
        run.handler(event, FakeContext())
    assert run.kinesis.requests == []


def test_predictions_are_returned_only_if_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert Harness().invoke([ride_event(256)]) == {"batchItemFailures": []}
    assert Harness(RETURN_PREDICTIONS="true").invoke([ride_event(256)]) == {
        "batchItemFailures": [],
        "predictions": [
            {
                "model": "ride_duration_prediction_model",
                "version": "Test123",
                "prediction": {"ride_duration": 3790.205, "ride_id": 256},
                "event_id": f"{SHARD}:{sequence_number(0)}",
            }
        ],
    }
    capsys.readouterr()


def test_returned_predictions_do_not_hide_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    run = Harness([rejecting(1), DENIED], RETURN_PREDICTIONS="true")
    answer = run.invoke([ride_event(1), ride_event(2)])
    assert answer["batchItemFailures"] == [{"itemIdentifier": sequence_number(1)}]
    assert len(answer["predictions"]) == 2
    capsys.readouterr()


@pytest.mark.parametrize("character", ["x", "é", "🚕", "\x00"])
def test_a_response_stays_within_lambdas_limit(character: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As the runtime interface client writes it; what is left out is counted."""
    run = Harness(RETURN_PREDICTIONS="true", TEST_RUN="true")
    answer = run.invoke(ride_event(character * 240 + str(at)) for at in range(15_000))
    assert len(to_json(answer).encode()) <= 6 * 2**20
    assert len(answer["predictions"]) + answer["predictionsLeftOut"] == 15_000
    assert len(answer["predictions"]) > 1_000
    capsys.readouterr()


def test_a_test_run_scores_and_returns_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    run = Harness(TEST_RUN="True")
    answer = run.invoke([ride_event(1), b"bad", ride_event(2)])
    assert answer["batchItemFailures"] == []
    assert [item["prediction"]["ride_id"] for item in answer["predictions"]] == [1, 2]
    assert (run.kinesis.requests, run.s3.requests) == ([], [])
    capsys.readouterr()


# --- what is never said -----------------------------------------------------------------------------------------------

SECRET = "s3cr3t-payload"  # noqa: S105 (a marker)


def hostile_payloads() -> list[bytes]:
    secret = SECRET.encode()
    return [
        secret,
        b'{"%b"' % secret,
        b'{"ride":"%b","ride_id":1}' % secret,
        b'{"ride":{"PULocationID":"%b"},"ride_id":1}' % secret,
        b'{"ride":{"PULocationID":1,"DOLocationID":1,"trip_distance":1},"ride_id":["%b"]}' % secret,
        ride_event(SECRET * 30),
        ride_event(SECRET, 0),
        ride_event(SECRET, distance=13),
        b"\xf3\x89\x9a\xc2" + secret + bytes(16),
        kpl.fold([SubRecord(SECRET, secret), SubRecord(SECRET, ride_event(SECRET))]),
        b"\x1f\x8b" + secret,
        b"\xff" + secret,
    ]


@pytest.mark.parametrize(
    ("faults", "bucket"),
    [
        ([], True),
        ([], False),
        ([Fault("QUOTING", client_error("ValidationException", 400, f"Value '{SECRET}' at 'partitionKey'"))], True),
        ([Fault("BUG", lambda _operation: TypeError(SECRET))], True),
    ],
    ids=["dead letters", "no bucket", "a service that quotes", "an unforeseen error"],
)
def test_no_log_metric_or_error_carries_a_payload(
    faults: list[Fault | None],
    bucket: bool,  # noqa: FBT001 (a case)
    capsys: pytest.CaptureFixture[str],
) -> None:
    def row(pickup: int, dropoff: int, distance: float) -> float:
        if distance == 13:
            raise ValueError(SECRET)
        return minutes_of(pickup, dropoff, distance)

    run = Harness(faults, bucket=bucket, model=FakeModel(row))
    event = kinesis_event([ride_event(SECRET), *hostile_payloads()])
    for record in event["Records"]:
        record["kinesis"]["partitionKey"] = SECRET
    said = ""
    try:
        run.handler(event, FakeContext())
    except BatchFailed as error:
        said = str(error)
    written = capsys.readouterr()
    assert "RecordsReceived" in written.out
    assert SECRET not in written.out + written.err + json.dumps(run.logs) + said


def test_a_model_that_breaks_on_a_payload_does_not_quote_it() -> None:
    def row(*_values: Any) -> float:
        raise ValueError(SECRET)

    with pytest.raises(ModelError) as caught:
        Harness(model=FakeModel(row, healthy=False)).invoke([ride_event(SECRET)])
    assert SECRET not in repr(caught.value)
    assert caught.value.__context__ is None


# --- size -------------------------------------------------------------------------------------------------------------


def peak_of(run: Harness, event: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """Invoke and return the answer and the most memory that Python held for it, in MiB."""
    tracemalloc.start()
    try:
        answer = run.handler(event, FakeContext(600_000))
        return answer, tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def test_a_batch_of_10_000_records_is_settled_in_bounded_memory(capsys: pytest.CaptureFixture[str]) -> None:
    """Each tenth of them invalid; the fakes' own copies are part of what is counted."""
    run = Harness()
    datas = [b"bad" if at % 10 == 7 else ride_event(at) for at in range(10_000)]
    answer, peak = peak_of(run, kinesis_event(datas))
    assert answer == {"batchItemFailures": []}
    assert run.ride_ids == [at for at in range(10_000) if at % 10 != 7]
    assert [letter.sequence_number for letter in run.s3.letters] == [sequence_number(at) for at in range(7, 10_000, 10)]
    assert peak < 60
    capsys.readouterr()


@pytest.mark.parametrize(
    ("data", "count", "bound"),
    [
        (b'{"x":"%b",' % (b"y" * 1_000_000) + ride_event(1)[1:], 4, 20),
        (b"\x00" * 1_000_000, 4, 40),
        (b"[" * 1_000_000, 4, 40),
        (b'"' + b"\\u0041" * 160_000 + b'"', 4, 40),
        (b"[]" * 500_000, 4, 40),
        (kpl.fold([SubRecord("k" * 256, b"x" * 23)] * 10_000), 1, 40),
        pytest.param(kpl.fold([SubRecord("k", b"")] * 150_000), 4, 40, marks=pytest.mark.process),
    ],
    ids=["large rides", "zeroes", "brackets", "escapes", "arrays", "an aggregate of short records", "of nothing"],
)
def test_hostile_records_of_1_mb_are_settled_in_bounded_memory(
    data: bytes, count: int, bound: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lambda hands over at most 6 MB, in base64: four of them. A user record of an aggregate costs about 1.5 kB."""
    run = Harness()
    run.invoke([ride_event(0)])  # an environment that has scored before
    answer, peak = peak_of(run, kinesis_event([data] * count))
    assert answer == {"batchItemFailures": []}
    assert len(run.kinesis.records) - 1 + len(run.s3.letters) >= count
    assert peak < bound, f"{peak:.1f} MiB"
    capsys.readouterr()


# --- composed from the environment ------------------------------------------------------------------------------------


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.session.Session]:
    environ = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    lambda_function._handler.cache_clear()  # noqa: SLF001 (one environment a process, and each test is one)
    threshold = gc.get_threshold()
    with mock_aws():
        yield boto3.session.Session()
    gc.unfreeze()
    gc.set_threshold(*threshold)
    lambda_function._handler.cache_clear()  # noqa: SLF001


def test_the_handler_is_composed_from_the_environment(
    aws: boto3.session.Session, rides_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its first invocation composes it, since nothing has called init; RUN_ID overrides the version."""
    kinesis, s3 = aws.client("kinesis"), aws.client("s3")
    kinesis.create_stream(StreamName="ride_predictions", ShardCount=1)
    s3.create_bucket(Bucket="letters")
    # A service of its own: Powertools keeps one logger a name, with the standard output it first met.
    environ = {"MODEL_LOCATION": str(rides_model), "RUN_ID": "Test123", "DEAD_LETTER_BUCKET": "letters"}
    for name, value in (environ | {"POWERTOOLS_SERVICE_NAME": "composed"}).items():
        monkeypatch.setenv(name, value)

    assert lambda_handler(kinesis_event([ride_event(256), b"bad"]), FakeContext()) == {"batchItemFailures": []}
    assert lambda_handler({"Records": []}, None) == {"batchItemFailures": []}

    shard = kinesis.get_shard_iterator(
        StreamName="ride_predictions", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )
    [record] = kinesis.get_records(ShardIterator=shard["ShardIterator"])["Records"]
    prediction = decode_prediction(record["Data"])
    assert (prediction.model, prediction.version) == ("ride-duration", "Test123")
    assert prediction.prediction.id == 256
    assert 15 < prediction.prediction.value < 20
    [listed] = s3.list_objects_v2(Bucket="letters")["Contents"]
    assert listed["Key"].startswith(f"dead-letters/ride_events/{SHARD}/{sequence_number(1)}-")
    stored = s3.get_object(Bucket="letters", Key=listed["Key"])
    [letter] = decode_dead_letters(stored["Body"].read())
    assert letter.data == b"bad"
    [loaded, *_] = map(json.loads, capsys.readouterr().out.splitlines())
    assert (loaded["level"], loaded["message"], loaded["model"], loaded["version"], loaded["model_location"]) == (
        "INFO",
        "model loaded",
        "ride-duration",
        "Test123",
        str(rides_model),
    )


def test_predictions_are_aggregated_if_asked_for(
    aws: boto3.session.Session, rides_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two aggregate keys: two records hold all hundred predictions, and our reader finds them."""
    kinesis = aws.client("kinesis")
    kinesis.create_stream(StreamName="ride_predictions", ShardCount=1)
    monkeypatch.setenv("MODEL_LOCATION", str(rides_model))
    monkeypatch.setenv("PUBLISH_AGGREGATE_KEYS", "2")
    lambda_handler(kinesis_event([ride_event(number) for number in range(100)]), FakeContext())
    received = list(PredictionReader(kinesis, "ride_predictions", follow=False))
    assert {one.prediction.prediction.id for one in received} == set(range(100))
    assert len({one.sequence_number for one in received}) == 2
    capsys.readouterr()


@pytest.mark.usefixtures("aws")
def test_after_init_garbage_is_looked_for_rarely_and_not_in_what_init_made(
    rides_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_LOCATION", str(rides_model))
    gc.unfreeze()
    lambda_handler({"Records": []}, None)
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    assert gc.get_threshold()[0] == 50_000
    capsys.readouterr()


def test_a_test_run_needs_neither_streams_nor_credentials(rides_model: Path) -> None:
    report = Telemetry(
        Logger(service="no-aws", stream=io.StringIO()), lambda: EphemeralMetrics(namespace="n", service="s")
    )
    handler = build_handler({"MODEL_LOCATION": str(rides_model), "TEST_RUN": "true"}, report)
    [item] = handler(kinesis_event([ride_event(256)]), None)["predictions"]
    assert item["prediction"]["ride_id"] == 256


def test_a_misspelt_setting_is_named_once_and_its_value_is_not(rides_model: Path) -> None:
    """A misspelt PREDICTIONS_STREAM_NAME would send predictions to the default stream in silence."""
    log = io.StringIO()
    report = Telemetry(Logger(service="misspelt", stream=log), lambda: EphemeralMetrics(namespace="n", service="s"))
    environ = {"MODEL_LOCATION": str(rides_model), "TEST_RUN": "true", "MODELS_LOCATION": "s3://of/the-web-server"}
    build_handler(environ | {"PREDICTION_STREAM_NAME": "mine", "DEADLINE_MARGIN": "9", "SOME_STREAM": "x"}, report)
    warned = [line for line in map(json.loads, log.getvalue().splitlines()) if line["level"] == "WARNING"]
    assert [(line["message"], line["variable"], line["meant"]) for line in warned] == [
        ("unknown setting", "DEADLINE_MARGIN", "DEADLINE_MARGIN_MS"),
        ("unknown setting", "PREDICTION_STREAM_NAME", "PREDICTIONS_STREAM_NAME"),
    ]
    assert "mine" not in log.getvalue()


INIT_FAULTS: dict[str, tuple[dict[str, str], type[Exception], str]] = {
    "no model named": ({"MODEL_LOCATION": ""}, SettingsError, "MODEL_LOCATION is not set"),
    "no model there": ({"MODEL_LOCATION": "/nonexistent"}, ModelError, "there is no MLflow model at /nonexistent"),
    "no bucket there": ({"MODEL_LOCATION": "s3://absent-bucket/model"}, ModelError, "NoSuchBucket"),
    "another digest": ({"MODEL_DIGEST": "0" * 64}, ModelError, "MODEL_DIGEST pins"),
    "no region": ({"AWS_DEFAULT_REGION": ""}, SettingsError, "look at AWS_REGION"),
    "an endpoint that is no URL": (
        {"AWS_ENDPOINT_URL_KINESIS": "localhost"},
        SettingsError,
        "no client of kinesis can be made: Invalid endpoint: localhost",
    ),
}


@pytest.mark.parametrize("case", INIT_FAULTS)
@pytest.mark.usefixtures("aws")
def test_when_init_fails_nothing_is_consumed_and_the_remedy_is_logged(
    case: str, rides_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each invocation tries again, as Lambda does."""
    environ, error, says = INIT_FAULTS[case]
    for name, value in ({"MODEL_LOCATION": str(rides_model), "POWERTOOLS_SERVICE_NAME": case} | environ).items():
        monkeypatch.setenv(name, value)
    for _ in range(2):
        with pytest.raises(error, match=says):
            lambda_handler(kinesis_event([ride_event(1)]), FakeContext())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    failed = [line for line in lines if line["message"] == "init failed"]
    assert [(line["level"], line["error"]) for line in failed] == [("ERROR", error.__name__)] * 2
    assert all(says in line["remedy"] for line in failed)
