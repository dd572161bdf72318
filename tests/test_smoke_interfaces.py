"""The smoke test of the web interface, by a signed request, and of the batch interface, by a file of one row."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from infra.clients import Aws, clients
from infra.smoke import batch, web
from infra.smoke.verify import verify
from infra.smoke.wait import Result, SmokeTestFailed, Untestable, Wait
from stream_consumer.batch.job import Job, run
from stream_consumer.batch.storage import Stores
from stream_consumer.models.loading import load_model
from tests.fakes import FakeTime
from tests.web.client import TOKEN, ServedModel, app, ask

REGION = "eu-west-1"
URLS = {
    "lambda": "https://abcdefg.lambda-url.eu-west-1.on.aws/",
    "execute-api": "https://abcdefg.execute-api.eu-west-1.amazonaws.com/",
}


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        yield


@dataclass(slots=True)
class Web:
    """The web interface as it is deployed: the application, what refuses requests before it, and what was asked."""

    url: str = URLS["lambda"]
    model: ServedModel = field(default_factory=ServedModel)
    variables: dict[str, str] = field(default_factory=dict)
    refusals: list[HTTPStatus | Exception] = field(default_factory=list)
    """What the first requests get instead of an answer."""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    time: FakeTime = field(default_factory=FakeTime)
    said: list[str] = field(default_factory=list)

    def get_function_configuration(self, *, FunctionName: str, Qualifier: str) -> dict[str, Any]:  # noqa: N803
        assert (FunctionName, Qualifier) == ("test-web", "live")
        return {"Environment": {"Variables": self.variables}}

    def send(self, request: AWSPreparedRequest) -> Any:
        path = "/" + request.url.removeprefix(self.url)
        authorization = request.headers["Authorization"]
        self.asked.append((request.method, path, str(authorization)))
        if self.refusals:
            refusal = self.refusals.pop(0)
            if isinstance(refusal, Exception):
                raise refusal
            return SimpleNamespace(status_code=refusal.value, content=b'{"Message":"Forbidden"}')
        application = app(self.model, 100, **self.variables)
        reply = ask(application, request.method, path, body(request), signed(request))
        return SimpleNamespace(status_code=reply.status, content=reply.body)

    def through(self) -> Result:
        outputs = {
            "region": REGION,
            "web": {"url": self.url, "function_name": "test-web", "alias": "live"},
        }
        return web.through(lambda _: self, outputs, self.wait, self.send)

    def wait(self, seconds: float) -> Wait:
        return Wait(seconds, self.time.clock, self.time.sleep, self.said.append)


def body(request: AWSPreparedRequest) -> bytes:
    assert request.body is None or isinstance(request.body, bytes)
    return request.body or b""


def signed(request: AWSPreparedRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


@pytest.mark.parametrize("service", URLS)
def test_the_interface_is_asked_with_its_own_example_and_a_signature(service: str) -> None:
    interface = Web(URLS[service])
    result = interface.through()
    assert json.loads(result.answer)["prediction"] == {"ride_duration": pytest.approx(3790.205), "ride_id": 256}
    assert [asked[:2] for asked in interface.asked] == [("GET", "/openapi.json"), ("POST", "/predict")]
    for _, _, authorization in interface.asked:
        assert authorization.startswith("AWS4-HMAC-SHA256 Credential=")
        assert f"/{REGION}/{service}/aws4_request" in authorization


def test_where_the_interface_has_a_token_it_is_sent_instead() -> None:
    """A signature takes the header of the token."""
    interface = Web(variables={"WEB_TOKEN": f"{TOKEN}, another-token-of-ours"})
    assert json.loads(interface.through().answer)["model"] == "ride-duration"
    assert {authorization for _, _, authorization in interface.asked} == {f"Bearer {TOKEN}"}


def test_what_is_not_yet_known_everywhere_is_asked_again() -> None:
    passing: list[HTTPStatus | Exception] = [
        HTTPStatus.FORBIDDEN,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        EndpointConnectionError(endpoint_url=URLS["lambda"]),
    ]
    interface = Web(refusals=list(passing))
    assert json.loads(interface.through().answer)["model"] == "ride-duration"
    assert interface.time.now - 1_000 == len(passing) * 5


def test_a_caller_that_may_not_ask_is_told_what_it_needs() -> None:
    interface = Web(refusals=[HTTPStatus.FORBIDDEN] * 100)
    with pytest.raises(SmokeTestFailed) as failed:
        interface.through()
    assert interface.time.now - 1_000 == 180
    assert str(failed.value) == (
        'https://abcdefg.lambda-url.eu-west-1.on.aws/openapi.json answers 403 Forbidden: {"Message":"Forbidden"}. A '
        "403 means that this caller may not ask: it needs the policy in the output web.caller_policy. Otherwise look "
        "at the function's log: aws logs tail /aws/lambda/test-web --since 15m"
    )
    assert interface.said[0].startswith(
        "15 s of 180 s: https://abcdefg.lambda-url.eu-west-1.on.aws/openapi.json answers 403"
    )


def test_a_model_that_refuses_its_own_example_fails_at_once() -> None:
    def refuse(*_: Any) -> float:
        raise ValueError("no such zone")

    interface = Web(model=ServedModel(refuse))
    with pytest.raises(SmokeTestFailed, match="/predict answers 422 Unprocessable"):
        interface.through()
    assert interface.time.now - 1_000 == 0


def test_a_model_without_an_example_is_not_tested() -> None:
    with pytest.raises(Untestable, match="its model has no input example that fits into an event"):
        Web(model=ServedModel(example=())).through()


@dataclass(slots=True)
class Batch:
    """The batch interface as it is deployed, whose worker scores what is in the bucket while somebody waits."""

    model: Path
    suffix: str = ".parquet"
    on_arrival: bool = True
    works: bool = True
    interrupted: bool = False
    time: FakeTime = field(default_factory=FakeTime)
    said: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    """The keys of the files that were scored."""
    pace: float = 1.0
    """How much faster time passes for who waits."""
    client: Aws = field(default_factory=lambda: clients({"region": REGION}))

    def __post_init__(self) -> None:
        self.s3.create_bucket(Bucket="files", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        variables = {
            "MODEL_LOCATION": str(self.model),
            "BATCH_OUTPUT_KEYED": "s3://files/predictions/{key}",
        }
        container = {
            "name": "worker",
            "image": "image",
            "memory": 512,
            "environment": [{"name": name, "value": value} for name, value in variables.items()],
        }
        ecs = self.client("ecs")
        ecs.create_cluster(clusterName="test-batch")
        ecs.register_task_definition(family="test-batch-worker", containerDefinitions=[container])
        self.client("sqs").create_queue(QueueName="test-batch")

    @property
    def s3(self) -> Any:
        return self.client("s3")

    @property
    def outputs(self) -> dict[str, Any]:
        return {
            "region": REGION,
            "batch": {
                "input": "s3://files/rides/",
                "notification": {"filter_prefix": "rides/", "filter_suffix": self.suffix} if self.on_arrival else None,
                "queue": {"url": self.client("sqs").get_queue_url(QueueName="test-batch")["QueueUrl"]},
                "dead_letter_queue": {"name": "test-batch-dead-letters"},
                "cluster": "test-batch",
                "task_definitions": {
                    "worker": "arn:aws:ecs:eu-west-1:123456789012:task-definition/test-batch-worker:1"
                },
                "starter": {"function_name": "test-batch-starter"},
                "log_group": "/aws/ecs/test-batch",
            },
        }

    def sleep(self, seconds: float) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.time.sleep(seconds * self.pace)
        for key in self.keys() if self.works else ():
            if key.startswith("rides/") and key not in self.seen:
                job = Job.of(f"s3://files/{key}", f"s3://files/predictions/{key}")
                run(job, model=load_model(str(self.model)), stores=Stores(lambda: self.s3))
                self.seen.append(key)

    def keys(self) -> list[str]:
        return [item["Key"] for item in self.s3.list_objects_v2(Bucket="files").get("Contents", ())]

    def through(self) -> Result:
        return batch.through(
            self.client,
            self.outputs,
            str(self.model),
            lambda seconds: Wait(seconds, self.time.clock, self.sleep, self.said.append),
        )


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".csv.gz", ".ndjson", "-final.csv", ""])
def test_a_file_of_the_example_is_scored_and_removed_with_its_results(rides_model: Path, suffix: str) -> None:
    interface = Batch(rides_model, suffix)
    assert interface.through().answer.startswith("1 row, 1 predicted by ride-duration ")
    [key] = interface.seen
    assert key.startswith("rides/smoke-")
    assert key.endswith(suffix)
    assert interface.keys() == []


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_texts_and_absent_values_of_an_example_reach_the_model(trips_model: Path, suffix: str) -> None:
    assert Batch(trips_model, suffix).through().answer.startswith("1 row, 1 predicted by ")


def test_a_worker_without_results_is_said_with_the_places_to_look_at(rides_model: Path) -> None:
    interface = Batch(rides_model, works=False, pace=20)
    with pytest.raises(SmokeTestFailed) as failed:
        interface.through()
    assert interface.time.now - 1_000 == 600
    for said in (
        ".parquet.summary.json within 600 s: 0 files wait, 0 are worked on, 0 tasks run",
        "aws logs tail /aws/lambda/test-batch-starter --since 15m",
        "aws logs tail /aws/ecs/test-batch --since 15m",
        "the queue test-batch-dead-letters",
    ):
        assert said in str(failed.value)


@pytest.mark.parametrize("ends", [SmokeTestFailed, KeyboardInterrupt])
def test_the_file_of_a_failed_test_stays_since_its_message_would_become_a_dead_letter(
    rides_model: Path, ends: type[BaseException]
) -> None:
    interface = Batch(rides_model, works=False, pace=20, interrupted=ends is KeyboardInterrupt)
    with pytest.raises(ends):
        interface.through()
    [key] = interface.keys()
    assert interface.said[-1].startswith(f"s3://files/{key} stays, since its message is in the queue")


def test_a_row_that_is_rejected_fails(rides_model: Path, trips_model: Path) -> None:
    """The tasks run another model than was named."""
    interface = Batch(rides_model, ".ndjson")
    interface.model = trips_model
    interface.s3.put_object(Bucket="files", Key="unrelated", Body=b"")
    with pytest.raises(SmokeTestFailed, match=r"does not count one row, predicted(?s:.*)rejected\.jsonl says why"):
        batch.through(
            interface.client,
            interface.outputs,
            str(rides_model),
            lambda seconds: Wait(seconds, interface.time.clock, interface.sleep, interface.said.append),
        )


@pytest.mark.parametrize(
    ("models", "tested"),
    [
        ({"lean": "a", "doors": "a"}, True),
        ({"lean": "a", "doors": "b"}, False),
        ({"lean": "a"}, False),
        ({}, False),
    ],
)
def test_batch_is_tested_with_the_model_that_both_images_are_known_to_hold(
    rides_model: Path, models: dict[str, str], *, tested: bool
) -> None:
    """The images differ in any case: they are of two kinds."""
    interface = Batch(rides_model)
    images = {"image_digest": "sha256:1", "doors_image_digest": "sha256:2", "model_digests": models}
    [result] = verify(
        {**interface.outputs, **images},
        model=str(rides_model),
        aws=interface.client,
        wait=lambda seconds: Wait(seconds, interface.time.clock, interface.sleep, interface.said.append),
    )
    assert (result.answer.startswith("1 row, 1 predicted"), bool(result.untested)) == (tested, not tested)


def test_an_interface_of_intervals_alone_is_said_not_to_be_tested(rides_model: Path) -> None:
    interface = Batch(rides_model, on_arrival=False)
    [result] = verify({**interface.outputs, "consumers": {}}, wait=Wait)
    assert result == Result(
        "batch", untested="it scores intervals alone, and a run would write the results of a real one"
    )


def test_a_suffix_that_tells_no_format_is_said_not_to_be_tested(rides_model: Path) -> None:
    with pytest.raises(Untestable, match=r"input\.suffix '\.txt' tells no format: wanted one of \.parquet, "):
        Batch(rides_model, ".txt").through()
