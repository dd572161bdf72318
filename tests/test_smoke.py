"""The smoke test of a deployment: an event of the deployed model's own goes in, and its prediction comes out."""

import base64
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.clients import Aws, clients
from infra.smoke.verify import told, verify
from infra.smoke.wait import Result, SmokeTestFailed, Wait
from stream_consumer.errors import ModelError
from stream_consumer.lambda_function import Handler, build_handler
from stream_consumer.operate.dead_letter_bucket import DeadLetterBucket, Document
from stream_consumer.telemetry import telemetry
from tests.example_models import changed, with_metadata
from tests.fakes import FakeTime
from tests.rides import FakeContext

REGION, INPUT, MODELS, FAILURES = "eu-west-1", "events", "models", "failures"


@dataclass(slots=True)
class System:
    """
    An account with streams, buckets and consumers, which run while somebody waits.

    It is Lambda, too, as far as it is asked what a function and its mapping are.
    """

    time: FakeTime = field(default_factory=FakeTime)
    handlers: dict[str, Handler] = field(default_factory=dict)
    variables: dict[str, dict[str, str]] = field(default_factory=dict)
    applied: dict[str, dict[str, Any]] = field(default_factory=dict)
    mapping: dict[str, Any] = field(
        default_factory=lambda: {"State": "Enabled", "LastModified": datetime.now(UTC) - timedelta(days=1)}
    )
    begins_at: float = 0.0
    """When the mappings begin to read."""
    pace: float = 1.0
    """How much faster time passes for who waits."""
    said: list[str] = field(default_factory=list)
    put: list[dict[str, Any]] = field(default_factory=list)
    """The records of the input stream that were read."""
    _iterators: dict[str, str] = field(default_factory=dict)
    _client: Aws = field(default_factory=lambda: clients({"region": REGION}))

    def client(self, service: str) -> Any:
        return self if service == "lambda" else self._client(service)

    @property
    def outputs(self) -> dict[str, Any]:
        return {"region": REGION, "input_stream": INPUT, "consumers": self.applied}

    def add(self, name: str, model: Path | None, variables: Mapping[str, str] | None = None) -> None:
        """Deploy a consumer, with *model* in a bucket, or in its image if there is none here."""
        output = f"{name}-predictions"
        self.client("kinesis").create_stream(StreamName=output, ShardCount=2)
        settings = {
            "PREDICTIONS_STREAM_NAME": output,
            "DEAD_LETTER_BUCKET": FAILURES,
            "DEAD_LETTER_PREFIX": f"dead-letters/{name}",
            **({"MODEL_LOCATION": self.upload(name, model)} if model else {}),
            **(variables or {}),
        }
        self.variables[name] = settings
        self.applied[name] = {
            "function_name": f"test-{name}",
            "alias": "live",
            "mapping_id": name,
            "output_stream": output,
            "ordered": False,
        }

    def upload(self, name: str, model: Path) -> str:
        for path in (path for path in model.rglob("*") if path.is_file()):
            self.client("s3").upload_file(str(path), MODELS, f"{name}/{path.relative_to(model)}")
        return f"s3://{MODELS}/{name}"

    def runs(self, name: str, **variables: str) -> None:
        """Start the function, with what its image adds to its *variables*."""
        self.handlers[name] = build_handler({**variables, **self.variables[name]}, telemetry({}))

    def get_function_configuration(self, *, FunctionName: str, Qualifier: str) -> dict[str, Any]:  # noqa: N803
        assert Qualifier == "live"
        return {"Environment": {"Variables": self.variables[FunctionName.removeprefix("test-")]}}

    def get_event_source_mapping(self, *, UUID: str) -> dict[str, Any]:  # noqa: N803
        assert UUID in self.applied
        return self.mapping

    def sleep(self, seconds: float) -> None:
        self.time.now += seconds * self.pace
        self._deliver()

    def wait(self, seconds: float) -> Wait:
        self._deliver()
        return Wait(seconds, self.time.clock, self.sleep, self.said.append)

    def _deliver(self) -> None:
        if self.time.now < self.begins_at:
            return
        kinesis = self.client("kinesis")
        for shard in kinesis.list_shards(StreamName=INPUT)["Shards"]:
            key = shard["ShardId"]
            if key not in self._iterators:
                kind = "LATEST" if self.mapping.get("StartingPosition") == "LATEST" else "TRIM_HORIZON"
                answer = kinesis.get_shard_iterator(StreamName=INPUT, ShardId=key, ShardIteratorType=kind)
                self._iterators[key] = answer["ShardIterator"]
            page = kinesis.get_records(ShardIterator=self._iterators[key])
            self._iterators[key] = page["NextShardIterator"]
            self.put += [json.loads(record["Data"]) for record in page["Records"]]
            for handler in self.handlers.values() if page["Records"] else ():
                assert handler(lambda_event(key, page["Records"]), FakeContext()) == {"batchItemFailures": []}

    def dead_letters(self, name: str) -> list[str | None]:
        bucket = DeadLetterBucket(self.client("s3"), FAILURES, f"dead-letters/{name}")
        documents = [document for document in bucket.documents(bucket.keys()) if isinstance(document, Document)]
        return [letter.event_id for document in documents for letter in document.letters]

    def verify(self, model: str = "", only: tuple[str, ...] = (), **outputs: Any) -> list[Result]:
        return list(verify({**self.outputs, **outputs}, model=model, only=only, aws=self.client, wait=self.wait))


