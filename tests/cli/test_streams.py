"""``put``, ``consume``, ``tail`` and ``dead-letters`` on an embedded endpoint: a ride's way through the commands."""

import errno
import io
import json
import re
import sys
from pathlib import Path

import pytest

from stream_consumer.cli import outputs
from stream_consumer.local.demo.embedded_aws import EmbeddedAws
from stream_consumer.local.demo.function_metrics import MetricsTally
from tests.cli.conftest import RIDES, Command
from tests.rides import ride_event


def test_a_ride_s_way_through_the_commands(  # noqa: PLR0913, PLR0917 (fixtures)
    command: Command,
    aws: EmbeddedAws,
    rides_file: Path,
    rides_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    there = ("--endpoint-url", aws.endpoint_url)
    put = command("put", rides_file, "--malformed", "25%", *there)
    assert (put.code, put.out) == (0, "160 records put on ride_events, 40 of them malformed, 0 put again\n")

    monkeypatch.setenv("MODEL_LOCATION", str(rides_model))
    monkeypatch.setenv("DEAD_LETTER_BUCKET", "ride-failures")
    checkpoint = tmp_path / "checkpoint.json"
    consumed = command("consume", "--drain", "--poll", "0.05", "--checkpoint", checkpoint, *there)
    assert consumed.code == 0, consumed.err
    assert records_received(consumed.err) == 160
    *batches, total = map(json.loads, consumed.out.splitlines())
    assert sum(batch["records"] for batch in batches) == 160
    assert {source for batch in batches for source in batch["sources"]} == {f"shardId-{at:012}" for at in range(2)}
    assert total == {
        "type": "total",
        "records": 160,
        "predicted": RIDES,
        "dead_letters": 40,
        "discarded": 0,
        "batches": len(batches),
        "failed_batches": 0,
    }
    assert f"ride_events from the beginning of the stream: the checkpoint file {checkpoint} is new\n" in consumed.err

    again = command("consume", "--drain", "--poll", "0.05", "--checkpoint", checkpoint, *there)
    assert again.code == 0
    assert [json.loads(line)["records"] for line in again.out.splitlines()] == [0], "it goes on where it stopped"
    assert f"ride_events from the checkpoint in {checkpoint}\n" in again.err

    tailed = command("tail", "--from", "TRIM_HORIZON", "--no-follow", "--json", *there)
    assert tailed.code == 0
    assert len({json.loads(line)["prediction"]["ride_id"] for line in tailed.out.splitlines()}) == RIDES
    table = command("tail", "--from", "TRIM_HORIZON", "--no-follow", "--limit", 3, *there)
    assert len(table.out.splitlines()) == 4
    assert max(map(len, table.out.splitlines())) <= 80

    listed = command("dead-letters", "list", "--bucket", "ride-failures", *there)
    assert listed.out.splitlines()[-1].startswith("40 in all, 0 redriven, ")
    as_json = command("dead-letters", "list", "--bucket", "ride-failures", "--reason", "schema", "--json", *there)
    letters = [json.loads(line) for line in as_json.out.splitlines()]
    assert {letter["reason"] for letter in letters} == {"schema"}
    shown = command("dead-letters", "show", letters[0]["event_id"], "--bucket", "ride-failures", *there)
    assert shown.code == 0
    assert letters[0]["detail"].split("`")[0] in shown.out


def test_anybody_s_handler_can_be_consumed_with(
    command: Command, aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    aws.clients().kinesis.create_stream(StreamName="anybody", ShardCount=1)
    aws.clients().kinesis.put_record(StreamName="anybody", PartitionKey="1", Data=b"poison")
    (tmp_path / "theirs.py").write_text("def handle(event, context):\n    raise ValueError('no such ride')\n")
    monkeypatch.chdir(tmp_path)
    ran = command(
        *("consume", "--stream", "anybody", "--function", "theirs.handle", "--drain", "--poll", "0.05"),
        *("--maximum-retry-attempts", 0, "--on-failure", "s3://ride-failures", "--endpoint-url", aws.endpoint_url),
    )
    assert ran.code == 0
    assert "1 record failed: ValueError: no such ride" in ran.err
    assert 'theirs.py", line 2, in handle' in ran.err.replace("\n", "")
    assert "1 record discarded: RetryAttemptsExhausted" in ran.err
    [document] = aws.clients().s3.list_objects_v2(Bucket="ride-failures", Prefix="aws/lambda/")["Contents"]
    assert "/shardId-" in document["Key"]


def test_a_batch_that_cannot_be_published_is_told_without_the_frames_of_this_package(
    command: Command, aws: EmbeddedAws, rides_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.clients().kinesis.create_stream(StreamName="unpublished", ShardCount=1)
    aws.clients().kinesis.put_record(StreamName="unpublished", PartitionKey="1", Data=ride_event(1))
    monkeypatch.setenv("MODEL_LOCATION", str(rides_model))
    monkeypatch.setenv("PREDICTIONS_STREAM_NAME", "nosuch")
    monkeypatch.setattr(outputs, "is_absent", lambda *_: False)  # as if the stream were deleted after the start
    ran = command(
        *("consume", "--stream", "unpublished", "--drain", "--poll", "0.05", "--maximum-retry-attempts", 0),
        *("--on-failure", "s3://ride-failures", "--endpoint-url", aws.endpoint_url),
    )
    assert ran.code == 0
    assert "1 record failed: BatchFailed: none of the 1 records could be checkpointed" in ran.err
    assert "ResourceNotFoundException" in ran.err
    assert "lambda_function.py" not in ran.err


WINDOWED = """
def handle(event, context):
    seen = event["state"].get("seen", 0) + len(event["Records"])
    if event["isFinalInvokeForWindow"]:
        raise ValueError(f"the window has {seen} records")
    return {"state": {"seen": seen}}
"""


def test_a_tumbling_window_is_closed_before_a_drain_ends_and_its_loss_is_said(
    command: Command, aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    aws.clients().kinesis.create_stream(StreamName="windowed", ShardCount=1)
    aws.clients().kinesis.put_record(StreamName="windowed", PartitionKey="1", Data=b"a")
    aws.clients().kinesis.put_record(StreamName="windowed", PartitionKey="1", Data=b"b")
    (tmp_path / "windowed.py").write_text(WINDOWED)
    monkeypatch.chdir(tmp_path)
    ran = command(
        *("consume", "--stream", "windowed", "--function", "windowed.handle", "--drain", "--poll", "0.05"),
        *("--tumbling-window", 900, "--batch-size", 1, "--maximum-retry-attempts", 0),
        *("--endpoint-url", aws.endpoint_url),
    )
    assert ran.code == 0
    assert "0 records failed: ValueError: the window has 2 records" in ran.err
    said = r"the state of the window from \S+:(00|15|30|45):00Z to \S+Z is lost: RetryAttemptsExhausted"
    assert re.search(said, ran.err.replace("\n", " "))


def test_predictions_are_shown_in_the_envelope_that_options_or_the_environment_name(
    command: Command, aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinesis = aws.clients().kinesis
    kinesis.create_stream(StreamName="churn", ShardCount=1)
    predictions = ['{"churned":"yes","customer":"c-1"}', '{"churned":0.25}']
    for number, prediction in enumerate(predictions, start=1):
        data = f'{{"model":"churn","version":"3","prediction":{prediction},"event_id":"shardId-1:{number}"}}'
        kinesis.put_record(StreamName="churn", PartitionKey="1", Data=data.encode())
    tail = ("tail", "--stream", "churn", "--from", "TRIM_HORIZON", "--no-follow", "--endpoint-url", aws.endpoint_url)

    named = command(*tail, "--id-field", "customer", "--prediction-field", "churned")
    header, row = named.out.splitlines()
    assert header.split() == ["arrival", "customer", "prediction", "model", "and", "version"]
    assert row.split()[1:] == ["c-1", '"yes"', "churn", "3"]

    monkeypatch.setenv("ID_FIELD", "")
    monkeypatch.setenv("PREDICTION_FIELD", "churned")
    header, *rows = command(*tail).out.splitlines()
    assert header.split()[1] == "event_id"
    assert [row.split()[1:3] for row in rows] == [["shardId-1:1", '"yes"'], ["shardId-1:2", "0.25"]]
    as_json = command(*tail, "--json").out.splitlines()
    assert json.loads(as_json[1])["prediction"] == {"churned": 0.25}


class FullDisk(io.StringIO):
    """A standard output that takes nothing."""

    def write(self, _: str, /) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_prediction_that_could_not_be_shown_is_shown_by_the_next_start(
    command: Command, aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kinesis = aws.clients().kinesis
    kinesis.create_stream(StreamName="unshown", ShardCount=1)
    for number in (1, 2):
        predicted = f'{{"ride_duration":9.5,"ride_id":{number}}}'
        data = f'{{"model":"m","version":"3","prediction":{predicted},"event_id":"shardId-1:{number}"}}'
        kinesis.put_record(StreamName="unshown", PartitionKey="1", Data=data.encode())
    checkpoint = ("--checkpoint", tmp_path / "place", "--endpoint-url", aws.endpoint_url)
    tail = ("tail", "--stream", "unshown", "--no-follow", "--json", *checkpoint)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", FullDisk())
        failed = command(*tail, "--from", "TRIM_HORIZON")
    assert (failed.code, failed.err) == (1, "error: standard output cannot be written: No space left on device\n")
    shown = [json.loads(line)["event_id"] for line in command(*tail).out.splitlines()]
    assert shown == ["shardId-1:1", "shardId-1:2"]


def test_predictions_do_not_go_on_the_stream_that_is_consumed(
    command: Command, aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each prediction would be consumed as an event, and become a dead letter."""
    kinesis = aws.clients().kinesis
    kinesis.create_stream(StreamName="loop", ShardCount=1)
    monkeypatch.setenv("MODEL_LOCATION", "nosuch")
    arn = kinesis.describe_stream_summary(StreamName="loop")["StreamDescriptionSummary"]["StreamARN"]
    for output in ("loop", arn):
        monkeypatch.setenv("PREDICTIONS_STREAM_NAME", output)
        ran = command("consume", "--stream", "loop", "--drain", "--endpoint-url", aws.endpoint_url)
        assert ran.code == 2
        assert "--stream loop: PREDICTIONS_STREAM_NAME is the same stream" in " ".join(ran.err.split())
    monkeypatch.setenv("KINESIS_ENDPOINT_URL", "http://127.0.0.1:1")
    ran = command("consume", "--stream", "loop", "--drain", "--endpoint-url", aws.endpoint_url)
    assert "nosuch" in ran.err, "a stream of another endpoint is another stream"


@pytest.mark.parametrize("source", [("--stream", "ride_events"), ("--kafka", "127.0.0.1:1", "--topic", "rides")])
def test_an_output_that_does_not_exist_is_refused_before_the_first_batch(
    command: Command, aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch, source: tuple[str, ...]
) -> None:
    """The consumer would try its batches again for ever."""
    consume = ("consume", *source, "--drain", "--endpoint-url", aws.endpoint_url)
    monkeypatch.setenv("MODEL_LOCATION", "nosuch")
    monkeypatch.setenv("PREDICTIONS_STREAM_NAME", "nowhere")
    ran = command(*consume)
    assert ran.code == 2
    assert "error: PREDICTIONS_STREAM_NAME=nowhere: the stream does not exist at http://" in " ".join(ran.err.split())
    monkeypatch.setenv("PREDICTIONS_STREAM_NAME", "ride_predictions")
    monkeypatch.setenv("DEAD_LETTER_BUCKET", "no-bucket")
    ran = command(*consume)
    assert ran.code == 2
    assert "error: DEAD_LETTER_BUCKET=no-bucket: the bucket does not exist." in " ".join(ran.err.split())


def records_received(out: str) -> float:
    """Return what the function's own metrics say."""
    tally = MetricsTally()
    for line in out.splitlines():
        tally.take(line)
    return tally.sums()["RecordsReceived"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("put", "no-such-file.parquet"), "no-such-file.parquet"),
        (("put", "rides.parquet", "--rate", "-1"), "--rate is '-1', wanted 0.001 to 1,000,000"),
        (("put", "rides.parquet", "--malformed", "2"), "--malformed '2' is not a share, wanted 1% or 0.01"),
        (
            ("consume", "--on-failure", "somewhere"),
            "--on-failure somewhere: wanted s3://BUCKET, an SQS queue's URL or an SNS topic's ARN",
        ),
        (
            ("consume", "--starting-position", "yesterday"),
            "--starting-position 'yesterday' is not a time, wanted TRIM_HORIZON",
        ),
        (("consume", "--batch-size", "0"), "batch"),
        (("consume", "--function", "nowhere.handler"), "nowhere"),
        (("tail", "--from", "soon"), "--from 'soon' is not a time, wanted TRIM_HORIZON"),
        (
            ("dead-letters", "show", "e", "--bucket", "ride-failures"),
            "no dead letter in s3://ride-failures has the event id 'e'",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    command: Command, aws: EmbeddedAws, arguments: tuple[str, ...], message: str
) -> None:
    ran = command(*arguments, "--endpoint-url", aws.endpoint_url)
    assert ran.code == 2, ran
    assert message in ran.err
    assert "Traceback" not in ran.err


def test_a_byte_order_mark_is_no_part_of_the_first_event(command: Command, aws: EmbeddedAws, tmp_path: Path) -> None:
    """As PowerShell and Notepad write it."""
    kinesis = aws.clients().kinesis
    kinesis.create_stream(StreamName="marked", ShardCount=1)
    (tmp_path / "rides.ndjson").write_bytes(b"\xef\xbb\xbf" + ride_event(1) + b"\n")
    ran = command("put", tmp_path / "rides.ndjson", "--stream", "marked", "--endpoint-url", aws.endpoint_url)
    assert (ran.code, ran.out) == (0, "1 record put on marked, 0 put again\n")
    arn = kinesis.describe_stream_summary(StreamName="marked")["StreamDescriptionSummary"]["StreamARN"]
    shard = kinesis.list_shards(StreamARN=arn)["Shards"][0]["ShardId"]
    begin = kinesis.get_shard_iterator(StreamARN=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    records = kinesis.get_records(ShardIterator=begin["ShardIterator"], StreamARN=arn)["Records"]
    assert [record["Data"] for record in records] == [ride_event(1)]


def test_a_standard_input_that_is_closed_is_said(
    command: Command, aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by `stream-consumer put - <&-`, where Python has no standard input."""
    monkeypatch.setattr(sys, "stdin", None)
    ran = command("put", "-", "--endpoint-url", aws.endpoint_url, "--region", "us-east-1")
    assert ran.code == 2
    said = "error: - is standard input, which is closed. Pipe events to the command, or name a file"
    assert said in " ".join(ran.err.split())


def test_a_stream_that_is_not_there_is_named(command: Command, aws: EmbeddedAws) -> None:
    ran = command("tail", "--stream", "nowhere", "--endpoint-url", aws.endpoint_url)
    assert ran.code == 1
    assert "nowhere" in ran.err


def test_without_a_region_the_remedy_is_named(command: Command) -> None:
    ran = command("tail")
    assert ran.code == 2
    assert "--region" in ran.err


def test_help_teaches_every_command(command: Command) -> None:
    top = command("--help")
    assert top.code == 0
    for name in ("demo", "train", "model", "put", "consume", "tail", "dead-letters", "local", "replay"):
        assert name in top.out
        assert command(name, "--help").code == 0


def test_streams_may_be_named_by_their_arns(
    command: Command, aws: EmbeddedAws, rides_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinesis, there = aws.clients().kinesis, ("--endpoint-url", aws.endpoint_url)
    arns = {}
    for name in ("by_arn", "by_arn_too"):
        kinesis.create_stream(StreamName=name, ShardCount=1)
        arns[name] = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    kinesis.put_record(StreamName="by_arn", PartitionKey="1", Data=ride_event(1))
    lineage = Path(__file__).parent.parent / "cases" / "lineage_prediction.json"
    kinesis.put_record(StreamName="by_arn_too", PartitionKey="256", Data=lineage.read_bytes())
    monkeypatch.setenv("MODEL_LOCATION", str(rides_model))
    monkeypatch.setenv("PREDICTIONS_STREAM_NAME", arns["by_arn_too"])

    consumed = command("consume", "--stream", arns["by_arn"], "--drain", "--poll", "0.05", *there)
    assert (consumed.code, records_received(consumed.err)) == (0, 1), consumed.err
    said = f"{arns['by_arn']} from the beginning of the stream. The next start begins there again"
    assert said in consumed.err
    replayed = command("replay", "--stream", arns["by_arn"], "--output-stream", arns["by_arn_too"], *there)
    assert replayed.code == 0, replayed.err
    tailed = command("tail", "--stream", arns["by_arn_too"], "--from", "TRIM_HORIZON", "--no-follow", "--json", *there)
    predictions = [json.loads(line) for line in tailed.out.splitlines()]
    assert [prediction["prediction"]["ride_id"] for prediction in predictions] == [256, 1]
    assert predictions[0]["event_id"] is None
    same = command("replay", "--stream", arns["by_arn"], "--output-stream", "by_arn", *there)
    assert (same.code, "is the input stream. Name a different stream" in same.err) == (2, True)
