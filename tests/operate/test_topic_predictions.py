"""The predictions of a topic: the first of each event, and a checkpoint behind which the next reader goes on."""

import itertools
import json

import pytest

from stream_consumer.contract.envelope import Envelope
from stream_consumer.errors import UsageError
from stream_consumer.kafka.topic_reader import TopicReader
from stream_consumer.operate.topic_predictions import TopicPredictionReader
from tests.kafka.fake_log import FakeLog
from tests.kafka.fakes import CONNECTION


def prediction(event_id: str, ride_id: int = 1) -> bytes:
    predicted = {"ride_duration": 9.5, "ride_id": ride_id}
    return json.dumps({"model": "m", "version": "1", "prediction": predicted, "event_id": event_id}).encode()


def reader(log: FakeLog, **how: object) -> TopicPredictionReader:
    topic = TopicReader(CONNECTION, "rides", connect=log.connect)
    return TopicPredictionReader(topic, follow=False, **how)  # type: ignore[arg-type]


def test_the_first_of_each_event_comes_and_what_is_no_prediction_does_not() -> None:
    log = FakeLog()
    log.put(0, prediction("e-1", 1), prediction("e-2", 2), prediction("e-1", 1), b"no", None)
    found = reader(log)
    received = list(found)
    assert [(one.prediction.id, one.shard_id, one.sequence_number) for one in received] == [
        (1, "rides-0", "0"),
        (2, "rides-0", "1"),
    ]
    assert received[0].arrival.isoformat() == "2023-11-14T22:13:20+00:00"
    assert (found.duplicates, found.foreign) == (1, 2)


def test_the_next_reader_goes_on_behind_the_checkpoint_and_knows_its_duplicates() -> None:
    log = FakeLog()
    log.put(0, prediction("e-1"), prediction("e-2"), prediction("e-3"))
    first = reader(log)
    list(itertools.islice(first, 2))
    assert first.checkpoint() == {
        "shards": {"rides-0": "0", "rides-1": "-1"},
        "event_ids": ["e-1", "e-2"],
        "stream_arn": "kafka://localhost:9092/rides",
    }, "the caller still works on the second"
    log.put(0, prediction("e-1"))
    second = reader(log, checkpoint=first.checkpoint())
    assert [one.prediction.event_id for one in second] == ["e-3"]
    assert second.duplicates == 2


@pytest.mark.parametrize("follow", [False, True])
def test_a_checkpoint_from_before_the_topic_was_made_again_is_refused(follow: bool) -> None:  # noqa: FBT001
    """Otherwise everything up to the old offset would be left out without a word."""
    log = FakeLog()
    log.put(0, prediction("e-1"))
    kept = {"shards": {"rides-0": "7"}, "event_ids": [], "stream_arn": "kafka://localhost:9092/rides"}
    topic = TopicReader(CONNECTION, "rides", connect=log.connect)
    with pytest.raises(UsageError, match="offset 7 of rides-0, which ends at 1: the topic was deleted and made again"):
        next(iter(TopicPredictionReader(topic, follow=follow, checkpoint=kept)), None)


def test_records_come_whatever_they_are() -> None:
    log = FakeLog()
    log.put(0, b"no", None, prediction("e-1"))
    assert [record.data for record in reader(log).records()] == [b"no", b"", prediction("e-1")]


def test_the_names_of_the_envelope_are_heeded() -> None:
    log = FakeLog()
    log.put(0, b'{"model":"m","version":"1","prediction":{"churned":true,"customer":"c-1"},"event_id":"e-1"}')
    [received] = reader(log, envelope=Envelope(id="customer", prediction="churned"))
    assert (received.prediction.id, received.prediction.value) == ("c-1", True)


def test_the_caller_has_a_turn_after_each_read() -> None:
    log = FakeLog(page=1)
    log.put(0, prediction("e-1"), prediction("e-2"))
    turns: list[None] = []
    list(reader(log, turn=lambda: turns.append(None)))
    assert len(turns) == 2