def lambda_event(shard: str, records: Any) -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventID": f"{shard}:{record['SequenceNumber']}",
                "eventSource": "aws:kinesis",
                "eventSourceARN": f"arn:aws:kinesis:{REGION}:123456789012:stream/{INPUT}",
                "kinesis": {
                    "data": base64.b64encode(record["Data"]).decode(),
                    "partitionKey": record["PartitionKey"],
                    "sequenceNumber": record["SequenceNumber"],
                    "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(),
                },
            }
            for record in records
        ]
    }


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        kinesis, s3 = boto3.client("kinesis", REGION), boto3.client("s3", REGION)
        kinesis.create_stream(StreamName=INPUT, ShardCount=2)
        for bucket in (MODELS, FAILURES):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        yield System()


FIRST_ROW = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}


def test_the_event_is_the_models_own_example(system: System, rides_model: Path) -> None:
    system.add("rides", rides_model)
    system.runs("rides")
    [result] = system.verify()
    prediction = json.loads(result.answer)
    assert prediction["model"] == "ride-duration"
    assert prediction["prediction"]["ride_duration"] == pytest.approx(5 + 3 * 3.66 + 1.3)
    [event] = system.put
    assert event["ride"] == FIRST_ROW
    assert event["ride_id"] == prediction["prediction"]["ride_id"]
    assert event["ride_id"].startswith("smoke-")


@pytest.mark.parametrize(
    "variables",
    [
        {"ENTITY_FIELD": "trip", "ID_FIELD": "trip_id", "PREDICTION_FIELD": "minutes"},
        {"ENTITY_FIELD": "", "ID_FIELD": ""},
        {"ENTITY_FIELD": "", "ID_FIELD": "PULocationID"},
        {"PUBLISH_AGGREGATE_KEYS": "4"},
    ],
)
def test_any_envelope_and_folded_predictions_are_read(
    system: System, rides_model: Path, variables: Mapping[str, str]
) -> None:
    system.add("rides", rides_model, variables)
    system.runs("rides")
    [result] = system.verify()
    assert variables.get("PREDICTION_FIELD", "ride_duration") in json.loads(result.answer)["prediction"]
    assert system.dead_letters("rides") == []


def test_several_outputs_and_labels_are_predictions(system: System, trips_model: Path) -> None:
    system.add("trips", trips_model)
    system.runs("trips")
    [result] = system.verify()
    assert result.part == "trips"
    assert "ride_duration" in json.loads(result.answer)["prediction"]


