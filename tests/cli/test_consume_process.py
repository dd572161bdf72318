"""``consume`` in a pipe, as a process: JSON lines, SIGTERM, and where a second run starts."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from stream_consumer.local.demo.embedded_aws import EmbeddedAws
from tests.kafka.broker import Broker, broker
from tests.rides import ride_event

pytestmark = pytest.mark.process

COMMAND = (sys.executable, "-m", "stream_consumer", "consume")
SECONDS = 120
TOTAL = {"type": "total", "records": 3, "predicted": 2, "dead_letters": 1, "discarded": 0, "failed_batches": 0}


@pytest.fixture
def environment(aws: EmbeddedAws, rides_model: Path) -> dict[str, str]:
    settings = {"MODEL_LOCATION": str(rides_model), "DEAD_LETTER_BUCKET": "ride-failures"}
    return {**os.environ, **aws.environment, **settings}


@pytest.mark.parametrize(("how", "predicted"), [((), 2), (("--runtime",), None)])
def test_sigterm_ends_a_pipe_with_the_total(
    aws: EmbeddedAws, environment: dict[str, str], how: tuple[str, ...], predicted: int | None
) -> None:
    stream = f"piped{len(how)}"
    aws.clients().kinesis.create_stream(StreamName=stream, ShardCount=1)
    for data in (ride_event(1), ride_event(2), b"no"):
        aws.clients().kinesis.put_record(StreamName=stream, PartitionKey="1", Data=data)
    command = [*COMMAND, "--stream", stream, "--poll", "0.05", *how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as ran:  # noqa: S603 (ours)
        assert ran.stdout
        batch = json.loads(ran.stdout.readline())
        ran.send_signal(signal.SIGTERM)
        out, err = ran.communicate(timeout=SECONDS)
    assert ran.returncode == 143, err
    assert (batch["type"], batch["records"], batch["predicted"]) == ("batch", 3, predicted)
    *_, total = map(json.loads, out.splitlines())
    assert total.items() >= TOTAL.items()
    assert '"message":"invalid record"' in err
    assert "Traceback" not in err


@pytest.fixture
def topics() -> Iterator[Broker]:
    with broker() as running:
        running.create("rides", 2)
        running.create("ride_predictions", 1)
        yield running


def test_a_group_says_where_it_starts_and_what_it_consumed(topics: Broker, environment: dict[str, str]) -> None:
    producer = Producer({"bootstrap.servers": topics.address})
    for at, data in enumerate((ride_event(1), ride_event(2), b"no")):
        producer.produce("rides", data, partition=at % 2)
    assert producer.flush(30) == 0
    del producer  # which would tell of the broker's end
    command = [*COMMAND, "--kafka", topics.address, "--topic", "rides", "--group", "scorers", "--drain"]

    def drain() -> tuple[list[dict[str, Any]], str]:
        ran = subprocess.run(  # noqa: S603 (ours)
            command,
            check=False,
            text=True,
            capture_output=True,
            env=environment | {"PREDICTIONS_TOPIC": "ride_predictions"},
            timeout=SECONDS,
        )
        assert ran.returncode == 0, ran.stderr
        return [json.loads(line) for line in ran.stdout.splitlines()], ran.stderr

    (*batches, total), err = drain()
    assert total.items() >= TOTAL.items()
    assert sorted({source for batch in batches for source in batch["sources"]}) == ["rides-0", "rides-1"]
    assert sum(batch["predicted"] for batch in batches) == 2
    assert "the group scorers is new here and begins with the oldest record" in err
    [total], err = drain()
    assert (total["type"], total["records"], total["batches"]) == ("total", 0, 0)
    assert "the group scorers goes on from its committed offsets" in err
