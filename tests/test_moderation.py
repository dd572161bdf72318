"""The example of content moderation: two classifiers on one stream, and what they say merged by event id."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.moderation.comments import PUT, TRAINING
from examples.moderation.merging import Merged, merged
from stream_consumer.contract.envelope import Envelope, predicted_type
from stream_consumer.contract.prediction import Prediction
from stream_consumer.reader import Received


def received(event: str, value: Any) -> Received:
    predicted = predicted_type(Envelope())(value, f"id of {event}")
    return Received(Prediction("m", "1", predicted, event), "shard", "1", datetime(2026, 11, 27, tzinfo=UTC))


def test_an_event_is_whole_when_each_consumer_has_predicted_it() -> None:
    tones = [received("a", 0.1), received("b", 0.2), received("c", 0.3)]
    topics = [received("c", "talk"), received("a", "advert")]
    assert list(merged({"tone": tones, "topic": topics})) == [
        Merged("a", "id of a", {"tone": 0.1, "topic": "advert"}),
        Merged("c", "id of c", {"tone": 0.3, "topic": "talk"}),
    ]


@given(st.lists(st.sets(st.sampled_from("abcdefgh")), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_what_every_consumer_has_predicted_comes_once_in_whatever_order(predicted: list[set[str]], dice: Any) -> None:
    orders = [dice.sample(sorted(events), len(events)) for events in predicted]
    streams = {str(at): [received(event, (at, event)) for event in order] for at, order in enumerate(orders)}
    found = list(merged(streams))
    assert sorted(one.event_id for one in found) == sorted(set.intersection(*predicted))
    assert all(one.values == {name: (int(name), one.event_id) for name in streams} for one in found)


@pytest.mark.process
def test_two_consumers_of_one_stream_moderate_comments() -> None:
    """The models have not seen the comments, and Lambda's runtime runs a function for each."""
    from examples.moderation.run import moderate  # noqa: PLC0415 (seconds: only this test)

    assert {comment.text for comment in PUT}.isdisjoint(comment.text for comment in TRAINING)
    found = moderate([comment.text for comment in PUT])
    assert [one.id for one in found] == list(range(len(PUT)))
    assert [one.values["topic"] for one in found] == [comment.topic for comment in PUT]
    for one, comment in zip(found, PUT, strict=True):
        probabilities = one.values["tone"]
        assert set(probabilities) == {"kind", "rude"}
        assert sum(probabilities.values()) == pytest.approx(1.0)
        assert max(probabilities, key=probabilities.get) == comment.tone
