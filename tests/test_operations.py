"""Every AWS operation that the code really makes, and on what: the role of infra/ allows these and no others."""

import gzip
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.handlers
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from stream_consumer.batch.storage import Stores
from stream_consumer.challenger import child
from stream_consumer.challenger.channel import Batch
from stream_consumer.cli import quality_function
from stream_consumer.comparison import Outcome
from stream_consumer.composition import kafka_connection
from stream_consumer.kafka_settings import KafkaSettings
from stream_consumer.lambda_function import Handler, build_handler
from stream_consumer.local.mapping.config import MappingConfig, Pace
from stream_consumer.local.mapping.event_source_mapping import EventSourceMapping
from stream_consumer.local.mapping.on_failure import S3Destination
from stream_consumer.local.runtime.functions import Invocation
from stream_consumer.models.champion import Champion, encode_champion
from stream_consumer.models.files import directory_digest
from stream_consumer.models.loading import load_model
from stream_consumer.monitor import lambda_function as monitoring
from stream_consumer.monitor.profile_archive import ProfileArchive
from stream_consumer.reader import PredictionReader
from stream_consumer.settings import Settings
from stream_consumer.telemetry import telemetry
from stream_consumer.training.synthetic import synthetic_rides
from stream_consumer.training.train import TrainingOptions, train_on
from stream_consumer.worker import task_starter
from stream_consumer.worker.loop import Scoring, Tally, Worker, targets
from stream_consumer.worker.queue import Queue
from stream_consumer.worker.shutdown import Shutdown
from tests.monitor.test_lambda_function import MODEL as MONITORED
from tests.monitor.test_lambda_function import windowed
from tests.rides import FakeContext, kinesis_event, ride_event

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

INPUT, OUTPUT, FAILURES, MODELS = "ride_events", "ride_predictions", "ride-failures", "ride-models"
LISTED = Path(__file__).parent.parent / "infra" / "operations.json"
PACE = Pace(poll_seconds=0.01, retry_seconds=0.01)

Operations = set[tuple[str, str]]
"""Each operation, as the service and CloudTrail name it, and the stream or bucket."""


