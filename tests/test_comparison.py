"""Where two models disagree: numbers by a threshold, labels and objects by their values, and what only one predicts."""

from typing import Any

import pytest

from stream_consumer.comparison import Outcome, RunningComparison, Verdicts


def compared(pairs: list[tuple[Any, Any]], threshold: float = 0.0) -> RunningComparison:
    running = RunningComparison(threshold=threshold)
    one, other = ([Outcome(pair[of]) for pair in pairs] for of in (0, 1))
    running.add(one, other, [str(at) for at in range(len(pairs))])
    return running


@pytest.mark.parametrize(
    ("one", "other", "threshold", "disagree"),
    [
        (1.0, 1.5, 0.5, 0),
        (1.0, 1.5, 0.25, 1),
        (1.5, 1.0, 0.25, 1),
        (1, 1.0, 0.0, 0),
        (True, 1, 5.0, 1),
        ("cat", "cat", 0.0, 0),
        ("cat", "dog", 5.0, 1),
        ("cat", 1.0, 5.0, 1),
        ({"cat": 0.25, "dog": 0.75}, {"cat": 0.5, "dog": 0.5}, 0.25, 0),
        ({"cat": 0.25, "dog": 0.75}, {"cat": 0.5, "dog": 0.5}, 0.125, 1),
        ({"cat": 0.25}, {"dog": 0.25}, 1.0, 1),
        ([1.0, "a"], [1.25, "a"], 0.25, 0),
        ([1.0], [1.0, 2.0], 5.0, 1),
    ],
)
def test_two_predictions_disagree_by_more_than_the_threshold_or_by_their_labels(
    one: Any, other: Any, threshold: float, disagree: int
) -> None:
    found = compared([(one, other)], threshold).comparison()
    assert (found.predicted_by_both, found.disagreeing) == (1, disagree)


def test_labels_are_named_and_objects_are_only_scored() -> None:
    """Probabilities differ from record to record: naming each pair would keep as many as there are records."""
    pairs = [("cat", "dog"), ("cat", "dog"), ("cat", "cat"), ({"cat": 0.5}, {"cat": 0.25}), ({"cat": 0.5}, {"cat": 1})]
    found = compared(pairs).comparison()
    assert found.verdicts == [Verdicts('"cat"', '"dog"', 2, "0")]
    assert (found.predicted_by_both, found.disagreeing, found.scored_by_both) == (5, 4, 0)


def test_records_that_only_the_one_predicts_are_counted() -> None:
    running = RunningComparison()
    running.add(
        [Outcome(1.0), Outcome(2.0), Outcome(reason="schema")],
        [Outcome(1.0), Outcome(reason="unscorable"), Outcome(3.0)],
        ["0", "1", "2"],
    )
    found = running.comparison()
    assert (found.records, found.predicted_by_both, found.one_alone) == (3, 1, 1)
