"""The metrics of a function's log lines add up, as CloudWatch's Sum would."""

import json

from stream_consumer.local.demo.function_metrics import MetricsTally


def emf(**values: object) -> str:
    metrics = [{"Name": name, "Unit": "Count"} for name in values]
    return json.dumps({"_aws": {"CloudWatchMetrics": [{"Metrics": metrics}]}, "service": "demo", **values})


def test_single_values_and_lists_add_up() -> None:
    tally = MetricsTally()
    tally.take(emf(RecordsReceived=3, ModelTime=[1.5, 2.5]))
    tally.take(emf(RecordsReceived=[4]))
    assert tally.sums() == {"RecordsReceived": 7, "ModelTime": 4.0}


def test_other_lines_are_passed_over() -> None:
    tally = MetricsTally()
    tally.take('{"level":"INFO"}')
    tally.take("START RequestId")
    assert tally.sums() == {}
