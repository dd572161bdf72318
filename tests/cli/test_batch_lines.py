"""The lines of ``consume``: a batch and the total, for a person and as JSON."""

import dataclasses
import json
import re
import threading
from io import StringIO
from pathlib import Path

import pytest

from stream_consumer.cli.batch_lines import Batch, Total
from stream_consumer.cli.function_log import FunctionLog
from stream_consumer.local.mapping.events import Checkpointed, Counts, Invoked
from stream_consumer.local.runtime.functions import FunctionError, Invocation

SHARD = "shardId-000000000000"


@pytest.mark.parametrize(
    ("batch", "line"),
    [
        (
            Batch(sources=[SHARD], records=500, predicted=495, dead_letters=5, unsettled=0, milliseconds=12.4),
            f"{SHARD}: 500 records: 495 predicted, 5 dead letters, 12 ms",
        ),
        (
            Batch(sources=[SHARD], records=1, predicted=0, dead_letters=1, unsettled=0, milliseconds=1.0),
            f"{SHARD}: 1 record: 0 predicted, 1 dead letter, 1 ms",
        ),
        (
            Batch(sources=["rides-0"], records=1_500, predicted=1_000, dead_letters=0, unsettled=500, milliseconds=2.0),
            "rides-0: 1,500 records: 1,000 predicted, 0 dead letters, 500 to be delivered again, 2 ms",
        ),
        (
            Batch(sources=["rides-0", "rides-1"], records=3, milliseconds=2.0, unsettled=3, error="ValueError: no"),
            "rides-0, rides-1: 3 records: failed, 3 to be delivered again, 2 ms",
        ),
        (
            Batch(sources=[f"rides-{at}" for at in range(4)], records=7, milliseconds=1234.0),
            "4 partitions: 7 records: 1,234 ms",
        ),
    ],
)
def test_a_batch_is_one_line(batch: Batch, line: str) -> None:
    assert batch.line() == line


def test_the_total_counts_what_was_settled() -> None:
    metrics = {"PredictionsPublished": 3000.0, "DeadLetters": 30.0}
    total = Total.of(Counts(invocations=7, records_settled=3_030), metrics)
    assert total.line() == "3,030 records: 3,000 predicted, 30 dead letters (7 batches)"
    given_up = Total.of(Counts(invocations=9, errors=2, records_settled=3_034, records_discarded=4), metrics)
    assert given_up.line() == "3,034 records: 3,000 predicted, 30 dead letters, 4 discarded (9 batches, 2 failed)"
    assert Total.of(Counts(invocations=1, records_settled=1), {}).line() == "1 record (1 batch)"


def test_the_total_tells_that_deliveries_are_counted() -> None:
    """A function that fails after it wrote its dead letters writes them again at the next delivery."""
    metrics = {"PredictionsPublished": 99.0, "DeadLetters": 2.0}
    total = Total.of(Counts(invocations=2, errors=1, records_settled=100), metrics)
    said = "99 predicted, 2 dead letters (2 batches, 1 failed, records delivered again count again)"
    assert total.line() == f"100 records: {said}"


def printing(log: FunctionLog, *, published: int, request_id: str) -> Invocation:
    """Invoke a function that reports its predictions, as the consumer's own function does."""
    names = [{"Name": name} for name in ("PredictionsPublished", "DeadLetters", "RecordsUnsettled")]
    values = {"PredictionsPublished": [published], "DeadLetters": [1], "RecordsUnsettled": [0]}
    line = json.dumps({"_aws": {"CloudWatchMetrics": [{"Metrics": names}]}, **values})

    class Printing:
        arn = "arn:aws:lambda:us-east-1:000000000000:function:f"

        def invoke(self, payload: bytes) -> Invocation:
            del payload
            log.take(line)
            return Invocation(request_id)

    return log.call(Printing(), b"{}")


def test_counts_are_those_of_the_batch_s_own_invocation(capfd: pytest.CaptureFixture[str]) -> None:
    """Two shards invoke at once, and their events come later and in another order."""
    output = StringIO()
    log = FunctionLog(output, as_json=True, in_short=False)
    made: dict[int, Invocation] = {}

    def invoke(shard: int) -> None:
        made[shard] = printing(log, published=10 * (shard + 1), request_id=f"request-{shard}")

    for shard in (0, 1):
        thread = threading.Thread(target=invoke, args=(shard,))
        thread.start()
        thread.join()
    log.begin()
    log(Invoked("shard-1", 21, made[1], 0.0125, 0.0))
    log(Checkpointed("shard-1", 21, "9"))
    log(Invoked("shard-0", 11, made[0], 0.002, 0.0))
    log(Checkpointed("shard-0", 11, "8"))
    log(Invoked("shard-0", 2, Invocation("r", error=FunctionError("ValueError", "no such ride")), 0.001, 0.0))
    log(Invoked("shard-0", 2, Invocation("", throttled=True), 0.0, 0.0))
    log.end()
    one, other, failed, total = map(json.loads, output.getvalue().splitlines())
    assert one == {
        "type": "batch",
        "sources": ["shard-1"],
        "records": 21,
        "predicted": 20,
        "dead_letters": 1,
        "unsettled": 0,
        "milliseconds": 12.5,
        "error": None,
    }
    assert (other["sources"], other["predicted"]) == (["shard-0"], 10)
    assert (failed["predicted"], failed["unsettled"], failed["error"]) == (None, 2, "ValueError: no such ride")
    assert total == {
        "type": "total",
        "records": 32,
        "predicted": 30,
        "dead_letters": 2,
        "discarded": 0,
        "batches": 3,
        "failed_batches": 1,
    }
    assert capfd.readouterr().err.count('{"_aws"') == 2, "log lines are kept for who reads standard error"


def test_the_docs_list_every_field() -> None:
    text = (Path(__file__).parents[2] / "docs" / "event-source-mapping.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (batch|total|both) \|", text, re.MULTILINE)
    listed = {(name, kind) for name, of in rows for kind in (("batch", "total") if of == "both" else (of,))}
    kinds = (("batch", Batch), ("total", Total))
    assert listed == {(field.name, kind) for kind, made in kinds for field in dataclasses.fields(made)}
