"""``status``, ``logs`` and ``doctor``: a deployed environment in this process, and what an operator sees of it."""

import io
import itertools
import json
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from stream_consumer.aws.clients import Clients
from stream_consumer.operate.deployment import ALIAS, prefix_of
from stream_consumer.operate.function_logs import Line, follow
from tests.cli.conftest import Command

RIDES, WEB, OTHER = "stream-consumer-dev-rides", "stream-consumer-dev-web", "stream-consumer-prod-rides"


def client(service: Any) -> Any:
    return boto3.client(service, region_name="us-east-1")


def deploy(name: str, **variables: str) -> None:
    """Deploy a function as Terraform does: a published version behind the alias, and a log group."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "")
    client("lambda").create_function(
        FunctionName=name,
        Role="arn:aws:iam::123456789012:role/function",
        Runtime="python3.13",
        Handler="app.handle",
        Code={"ZipFile": code.getvalue()},
        Environment={"Variables": {"POWERTOOLS_SERVICE_NAME": name, **variables}},
    )
    version = client("lambda").publish_version(FunctionName=name)["Version"]
    client("lambda").create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    client("logs").create_log_stream(logGroupName=_log_group(name), logStreamName="1")


def _log_group(name: str) -> str:
    client("logs").create_log_group(logGroupName=f"/aws/lambda/{name}")
    return f"/aws/lambda/{name}"


def measured(namespace: str, metric: str, value: float, **dimensions: str) -> None:
    named = [{"Name": name, "Value": of} for name, of in dimensions.items()]
    a_minute_ago = time.time() - 60
    datum = {"MetricName": metric, "Value": value, "Dimensions": named, "Timestamp": a_minute_ago}
    client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=[datum])


def alarm(name: str, state: str, description: str = "") -> None:
    client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        AlarmDescription=description,
        Namespace="AWS/Lambda",
        MetricName="Errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
    )
    client("cloudwatch").set_alarm_state(AlarmName=name, StateValue=state, StateReason="said so")


@pytest.fixture
def deployed(mocked_aws: Clients, monkeypatch: pytest.MonkeyPatch) -> Clients:
    """Two functions of dev, one of prod, and some numbers of the last minute."""
    monkeypatch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "false")
    client("iam").create_role(RoleName="function", AssumeRolePolicyDocument="{}")
    deploy(RIDES, DEAD_LETTER_BUCKET="ride-failures", DEAD_LETTER_PREFIX="dead-letters/rides")
    deploy(WEB)
    deploy(OTHER)
    arn = mocked_aws.kinesis.describe_stream_summary(StreamName="ride_events")["StreamDescriptionSummary"]["StreamARN"]
    client("lambda").create_event_source_mapping(
        FunctionName=f"{RIDES}:live", EventSourceArn=arn, StartingPosition="LATEST"
    )
    of_alias = {"FunctionName": RIDES, "Resource": f"{RIDES}:live"}
    for value in (2, 5):
        measured("AWS/Lambda", "Invocations", value, **of_alias)
    measured("AWS/Lambda", "Errors", 1, **of_alias)
    measured("AWS/Lambda", "Errors", 100, FunctionName=RIDES)  # of versions that nobody invokes by the alias
    for value in (1500, 700):
        measured("AWS/Lambda", "IteratorAge", value, **of_alias)
    measured("StreamConsumer", "DeadLetters", 3, service=RIDES)
    alarm(f"{RIDES}-errors", "OK")
    alarm(f"{OTHER}-errors", "ALARM", "prod is down")
    return mocked_aws


@pytest.mark.usefixtures("deployed")
def test_each_function_of_the_environment_is_shown(command: Command) -> None:
    ran = command("status")
    assert (ran.code, ran.err) == (0, "")
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert lines[0] == RIDES
    assert lines[1].startswith("live version 1, of 20")
    assert lines[2:7] == [
        "mapping Enabled, reads ride_events",
        "iterator age 1.5 s at most in 1h",
        "errors 1 of 7 invocations in 1h",
        "throttles 0 in 1h",
        "dead letters 3 in 1h, in s3://ride-failures/dead-letters/rides/",
    ]
    assert lines[7] == WEB
    assert lines[9:] == ["errors 0 of 0 invocations in 1h", "throttles 0 in 1h", "0 of 1 alarms"]
    assert max(map(len, ran.out.splitlines())) <= 80


def test_functions_are_looked_for_by_the_names_that_terraform_gives() -> None:
    modules = Path(__file__).parents[2] / "infra" / "modules"
    system = "".join((modules / "system" / name).read_text(encoding="utf-8") for name in ("main.tf", "variables.tf"))
    [name] = re.findall(r'variable "name" \{.*?default\s+= "([\w-]+)"', system, re.DOTALL)
    assert 'prefix = "${var.name}-${var.environment}"' in system
    assert prefix_of("dev") == f"{name}-dev-"
    function = (modules / "function" / "main.tf").read_text(encoding="utf-8")
    assert re.findall(r'resource "aws_lambda_alias" "live" \{\s+name\s+= "(\w+)"', function) == [ALIAS]


@pytest.mark.usefixtures("deployed")
def test_an_alarm_of_the_environment_is_told_and_is_a_failure(command: Command) -> None:
    ran = command("status", "--env", "prod")
    assert (ran.code, ran.out.splitlines()[-2:]) == (1, ["1 of 1 alarms", f"  ALARM {OTHER}-errors: prod is down"])
    one = command("status", "--function", RIDES, "--json")
    answer = json.loads(one.out)
    assert one.code == 0
    assert [found["function"] for found in answer["functions"]] == [RIDES]
    assert answer["functions"][0]["iterator_age_ms"] == 1500
    assert answer["alarms"] == [{"name": f"{RIDES}-errors", "state": "OK", "reason": ""}]


@pytest.mark.usefixtures("deployed")
def test_a_mapping_that_stands_still_and_a_canary_are_told(command: Command) -> None:
    functions = client("lambda")
    [mapping] = functions.list_event_source_mappings(FunctionName=f"{RIDES}:live")["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    functions.update_alias(
        FunctionName=RIDES, Name="live", RoutingConfig={"AdditionalVersionWeights": {"$LATEST": 0.1}}
    )
    ran = command("status")
    assert (ran.code, "mapping       Disabled, reads ride_events" in ran.out) == (1, True)
    assert "live version  1, 10% to $LATEST, of 20" in ran.out


@pytest.mark.usefixtures("mocked_aws")
def test_an_environment_or_a_function_that_is_not_there_is_named(command: Command) -> None:
    nowhere = command("status", "--env", "staging")
    assert (nowhere.code, "begins with stream-consumer-staging-; name another" in nowhere.err) == (2, True), nowhere
    for what in ("status", "logs"):
        ran = command(what, "--function", "nobody")
        assert (ran.code, ran.err) == (2, "error: there is no function nobody in us-east-1\n")


@pytest.mark.parametrize("text", ["1", "10x", "0m", "-5m", "16d", "", "½h", "1e3s"])
def test_a_window_that_is_none_is_refused(command: Command, text: str) -> None:
    ran = command("status", "--since", text)
    assert (ran.code, "is not a duration of 1s to 15d, wanted 90s, 10m, 2h or 1d" in " ".join(ran.err.split())) == (
        2,
        True,
    )


@pytest.fixture
def logged(deployed: Clients) -> Clients:
    now = round(time.time() * 1000)
    said = {
        RIDES: [
            (now - 3_600_000, "too old"),
            (now - 3_000, '{"level":"WARNING","message":"invalid record","reason":"schema"}'),
            (now - 1_000, '{"_aws":{"CloudWatchMetrics":[]}}'),
        ],
        WEB: [(now - 2_000, "START RequestId: 1\n")],
    }
    for name, lines in said.items():
        client("logs").put_log_events(
            logGroupName=f"/aws/lambda/{name}",
            logStreamName="1",
            logEvents=[{"timestamp": at, "message": text} for at, text in lines],
        )
    return deployed


@pytest.mark.usefixtures("logged")
def test_log_lines_of_all_functions_come_in_their_order(command: Command) -> None:
    ran = command("logs")
    assert ran.code == 0
    assert [line.split(" ", 1)[1] for line in ran.out.splitlines()] == [
        f"{RIDES} WARNING invalid record: reason=schema",
        f"{WEB} START RequestId: 1",
    ]
    as_json = [json.loads(line) for line in command("logs", "--json", "--since", "2h").out.splitlines()]
    assert [line["message"] for line in as_json] == [
        "too old",
        '{"level":"WARNING","message":"invalid record","reason":"schema"}',
        "START RequestId: 1",
        '{"_aws":{"CloudWatchMetrics":[]}}',
    ]
    assert [line.split(" ", 1)[1] for line in command("logs", "--function", WEB).out.splitlines()] == [
        "START RequestId: 1"
    ]


def test_following_gives_each_line_once_also_one_that_comes_late() -> None:
    """CloudWatch makes a line readable after a newer one: the last 30 seconds are read again."""
    lines = [Line(100_000, "f", "first", "1"), Line(130_000, "f", "second", "2")]
    reads: list[int] = []
    pauses: list[float] = []

    def read(since: int) -> Iterator[Line]:
        reads.append(since)
        return iter(sorted((line for line in lines if line.time >= since), key=lambda line: line.time))

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        lines.append([Line(110_000, "f", "late", "3"), Line(200_000, "f", "new", "4")][len(pauses) - 1])

    given = [line.text for line in itertools.islice(follow(read, 90_000, sleep), 4)]
    assert given == ["first", "second", "late", "new"]
    assert reads == [90_000, 100_000, 100_000]


def test_the_doctor_tells_each_line_and_fails_only_for_a_job(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    missing = command("doctor", "bench")
    assert missing.code == 1
    assert missing.out.splitlines()[-1] == "missing wrk        not installed: install wrk (needed by bench)"
    as_json = command("doctor", "bench", "--json")
    assert json.loads(as_json.out.splitlines()[-1]) == {
        "subject": "wrk",
        "ok": False,
        "seen": "not installed",
        "remedy": "install wrk",
        "needed_by": ["bench"],
    }
    assert command("doctor", "demo").code == 0
    assert command("doctor", "demoo").code == 2
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert (everything := command("doctor")).code == 0
    assert "missing wrk " in everything.out


def test_the_version_says_what_a_bug_report_needs(command: Command) -> None:
    ran = command("--version")
    assert ran.code == 0
    assert ran.out.splitlines()[0] == "stream-consumer 0.1.0"
    for word in ("Python 3.", "scikit-learn 1.", "Linux"):
        assert word in ran.out
