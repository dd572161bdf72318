"""Events that people really have: through the function, into a dead letter, and back on their own stream."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stream_consumer.lambda_function import lambda_handler
from stream_consumer.local.demo.embedded_aws import EmbeddedAws
from tests.cli.conftest import Command
from tests.cli.model import linear_model

CASES = Path(__file__).parent.parent / "cases"
HERE = "arn:aws:kinesis:us-east-1:000000000000:stream/ride_events"

DeadLettered = Callable[[str], dict[str, Any]]


@pytest.fixture
def dead_lettered(command: Command, aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> DeadLettered:
    """Hand a case to the function; its dead letter as ``dead-letters list --json`` has it."""
    for name, value in {
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "MODEL_LOCATION": linear_model(tmp_path / "model"),
        "DEAD_LETTER_BUCKET": "ride-failures",
        "DEAD_LETTER_PREFIX": tmp_path.name,
    }.items():
        monkeypatch.setenv(name, value)

    def dead_lettered(case: str) -> dict[str, Any]:
        event = json.loads((CASES / case).read_text(encoding="utf-8"))
        assert lambda_handler(event, None) == {"batchItemFailures": []}
        listed = command("dead-letters", "list", "--json")
        # Standard output has the function's metrics as well.
        [letter] = [line for line in map(json.loads, listed.out.splitlines()) if "document" in line]
        assert letter["stream_arn"] == event["Records"][0]["eventSourceARN"]
        return dict(letter)

    return dead_lettered


def on_stream(aws: EmbeddedAws, stream: str = "ride_events") -> list[tuple[str, bytes]]:
    """Return the keys and data of all records."""
    kinesis, found = aws.clients().kinesis, []
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        found += [
            (read["PartitionKey"], read["Data"]) for read in kinesis.get_records(ShardIterator=iterator)["Records"]
        ]
    return found


@pytest.mark.parametrize(
    ("case", "edit", "detail", "ride_ids"),
    [
        ("newline_joined.event.json", ".", "several JSON values", [1, 2]),
        ("array.event.json", ".[]", "an array", [3, 4]),
    ],
)
def test_an_edit_puts_back_both_rides_of_one_record(  # noqa: PLR0913, PLR0917 (fixtures and a case)
    command: Command,
    aws: EmbeddedAws,
    dead_lettered: DeadLettered,
    case: str,
    edit: str,
    detail: str,
    ride_ids: list[int],
) -> None:
    assert detail in dead_lettered(case)["detail"]
    before = on_stream(aws)
    done = command("dead-letters", "redrive", "--edit", edit)
    assert (done.code, done.out.splitlines()[0]) == (0, "put back: 1, redriven before: 0"), done
    new = [record for record in on_stream(aws) if record not in before]
    assert [(key, json.loads(data)["ride_id"]) for key, data in new] == [("1", ride_id) for ride_id in ride_ids]


def test_nothing_is_put_on_the_stream_of_another_account(
    command: Command, aws: EmbeddedAws, dead_lettered: DeadLettered
) -> None:
    theirs = dead_lettered("cross_account.event.json")["stream_arn"]
    before = on_stream(aws)
    done = command("dead-letters", "redrive", "--edit", ".ride.PULocationID |= tonumber", "--delete")
    assert done.code == 1
    assert f"it came from {theirs}, and this is us-east-1: pass --region eu-west-1" in done.err
    # Nor in that region, where the stream of the name is another account's than theirs.
    abroad = command("dead-letters", "redrive", "--region", "eu-west-1", "--delete")
    assert (abroad.code, "put back: 0" in abroad.out) == (1, True)
    assert on_stream(aws) == before
    assert command("dead-letters", "list").out.splitlines()[-1] == "1 in all, 0 redriven, 1 schema"

    assert command("dead-letters", "redrive", "--stream", "ride_events").code == 0
    assert len(on_stream(aws)) == len(before) + 1


def test_an_enhanced_fan_out_s_letter_goes_back_on_the_stream(
    command: Command, aws: EmbeddedAws, dead_lettered: DeadLettered
) -> None:
    letter = dead_lettered("efo.event.json")
    assert (letter["stream"], "/ride_events/shardId-" in letter["document"]) == ("ride_events", True)
    before = on_stream(aws)
    rehearsed = command("dead-letters", "redrive", "--dry-run")
    assert f"bytes would go on {HERE}, partition key '1'" in rehearsed.out
    assert command("dead-letters", "redrive").code == 0
    assert len(on_stream(aws)) == len(before) + 1


def test_a_byte_order_mark_is_named(dead_lettered: DeadLettered) -> None:
    assert "byte-order mark" in dead_lettered("bom.event.json")["detail"]