@pytest.fixture
def operations(monkeypatch: pytest.MonkeyPatch, rides_model: Path) -> Iterator[Operations]:
    """Return what every client made from now on asks for, in an account with streams, buckets and a model."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        _fill(rides_model)
        made: Operations = set()

        def record(params: Mapping[str, Any], model: Any, **_: Any) -> None:
            url = params.get("StreamARN") or params.get("QueueUrl") or ""
            resource = params.get("StreamName") or params.get("Bucket") or url.rpartition("/")[2]
            made.add((f"{model.service_model.service_name}:{model.name}", resource))

        builtin = [*botocore.handlers.BUILTIN_HANDLERS, ("before-parameter-build", record)]
        monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", builtin)
        yield made


def _fill(model: Path) -> None:
    kinesis, s3 = boto3.session.Session().client("kinesis"), boto3.session.Session().client("s3")
    for name in (INPUT, OUTPUT):
        kinesis.create_stream(StreamName=name, ShardCount=1)
    for name in (FAILURES, MODELS):
        s3.create_bucket(Bucket=name)
    digest = directory_digest(model)
    for path in (path for path in model.rglob("*") if path.is_file()):
        for folder in ("champion", f"rides/{digest}"):
            s3.upload_file(str(path), MODELS, f"{folder}/{path.relative_to(model)}")
    named = encode_champion(Champion(version="1", digest=digest, metrics={}))
    s3.put_object(Bucket=MODELS, Key="rides/champion.json", Body=named)


def consumer(**environ: str) -> Handler:
    settings = {"MODEL_LOCATION": f"s3://{MODELS}/champion", "DEAD_LETTER_BUCKET": FAILURES}
    return build_handler(settings | environ, telemetry({}))


def test_the_handler_makes_these_operations_and_no_others(operations: Operations) -> None:
    handler = consumer()
    assert operations == {
        ("s3:ListObjectsV2", MODELS),
        ("s3:HeadObject", MODELS),
        ("s3:GetObject", MODELS),
    }
    operations.clear()
    assert handler(kinesis_event([ride_event(1), b"not JSON"]), FakeContext()) == {"batchItemFailures": []}
    assert operations == {("kinesis:PutRecords", OUTPUT), ("s3:PutObject", FAILURES)}


def test_a_model_that_champion_json_names_takes_the_same_operations(operations: Operations) -> None:
    consumer(MODEL_LOCATION=f"s3://{MODELS}/rides/champion.json")
    assert operations == {
        ("s3:ListObjectsV2", MODELS),
        ("s3:HeadObject", MODELS),
        ("s3:GetObject", MODELS),
    }


def test_a_test_run_makes_none_once_its_model_is_loaded(operations: Operations) -> None:
    handler = consumer(TEST_RUN="true")
    operations.clear()
    assert handler(kinesis_event([ride_event(1), b"not JSON"]), FakeContext())["batchItemFailures"] == []
    assert operations == set()


class _Failing:
    arn = "arn:aws:lambda:us-east-1:123456789012:function:failing"

    def invoke(self, _: bytes) -> Invocation:
        return Invocation("request", payload=b'{"batchItemFailures":[{"itemIdentifier":""}]}')


def test_the_local_mapping_makes_no_operation_that_lambdas_would_not(operations: Operations) -> None:
    session = boto3.session.Session()
    kinesis = session.client("kinesis")
    kinesis.put_records(StreamName=INPUT, Records=[{"Data": ride_event(1), "PartitionKey": "1"}])
    operations.clear()
    config = MappingConfig(stream_name=INPUT, maximum_retry_attempts=0, report_batch_item_failures=True)
    mapping = EventSourceMapping(
        kinesis, _Failing(), config, on_failure=S3Destination(session.client("s3"), FAILURES), pace=PACE
    )
    mapping.drain()
    mapping.run()
    assert operations == {
        ("kinesis:DescribeStreamSummary", INPUT),
        ("kinesis:ListShards", INPUT),
        ("kinesis:GetShardIterator", INPUT),
        ("kinesis:GetRecords", INPUT),
        ("s3:PutObject", FAILURES),
    }


def test_the_reader_makes_these_operations(operations: Operations) -> None:
    kinesis = boto3.session.Session().client("kinesis")
    assert list(PredictionReader(kinesis, OUTPUT, follow=False, sleep=time.sleep)) == []
    assert {operation for operation, _ in operations} == {
        "kinesis:DescribeStreamSummary",
        "kinesis:ListShards",
        "kinesis:GetShardIterator",
        "kinesis:GetRecords",
    }


def test_infra_lists_what_the_handler_calls(operations: Operations) -> None:
    """The rendered policies are held against the same list, so the role allows what is called and no more."""
    consumer()(kinesis_event([ride_event(1), b"not JSON"]), FakeContext())
    assert listed("handler") == {operation for operation, _ in operations}


def test_infra_lists_what_a_challenger_calls(operations: Operations) -> None:
    environ = {"MODEL_LOCATION": "unused", "CHALLENGER_LOCATION": f"s3://{MODELS}/rides/champion.json"}
    _, judge = child.load(Settings.of({**environ, "CHALLENGER_STREAM": INPUT}))
    answer = judge.answer(Batch(5.0, [ride_event(1)], ["shard:1"], [Outcome(value=1.0)], publish=True))
    assert answer.published == 1
    assert {call for call, _ in operations} == listed("challenger")


def test_infra_lists_what_the_way_to_a_topic_calls(operations: Operations) -> None:
    session = boto3.session.Session()
    held = json.dumps({"username": "scorer", "password": "of nobody"})
    arn = session.client("secretsmanager").create_secret(Name="AmazonMSK_rides", SecretString=held)["ARN"]
    operations.clear()
    environ = {"KAFKA_BROKERS": "b:1", "KAFKA_AUTHENTICATION": "scram-sha-512", "KAFKA_SECRET_ARN": arn}
    kafka, faults = KafkaSettings.read(environ)
    assert faults == []
    assert kafka_connection(kafka, session).secret["username"] == "scorer"
    assert {call for call, _ in operations} == listed("composition")


def test_infra_lists_what_the_monitor_calls(operations: Operations) -> None:
    """A window is closed, and its day is judged. The model is fetched as others fetch theirs."""
    s3: S3Client = boto3.session.Session().client("s3")
    archive = ProfileArchive(s3, FAILURES, "profiles")
    monitor = monitoring.Handler(MONITORED, archive, telemetry({}), margin_seconds=1)
    monitor(windowed([ride_event(1)], isFinalInvokeForWindow=True), FakeContext())
    assert monitor({"judge": "2026-11-21"}, FakeContext()) == {"day": "2026-11-21", "rings": {"day": [], "week": []}}
    assert operations == {(call, FAILURES) for call in listed("monitor")}


def listed(*by: str) -> set[str]:
    entries = json.loads(LISTED.read_text(encoding="utf-8"))["operations"]
    return {call for entry in entries if entry["by"] in by for call in entry["calls"]}


# boto3's own, for files of more than 8 MB.
MULTIPART = {f"s3:{call}MultipartUpload" for call in ("Create", "Complete", "Abort")} | {"s3:UploadPart"}


def test_infra_lists_what_a_worker_and_the_batch_door_call(operations: Operations, rides_model: Path) -> None:
    """An object is scored, and told of once more; another is told of and is not there."""
    session = boto3.session.Session()
    sqs, s3 = session.client("sqs"), session.client("s3")
    url = sqs.create_queue(QueueName="rides")["QueueUrl"]
    s3.put_object(Bucket=FAILURES, Key="rides/a.ndjson", Body=ride_event(1) + b"\nnot JSON\n")
    for name in ("a", "a", "gone"):
        created = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}
        created |= {"s3": {"bucket": {"name": FAILURES}, "object": {"key": f"rides/{name}.ndjson"}}}  # type: ignore[dict-item]
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"Records": [created]}))
    model = load_model(str(rides_model), s3=lambda: s3)
    operations.clear()
    shutdown = Shutdown(0)
    worker = Worker(
        Queue(sqs, url, hidden_seconds=60),
        Scoring.of(model, Stores(lambda: s3), targets("s3://{bucket}/predictions/{key}")),
        shutdown,
        Stopping(3, shutdown),
        lease_seconds=60,
    )
    worker.work(until_empty=False)
    assert worker.tally == Tally(scored=1, already=1, left=1)
    assert {call for call, _ in operations} == listed("worker", "batch") - MULTIPART


class Stopping:
    """A log that ends the work with its *last* line: each message has one."""

    def __init__(self, last: int, shutdown: Shutdown) -> None:
        self._left, self._shutdown = last, shutdown

    def info(self, *_: object, **__: object) -> None:
        self._left -= 1
        if not self._left:
            self._shutdown.ask()

    warning = info


def test_infra_lists_what_the_daily_run_of_quality_calls(
    operations: Operations, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is there of the day before, as on the first day."""
    s3 = boto3.session.Session().client("s3")
    event = {"ride": {"PULocationID": 7}, "ride_id": 1}
    prediction = {
        "model": "rides",
        "version": "1",
        "prediction": {"ride_id": 1, "ride_duration": 3.0},
        "event_id": "s:1",
    }
    for folder, record in {
        "events": event,
        "predictions": prediction,
        "outcomes": {"ride_id": 1, "ride_duration": 4.0},
    }.items():
        body = gzip.compress(json.dumps(record).encode())
        s3.put_object(Bucket=FAILURES, Key=f"{folder}/2026/11/20/01/x.gz", Body=body)
        monkeypatch.setenv(f"QUALITY_{folder.upper()}", f"s3://{FAILURES}/{folder}")
    monkeypatch.setenv("QUALITY_GROUP", "PULocationID")
    monkeypatch.setenv("QUALITY_RESULTS", f"s3://{FAILURES}/quality")
    monkeypatch.setenv("QUALITY_CHAMPION", f"s3://{MODELS}/rides/champion.json")
    operations.clear()
    assert quality_function.lambda_handler({"day": "2026-11-20"}, None) == {"rings": False}
    assert '"QualityJudged":[1' in capsys.readouterr().out.replace(" ", "")
    assert {operation for operation, _ in operations} == listed("quality")


def test_infra_lists_what_the_starter_calls(operations: Operations) -> None:
    session = boto3.session.Session()
    session.client("ecs").create_cluster(clusterName="workers")
    url = session.client("sqs").create_queue(QueueName="rides")["QueueUrl"]
    session.client("sqs").send_message(QueueUrl=url, MessageBody="{}")
    operations.clear()
    environ = {"QUEUE_URL": url, "CLUSTER": "workers", "TASK_DEFINITION": "rides-worker"}
    environ |= {"SUBNETS": "subnet-1", "SECURITY_GROUPS": "sg-1"}
    with pytest.raises(ClientError, match="task definition"):  # there is none
        task_starter.lambda_handler({"id": "e-1"}, None, environ=environ)
    assert {call for call, _ in operations} == listed("starter")


@pytest.mark.usefixtures("reports_without_plots")
def test_infra_lists_what_a_training_job_calls(operations: Operations) -> None:
    """The second training meets the champion of the first."""
    options = TrainingOptions(models=f"s3://{MODELS}/models")
    verdicts = [train_on(synthetic_rides(500, seed=1), options=options).verdict for _ in range(2)]
    assert [verdict.promoted for verdict in verdicts] == [True, False]
    assert operations == {(call, MODELS) for call in listed("training")}
