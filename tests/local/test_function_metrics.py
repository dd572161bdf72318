"""The metrics of a function's log lines: their sums, averages and maxima, as CloudWatch has them."""

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


def test_averages_and_maxima_are_over_the_values() -> None:
    tally = MetricsTally()
    tally.take(emf(ChallengerDifferenceMean=-3, ModelTime=[1.0, 3.0]))
    tally.take(emf(ChallengerDifferenceMean=[-1]))
    assert tally.averages() == {"ChallengerDifferenceMean": -2.0, "ModelTime": 2.0}
    assert tally.maxima() == {"ChallengerDifferenceMean": -1, "ModelTime": 3.0}


def test_other_lines_are_passed_over() -> None:
    tally = MetricsTally()
    tally.take('{"level":"INFO"}')
    tally.take("START RequestId")
    assert tally.sums() == {}
