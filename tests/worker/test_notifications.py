"""What a message of the queue says."""

import json
from typing import Any

import pytest

from stream_consumer.worker.notifications import NewObject, Unintelligible, new_objects

ENTITY = {"s3SchemaVersion": "1.0", "bucket": {"name": "rides", "arn": "arn:aws:s3:::rides"}}


def record(key: str, name: str = "ObjectCreated:Put", **more: str) -> dict[str, Any]:
    return {"eventVersion": "2.1", "eventName": name, "s3": ENTITY | {"object": {"key": key, "size": 1, **more}}}


def body(*records: dict[str, Any]) -> str:
    return json.dumps({"Records": records})


def test_keys_are_decoded() -> None:
    """S3 encodes them as a form does: a space is a plus."""
    assert new_objects(body(record("in/a+b%2Bc%20%C3%A9.parquet"))) == [NewObject("rides", "in/a b+c é.parquet")]


def test_a_message_may_have_several_objects() -> None:
    both = body(record("a.csv"), record("b.csv", "ObjectCreated:CompleteMultipartUpload", versionId="3/L4"))
    assert [new.url for new in new_objects(both)] == ["s3://rides/a.csv", "s3://rides/b.csv"]


def test_a_topic_in_between_makes_no_difference() -> None:
    enveloped = json.dumps({"Type": "Notification", "MessageId": "1", "Message": body(record("a+b.csv"))})
    assert new_objects(enveloped) == [NewObject("rides", "a b.csv")]


def test_event_bridges_form_is_understood() -> None:
    """Its keys are not encoded."""
    detail = {"version": "0", "bucket": {"name": "rides"}, "object": {"key": "a+b.csv"}, "reason": "PutObject"}
    event = {"version": "0", "detail-type": "Object Created", "source": "aws.s3", "detail": detail}
    assert new_objects(json.dumps(event)) == [NewObject("rides", "a+b.csv")]
    assert new_objects(json.dumps(event | {"detail-type": "Object Deleted"})) == []


@pytest.mark.parametrize(
    "nothing",
    [
        pytest.param(json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "rides"}), id="test event"),
        pytest.param(body(record("in/")), id="a console's folder"),
        pytest.param(body(record("a.csv", "ObjectRemoved:Delete")), id="a removal"),
        pytest.param(body(), id="no records"),
    ],
)
def test_what_asks_for_nothing_has_no_objects(nothing: str) -> None:
    assert new_objects(nothing) == []


@pytest.mark.parametrize(
    "wrong", ["", "hello", "[]", "{}", '{"Records": [{}]}', '{"Event": "s3:Other"}', '{"Message": "hello"}']
)
def test_anything_else_is_unintelligible(wrong: str) -> None:
    with pytest.raises(Unintelligible, match="not a notification of S3"):
        new_objects(wrong)


@pytest.mark.parametrize(
    "body", ['{"other": ' + "[" * 100_000, '{"Records": ' + '{"a":' * 2_000 + "1" + "}" * 2_001, "\udce9", "9" * 10_000]
)
def test_json_that_no_parser_takes_is_unintelligible(body: str) -> None:
    """Not the end of the worker, and of every worker after it."""
    with pytest.raises(Unintelligible, match="not a notification of S3"):
        new_objects(body)


def test_envelopes_in_envelopes_are_unintelligible() -> None:
    body = '{"Event": "s3:TestEvent"}'
    for _ in range(10):
        body = json.dumps({"Message": body})
    with pytest.raises(Unintelligible):
        new_objects(body)