def test_without_an_input_example_the_row_is_made_as_init_makes_it(
    system: System, rides_model: Path, tmp_path: Path
) -> None:
    model = shutil.copytree(rides_model, tmp_path / "model")
    (model / "input_example.json").unlink()
    system.add("rides", model)
    system.runs("rides")
    system.verify()
    [event] = system.put
    assert event["ride"] == {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 1.0}


def test_a_model_in_the_image_is_the_one_that_was_deployed(system: System, rides_model: Path) -> None:
    system.add("rides", None)
    system.runs("rides", MODEL_LOCATION=str(rides_model))
    [result] = system.verify(model=str(rides_model))
    assert json.loads(result.answer)["model"] == "ride-duration"


def test_a_model_in_an_image_that_nobody_names_is_said_not_to_be_tested(
    system: System, rides_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A test that was left out must not look like one that passed."""
    system.add("rides", None)
    system.add("others", rides_model)
    system.runs("others")
    told(iter(system.verify()))
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("{")]  # the function's log
    assert lines[0].startswith('others: {"model":"ride-duration"')
    assert lines[-1] == (
        "not tested: rides (its model is in its image, and nothing here says which it is: name it with MODEL=…)"
    )


def test_records_of_others_on_the_output_do_not_disturb(system: System, rides_model: Path) -> None:
    system.add("rides", rides_model)
    kinesis = system.client("kinesis")
    for data in (b"\x00\xff", b"[1]", b'{"prediction": 5}', b'{"model":"a","version":"1","prediction":null}'):
        kinesis.put_record(StreamName="rides-predictions", Data=data, PartitionKey="1")
    system.runs("rides")
    [result] = system.verify()
    assert result.part == "rides"


def test_one_event_suits_consumers_of_different_models(system: System, rides_model: Path, trips_model: Path) -> None:
    system.add("rides", rides_model)
    system.add("trips", trips_model)
    for name in ("rides", "trips"):
        system.runs(name)
    assert [result.part for result in system.verify()] == ["rides", "trips"]
    assert len(system.put) == 1
    assert system.dead_letters("rides") == system.dead_letters("trips") == []


def test_a_consumer_that_is_not_tested_gets_no_dead_letter(
    system: System, rides_model: Path, trips_model: Path
) -> None:
    """It reads the same stream, and cannot tell a smoke event from a broken one."""
    for name, model in {"rides": rides_model, "trips": trips_model}.items():
        system.add(name, model)
        system.runs(name)
    assert [result.part for result in system.verify(only=("rides",))] == ["rides"]
    system.sleep(1)
    assert system.dead_letters("trips") == []


def test_models_without_a_common_event_get_one_each_and_the_dead_letters_are_announced(
    system: System, rides_model: Path, tmp_path: Path
) -> None:
    far = changed(
        rides_model,
        tmp_path / "far",
        with_metadata({"bounds": {"trip_distance": {"minimum": 2.0}}, "example_predictions": []}),
    )
    near = changed(
        rides_model,
        tmp_path / "near",
        with_metadata({"bounds": {"trip_distance": {"maximum": 1.5}}, "example_predictions": []}),
    )
    for name, model in {"far": far, "near": near}.items():
        system.add(name, model)
        system.runs(name)
    assert [result.part for result in system.verify()] == ["far", "near"]
    assert [event["ride"]["trip_distance"] for event in system.put] == [3.66, 1.1]
    assert [len(system.dead_letters(name)) for name in ("far", "near")] == [1, 1]
    assert system.said == [
        f"no event suits the models of {one} and of {other}: the smoke event of {one} becomes a dead letter of "
        f"{other}, unless a filter keeps it away"
        for one, other in (("far", "near"), ("near", "far"))
    ]


def test_an_event_that_becomes_a_dead_letter_fails_at_once(
    system: System, rides_model: Path, trips_model: Path
) -> None:
    """The image holds another model than was named: ten minutes of waiting would tell no more."""
    system.add("rides", None)
    system.runs("rides", MODEL_LOCATION=str(trips_model))
    with pytest.raises(SmokeTestFailed, match=r"rides refuses the smoke event shardId-0+\d:\d+: schema at \$\.ride"):
        system.verify(model=str(rides_model))
    assert system.time.now - 1_000 < 30


@pytest.mark.parametrize(("age", "seconds"), [(timedelta(days=1), 180), (timedelta(minutes=1), 600)])
def test_a_new_mapping_has_ten_minutes_and_the_error_says_where_to_look(
    system: System, rides_model: Path, age: timedelta, seconds: int
) -> None:
    system.add("rides", rides_model)
    system.pace = 15
    system.mapping |= {
        "State": "Creating",
        "LastModified": datetime.now(UTC) - age,
        "LastProcessingResult": "No records",
    }
    with pytest.raises(SmokeTestFailed) as failed:
        system.verify()
    assert system.time.now - 1_000 == pytest.approx(seconds, abs=1)
    for said in (
        f"came on rides-predictions within {seconds} s",
        "The event source mapping rides is Creating, its last result 'No records'",
        "aws logs tail /aws/lambda/test-rides --since 15m",
        "stream-consumer dead-letters list --bucket failures --prefix dead-letters/rides --since 20",
    ):
        assert said in str(failed.value)
    assert len(system.said) == seconds // 15 - 1
    assert system.said[0] == (
        f"15 s of {seconds} s: waiting for the prediction of rides, whose event source mapping is Creating"
    )


def test_a_new_mapping_that_begins_behind_the_event_gets_it_again(system: System, rides_model: Path) -> None:
    """One that starts at LATEST sees nothing of what came before it was ready."""
    system.add("rides", rides_model)
    system.runs("rides")
    system.mapping |= {"State": "Creating", "StartingPosition": "LATEST", "LastModified": datetime.now(UTC)}
    system.begins_at = 1_100.0
    system.pace = 5
    [result] = system.verify()
    assert json.loads(result.answer)["model"] == "ride-duration"
    assert len(system.put) == 1


def test_a_disabled_mapping_is_said_not_to_be_tested(system: System, rides_model: Path) -> None:
    system.add("rides", rides_model)
    system.mapping["State"] = "Disabled"
    [result] = system.verify()
    assert result.untested == "its event source mapping is disabled: set mapping.enabled = true"


def test_order_that_the_stream_does_not_keep_is_refused(
    system: System, rides_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.add("rides", rides_model)
    system.applied["rides"]["ordered"] = True
    monkeypatch.setattr("infra.smoke.consumers.keeps_order", lambda *_: False)
    with pytest.raises(SmokeTestFailed, match="events distributes records automatically, so rides cannot keep order"):
        system.verify()
    assert system.put == []


def test_what_may_not_be_looked_at_does_not_end_the_test(system: System) -> None:
    """A deployer need not have every permission of the progress lines."""
    time = FakeTime()
    wait = Wait(100, time.clock, time.sleep, system.said.append)

    def look() -> str:
        system.client("s3").head_bucket(Bucket="nobodys")
        return "never"

    for _ in range(2):
        wait.pause(20, look)
    assert system.said == ["20 s of 100 s: An error occurred (404) when calling the HeadBucket operation: Not Found"]


def test_a_consumer_that_is_not_tested_need_not_have_a_model_that_can_be_read(
    system: System, rides_model: Path
) -> None:
    system.add("rides", rides_model)
    system.add("broken", None, {"MODEL_LOCATION": f"s3://{MODELS}/nothing"})
    system.runs("rides")
    assert [result.part for result in system.verify(only=("rides",))] == ["rides"]
    with pytest.raises(ModelError, match="there is no MLflow model at s3://models/nothing"):
        system.verify()


def test_a_part_that_is_not_there_is_no_test_that_passed(system: System, rides_model: Path) -> None:
    with pytest.raises(SmokeTestFailed, match="there is no part here to test, only nothing at all"):
        system.verify()
    system.add("rides", rides_model)
    with pytest.raises(SmokeTestFailed, match=r"there is no web here to test, only \['rides'\]"):
        system.verify(only=("web",))
