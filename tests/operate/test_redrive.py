"""Redrive: every selected letter goes back, none twice but for a crash, and what went back is marked."""

import contextlib
import itertools
import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from stream_consumer.contract import kpl
from stream_consumer.contract.dead_letter import DeadLetter, encode_dead_letters
from stream_consumer.contract.event_schema import EventSchema
from stream_consumer.contract.kafka_event import records_from_kafka
from stream_consumer.contract.record import InvalidRecord, Reason, Record
from stream_consumer.kinesis.stream_writer import PredictionStream
from stream_consumer.operate.dead_letter_bucket import Selection, StoredDeadLetter, letters
from stream_consumer.operate.jq_edit import Edit
from stream_consumer.operate.preparation import Elsewhere, Order, Preparation, Refused
from stream_consumer.operate.redrive import Marks, NotMarked, Outcome, Redrive, delete_redriven
from stream_consumer.sinks import Entry
from tests.fakes import (
    DENIED,
    HOPELESS_FAULTS,
    REJECTING_ALL,
    RESET_AFTER,
    THROTTLED,
    UNAVAILABLE,
    Effect,
    FakeTime,
    Fault,
    client_error,
    rejecting,
)
from tests.operate.bucket import (
    BUCKET,
    Account,
    ReadableS3,
    dead_letter,
    event_id,
    lay_mappings,
    lay_ours,
    lay_raw,
    older,
)
from tests.rides import ARRIVAL, RIDE_COLUMNS, SHARD, STREAM_ARN, kafka_event, ride_event


class Crash(BaseException):
    """The process ended."""


def _crash(_: str) -> Exception:
    raise Crash


CRASH_BEFORE = Fault("CRASH_BEFORE", _crash)
CRASH_AFTER = Fault("CRASH_AFTER", _crash, Effect.DONE)


class Bench:
    """A bucket with letters, the stream they came from, and redrives of them."""

    def __init__(self) -> None:
        self.time = FakeTime()
        self.s3 = ReadableS3(self.time)
        self.kinesis = Account(self.time)

    @property
    def stream(self) -> list[Entry]:
        return self.kinesis.streams["ride_events"]

    def marks(self) -> Marks:
        return Marks(self.s3.client, BUCKET, retry=self.time.retry(), now=lambda: ARRIVAL)

    def letters(self, selection: Selection | None = None) -> Iterable[StoredDeadLetter]:
        bucket = self.s3.bucket()
        return letters(bucket.documents(bucket.keys()), selection or Selection(), lambda _: None)

    def redrive(
        self, preparation: Preparation | None = None, *, selection: Selection | None = None, rate: float | None = None
    ) -> Outcome:
        retry = self.time.retry()
        run = Redrive(
            preparation or Preparation(),
            lambda name: PredictionStream(self.kinesis.client, name, retry=retry),
            self.marks(),
            rate,
            retry,
        )
        return run.run(self.letters(selection), self.marks().load())

    def marked(self) -> list[str]:
        return [
            json.loads(line)["event"] for key in self.s3.keys("redriven/") for line in self.s3.objects[key].splitlines()
        ]


def test_letters_go_back_in_order_with_their_bytes_and_their_own_key() -> None:
    bench = Bench()
    lay_ours(bench.s3, dead_letter(2, b"\x00two"), dead_letter(3, b""))
    lay_ours(bench.s3, dead_letter(1, b"one", Reason.UNDECODABLE))
    lay_mappings(bench.s3, [(7, b"seven"), (8, b"eight")])
    assert bench.redrive() == Outcome(put=5, records=5)
    assert bench.stream == [
        Entry("key-1", b"one"),
        Entry("key-2", b"\x00two"),
        Entry("key-3", b""),
        Entry("key-7", b"seven"),
        Entry("key-8", b"eight"),
    ]


def test_an_aggregate_goes_back_as_it_was_and_a_sub_record_as_itself() -> None:
    bench = Bench()
    aggregate = kpl.fold([kpl.SubRecord("a", b"1"), kpl.SubRecord("b", b"2")])
    lay_ours(bench.s3, dead_letter(0, b"part", key="users-own", index=".1"))
    lay_mappings(bench.s3, [(1, aggregate)])
    bench.redrive()
    assert bench.stream == [Entry("users-own", b"part"), Entry("key-1", aggregate)]


def test_letters_can_go_on_another_stream() -> None:
    bench = Bench()
    bench.kinesis.create_stream(StreamName="elsewhere")
    lay_ours(bench.s3, dead_letter(0, b"zero"))
    bench.redrive(Preparation("elsewhere"))
    assert bench.kinesis.streams == {"ride_events": [], "elsewhere": [Entry("key-0", b"zero")]}


def test_letters_go_back_by_the_arn_that_they_keep() -> None:
    bench = Bench()
    lay_ours(bench.s3, dead_letter(0, b"zero"))
    bench.redrive()
    assert bench.kinesis.targets == [STREAM_ARN]


def test_an_older_dead_letter_goes_back_by_its_stream_s_name() -> None:
    bench = Bench()
    older(bench.s3, lay_ours(bench.s3, dead_letter(0, b"zero")))
    assert bench.redrive() == Outcome(put=1, records=1)
    assert bench.kinesis.targets == ["ride_events"]


FAN_OUT = f"{STREAM_ARN}/consumer/rides:1700000000"
ABROAD = "arn:aws:kinesis:eu-west-1:123456789012:stream/ride_events"
THEIRS = "arn:aws:kinesis:us-east-1:999999999999:stream/ride_events"
CHINAS = "arn:aws-cn:kinesis:us-east-1:123456789012:stream/ride_events"
TABLES = "arn:aws:dynamodb:us-east-1:123456789012:table/ride_events/stream/2026-11-21T01:02:03.456"
TOPICS = "arn:aws:kafka:us-east-1:123456789012:cluster/rides/ride_events"
FOREIGN = {
    "another region": (ABROAD, f"it came from {ABROAD}, and this is us-east-1: pass --region eu-west-1"),
    "another account": (THEIRS, f"it came from {THEIRS}, and ride_events is {STREAM_ARN} here"),
    "another partition": (CHINAS, f"it came from {CHINAS}, and ride_events is {STREAM_ARN} here"),
    "another kind of stream": (TABLES, f"it came from {TABLES}, which is not a Kinesis stream"),
    "a topic": (TOPICS, f"it came from {TOPICS}, which is not a Kinesis stream"),
    "no ARN": ("ride_events", "it came from ride_events, which is not a Kinesis stream"),
}


@pytest.mark.parametrize(("arn", "why"), FOREIGN.values(), ids=FOREIGN)
def test_nothing_is_put_on_a_stream_of_another_account_region_or_kind(arn: str, why: str) -> None:
    bench = Bench()
    lay_ours(bench.s3, msgspec.structs.replace(dead_letter(0), stream_arn=arn), dead_letter(1, b"one"))
    outcome = bench.redrive(Preparation(elsewhere=Elsewhere(bench.kinesis.client)))
    assert [refused.why for refused in outcome.refused] == [f"{why}; name a stream with --stream"]
    assert bench.stream == [Entry("key-1", b"one")]
    assert bench.marked() == [event_id(1)]


def test_a_letter_from_elsewhere_goes_where_the_operator_says() -> None:
    bench = Bench()
    lay_ours(bench.s3, msgspec.structs.replace(dead_letter(0, b"zero"), stream_arn=THEIRS))
    bench.redrive(Preparation("ride_events", elsewhere=Elsewhere(bench.kinesis.client)))
    assert bench.stream == [Entry("key-0", b"zero")]


def test_a_letter_of_enhanced_fan_out_goes_back_on_the_stream() -> None:
    bench = Bench()
    lay_ours(bench.s3, msgspec.structs.replace(dead_letter(0, b"zero"), stream_arn=FAN_OUT))
    lay_mappings(bench.s3, [(0, b"zero")])
    assert bench.redrive(Preparation(elsewhere=Elsewhere(bench.kinesis.client))) == Outcome(put=1, records=1)
    assert bench.stream == [Entry("key-0", b"zero")]


def test_a_stream_that_may_not_be_asked_for_is_put_on_by_its_arn_which_holds_the_put_to_its_account() -> None:
    bench = Bench()
    bench.kinesis.may_describe = False
    lay_ours(bench.s3, dead_letter(0, b"zero"))
    assert bench.redrive(Preparation(elsewhere=Elsewhere(bench.kinesis.client))).put == 1
    assert bench.kinesis.targets == [STREAM_ARN]


@pytest.mark.parametrize("marked_first", [True, False], ids=["an older mark", "an older dead letter"])
def test_what_was_kept_without_an_arn_is_of_every_stream_of_its_name(*, marked_first: bool) -> None:
    """Of one event both dead letter and on-failure document may be there, and only one of them names the account."""
    bench = Bench()
    key = lay_ours(bench.s3, dead_letter(0, b"zero"))
    document = lay_mappings(bench.s3, [(0, b"zero")])
    older(bench.s3, key)
    if marked_first:
        held = bench.s3.objects.pop(document)
        bench.redrive()
        bench.s3.objects = {document: held} | {key: bench.s3.objects[key] for key in bench.s3.keys("redriven/")}
    else:
        held = bench.s3.objects.pop(key)
        bench.redrive()
        bench.s3.objects[key] = held
    assert bench.redrive() == Outcome(skipped=1)
    assert bench.stream == [Entry("key-0", b"zero")]


def test_the_same_event_id_in_two_accounts_is_two_events() -> None:
    bench = Bench()
    lay_ours(bench.s3, dead_letter(0, b"here"))
    lay_ours(bench.s3, msgspec.structs.replace(dead_letter(0, b"there"), stream_arn=THEIRS))
    assert bench.redrive().put == 2
    assert set(bench.kinesis.targets) == {STREAM_ARN, THEIRS}


def row(data: bytes, number: int = 0) -> DeadLetter:
    """Return a rejected row of a file as batch writes it, with an id that is that of another folder's file, too."""
    return DeadLetter.of(Record(data, f"part-0.parquet:{number}"), InvalidRecord(Reason.SCHEMA, "$", "no ride"))


def test_rows_of_files_of_one_name_in_two_folders_are_two_letters() -> None:
    bench = Bench()
    for folder, data in (("a", b"one"), ("b", b"two"), ("c", b"two")):
        lay_raw(bench.s3, f"dead-letters/{folder}/rejected.ndjson", encode_dead_letters([row(data)]))
    assert [letter.data for letter in bench.letters()] == [b"one", b"two", b"two"]
    assert bench.redrive(Preparation("ride_events")) == Outcome(put=3, records=3)
    assert bench.redrive(Preparation("ride_events")) == Outcome(skipped=3)
    assert delete(bench) == (3, [])


def test_only_the_document_whose_rows_went_back_is_deleted() -> None:
    bench = Bench()
    for folder in "ab":
        lay_raw(bench.s3, f"dead-letters/{folder}/rejected.ndjson", encode_dead_letters([row(folder.encode())]))
    edit = Edit('if . == "a" then . else error end')
    bench.s3.objects["dead-letters/a/rejected.ndjson"] = encode_dead_letters([row(b'"a"')])
    bench.s3.objects["dead-letters/b/rejected.ndjson"] = encode_dead_letters([row(b'"b"')])
    assert bench.redrive(Preparation("ride_events", edit=edit)).put == 1
    assert delete(bench) == (1, [])
    assert bench.s3.keys("dead-letters/") == ["dead-letters/b/rejected.ndjson"]


def test_a_row_of_the_next_run_under_the_same_id_is_another_row() -> None:
    """A batch job writes over the rejected rows of the last; the mark of those is none of these."""
    bench = Bench()
    key = lay_raw(bench.s3, "dead-letters/a/rejected.ndjson", encode_dead_letters([row(b"january")]))
    bench.redrive(Preparation("ride_events"))
    lay_raw(bench.s3, key, encode_dead_letters([row(b"february")]))
    assert delete(bench) == (0, [])
    assert bench.redrive(Preparation("ride_events")).put == 1


COPIES: dict[str, list[DeadLetter]] = {
    "identical rows": [row(b"one")] * 3,
    "rows of one id": [row(b"one"), row(b"two"), row(b"one")],
    "records of direct invocations": [
        DeadLetter.of(Record(b"same"), InvalidRecord(Reason.SCHEMA, "$", "no ride"))
    ] * 3,
    "records of one event id": [dead_letter(0, b"one"), dead_letter(0, b"two"), dead_letter(0, b"one")],
}  # fmt: skip


@pytest.mark.parametrize("copies", COPIES.values(), ids=COPIES)
def test_letters_that_are_alike_in_one_document_each_go_back(copies: list[DeadLetter]) -> None:
    """Each was a row or record of its own; the same document under another key brings none of a stream's again."""
    bench = Bench()
    lay_raw(bench.s3, "dead-letters/a/rejected.ndjson", encode_dead_letters(copies))
    assert [letter.data for letter in bench.letters()] == [letter.data for letter in copies]
    assert bench.redrive(Preparation("ride_events")) == Outcome(put=3, records=3)
    assert [entry.data for entry in bench.stream] == [letter.data for letter in copies]
    assert bench.redrive(Preparation("ride_events")) == Outcome(skipped=3)
    assert delete(bench) == (1, [])


def test_a_document_stays_while_one_of_its_copies_was_not_put_back() -> None:
    bench = Bench()
    lay_raw(bench.s3, "dead-letters/a/rejected.ndjson", encode_dead_letters([row(b"one")] * 2))
    first = next(iter(bench.letters()))
    bench.marks().add([Order(first, "ride_events", ())])
    assert delete(bench) == (0, [])
    assert bench.redrive(Preparation("ride_events")) == Outcome(put=1, records=1, skipped=1)
    assert delete(bench) == (1, [])


def test_a_redelivery_of_copies_is_not_put_back_again() -> None:
    bench = Bench()
    for key in "ab":
        lay_raw(bench.s3, f"dead-letters/{key}.jsonl", encode_dead_letters([dead_letter(0)] * 2))
    assert bench.redrive() == Outcome(put=2, records=2)
    assert delete(bench) == (2, [])


BOTH = b'{"ride_id":1}\n{"ride_id":2}\n'
SEVERAL = {
    "JSON values line by line": (".", BOTH),
    "an array": (".[]", b'[{"ride_id":1},{"ride_id":2}]'),
}


@pytest.mark.parametrize(("program", "data"), SEVERAL.values(), ids=SEVERAL)
def test_each_value_of_an_edit_is_a_record_with_the_letter_s_key(program: str, data: bytes) -> None:
    bench = Bench()
    lay_ours(bench.s3, dead_letter(0, data))
    assert bench.redrive(Preparation(edit=Edit(program))) == Outcome(put=1, records=2)
    assert bench.stream == [Entry("key-0", b'{"ride_id":1}'), Entry("key-0", b'{"ride_id":2}')]
    assert bench.marked() == [event_id(0)]


def test_a_letter_is_marked_only_when_all_of_its_records_were_taken() -> None:
    bench = Bench()
    lay_ours(bench.s3, dead_letter(0, BOTH), dead_letter(1, b"{}"))
    bench.kinesis.script(rejecting(1), *[REJECTING_ALL] * 1_000)
    outcome = bench.redrive(Preparation(edit=Edit(".")))
    assert (outcome.put, outcome.records, len(outcome.unput)) == (1, 2, 1)
    assert bench.marked() == [event_id(1)]


def test_letters_of_several_streams_each_go_back_on_their_own() -> None:
    bench = Bench()
    bench.kinesis.create_stream(StreamName="other_events")
    key = lay_ours(bench.s3, dead_letter(0, b"zero"))
    body = bench.s3.objects[key].replace(b"ride_events", b"other_events")
    lay_raw(bench.s3, key.replace("ride_events", "other_events"), body)
    assert bench.redrive().put == 2
    assert bench.kinesis.streams == {
        "ride_events": [Entry("key-0", b"zero")],
        "other_events": [Entry("key-0", b"zero")],
    }


def kafka_letter(**changes: Any) -> DeadLetter:
    """Return a dead letter of a topic that is called as the stream is."""
    [record] = records_from_kafka(kafka_event({0: [b"of a topic"]}))
    letter = DeadLetter.of(record, InvalidRecord(Reason.SCHEMA, "$.ride", "no"))
    return msgspec.structs.replace(letter, **changes)


@pytest.mark.parametrize("letter", [kafka_letter(), kafka_letter(stream_arn=None), kafka_letter(kafka=None)])
def test_a_letter_of_a_kafka_topic_never_goes_on_the_stream_of_its_name(letter: DeadLetter) -> None:
    """Whichever of the two things that say so is left of it: what says Kafka, or an ARN that is no stream's."""
    bench = Bench()
    lay_ours(bench.s3, letter, dead_letter(1, b"of the stream"))
    outcome = bench.redrive(Preparation(elsewhere=Elsewhere(bench.kinesis.client)))
    assert bench.stream == [Entry("key-1", b"of the stream")]
    [refused] = outcome.refused
    assert refused.why.endswith("name a stream with --stream")


def test_a_letter_of_a_kafka_topic_goes_on_a_stream_that_the_operator_names() -> None:
    bench = Bench()
    lay_ours(bench.s3, kafka_letter())
    bench.redrive(Preparation(stream="ride_events"))
    assert bench.stream == [Entry("key-0", b"of a topic")]


def test_what_was_put_is_marked_with_where_it_was_and_where_it_went() -> None:
    bench = Bench()
    document = lay_ours(bench.s3, dead_letter(0))
    bench.redrive()
    [key] = bench.s3.keys("redriven/")
    assert key.startswith("redriven/2026-11-21T01:02:03.456Z-")
    assert json.loads(bench.s3.objects[key]) == {
        "stream": "ride_events",
        "event": event_id(0),
        "document": document,
        "put_on": STREAM_ARN,
        "at": "2026-11-21T01:02:03.456Z",
        "stream_arn": STREAM_ARN,
    }


def test_a_second_run_passes_over_what_is_marked() -> None:
    bench = Bench()
    lay_ours(bench.s3, dead_letter(0, b"zero"))
    bench.redrive()
    lay_ours(bench.s3, dead_letter(5, b"five"))
    assert bench.redrive() == Outcome(put=1, records=1, skipped=1)
    assert bench.stream == [Entry("key-0", b"zero"), Entry("key-5", b"five")]


def test_the_mark_of_an_event_holds_for_every_document_that_holds_it() -> None:
    """Even after the document that it was put back from was deleted."""
    bench = Bench()
    first = lay_ours(bench.s3, dead_letter(0), dead_letter(1))
    bench.redrive()
    del bench.s3.objects[first]
    lay_ours(bench.s3, dead_letter(1), dead_letter(2))
    lay_mappings(bench.s3, [(0, b"")])
    assert bench.redrive() == Outcome(put=1, records=1, skipped=2)


def test_the_same_event_id_on_another_stream_is_another_event() -> None:
    bench = Bench()
    key = lay_ours(bench.s3, dead_letter(0))
    bench.redrive()
    bench.s3.objects[key] = bench.s3.objects[key].replace(b"ride_events", b"other_events")
    bench.kinesis.create_stream(StreamName="other_events")
    assert bench.redrive() == Outcome(put=1, records=1)


def test_only_the_selected_go_back() -> None:
    bench = Bench()
    lay_ours(bench.s3, dead_letter(0, b"zero"), dead_letter(1, b"one", Reason.BOUNDS))
    assert bench.redrive(selection=Selection(reasons=frozenset({"bounds"}))) == Outcome(put=1, records=1)
    assert bench.redrive() == Outcome(put=1, records=1, skipped=1)
    assert bench.stream == [Entry("key-1", b"one"), Entry("key-0", b"zero")]


def test_an_edit_mends_what_it_can_and_the_others_are_named() -> None:
    bench = Bench()
    lay_ours(bench.s3, dead_letter(0, ride_event(0, distance="3.66")), dead_letter(1, b"\xff"), dead_letter(2, b"{}"))
    outcome = bench.redrive(Preparation(edit=Edit(".ride.trip_distance |= tonumber")))
    assert bench.stream == [
        Entry("key-0", b'{"ride":{"PULocationID":130,"DOLocationID":205,"trip_distance":3.66},"ride_id":0}')
    ]
    assert [(refused.letter.event_id, refused.why.partition(";")[0]) for refused in outcome.refused] == [
        (event_id(1), "the data is not UTF-8 text, so jq cannot edit it"),
        (event_id(2), "jq: null (null) cannot be parsed as a number"),
    ]
    assert bench.marked() == [event_id(0)]


CHECKED = {
    "valid": (ride_event(1), None),
    "still mistyped": (
        ride_event(1, distance="3.66"),
        "still schema at $.ride.trip_distance: Expected `float`, got `str`",
    ),
    "out of bounds": (ride_event(1, pickup=0), "still bounds at $.ride.PULocationID: Expected `int` >= 1"),
    "an aggregate of valid ones": (kpl.fold([kpl.SubRecord("a", ride_event(1))]), None),
    "an aggregate with an invalid one": (
        kpl.fold([kpl.SubRecord("a", ride_event(1)), kpl.SubRecord("a", ride_event(1, pickup=0))]),
        "still bounds at $.ride.PULocationID: Expected `int` >= 1",
    ),
    "a corrupt aggregate": (
        kpl.MAGIC + b"x",
        "still undecodable at $: KPL aggregate whose MD5 digest does not match its content",
    ),
}


@pytest.mark.parametrize(("data", "why"), CHECKED.values(), ids=CHECKED)
def test_what_is_checked_goes_back_only_if_it_is_valid_now(data: bytes, why: str | None) -> None:
    bench = Bench()
    lay_ours(bench.s3, dead_letter(0, data))
    outcome = bench.redrive(Preparation(schema=EventSchema(RIDE_COLUMNS)))
    assert [refused.why for refused in outcome.refused] == ([why] if why else [])
    assert len(bench.stream) == outcome.put == (0 if why else 1)


LETTER = StoredDeadLetter("d", "e", "schema", "$", "", "ride_events", SHARD, "1", "k", None, b"data")


@pytest.mark.parametrize(
    ("known", "why"),
    [
        ({"stream": None}, "it came by a direct invocation, so its stream is unknown: name a stream with --stream"),
        ({"partition_key": ""}, "its partition key has 0 characters; Kinesis takes 1 to 256"),
        ({"partition_key": "x" * 257}, "its partition key has 257 characters; Kinesis takes 1 to 256"),
        ({"data": bytes(2**20)}, "it has 1,048,577 bytes with its key; Kinesis takes at most 1,048,576"),
    ],
)
def test_what_kinesis_would_refuse_is_refused_before_it_fails_its_request(known: dict[str, Any], why: str) -> None:
    letter = msgspec.structs.replace(LETTER, **known)
    assert Preparation()(letter) == Refused(letter, why)


def test_a_record_that_never_had_a_key_gets_one_of_its_content() -> None:
    order = Preparation("ride_events")(msgspec.structs.replace(LETTER, stream=None, partition_key=None))
    assert not isinstance(order, Refused)
    [entry] = order.entries
    assert entry.partition_key == "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7"


def lay_many(bench: Bench, count: int, per_document: int = 100) -> list[str]:
    """Lay *count* letters; their event ids in order."""
    for first in range(0, count, per_document):
        lay_ours(
            bench.s3, *(dead_letter(at, str(at).encode()) for at in range(first, min(first + per_document, count)))
        )
    return [event_id(at) for at in range(count)]


def test_chunks_are_as_large_as_a_request_whatever_the_documents() -> None:
    bench = Bench()
    ids = lay_many(bench, 1_200)
    bench.redrive()
    assert [len(request.entries) for request in bench.kinesis.requests] == [500, 500, 200]
    assert len(bench.s3.keys("redriven/")) == 3
    assert sorted(bench.marked()) == sorted(ids)


def test_large_letters_make_smaller_chunks() -> None:
    bench = Bench()
    lay_ours(bench.s3, *(dead_letter(at, bytes(900_000)) for at in range(12)))
    bench.redrive()
    assert [len(request.entries) for request in bench.kinesis.requests] == [5, 5, 2]


@pytest.mark.parametrize(
    ("rate", "count", "sizes", "at"),
    [
        (2.0, 6, [2, 2, 2], [0.0, 1.0, 2.0]),
        (0.5, 3, [1, 1, 1], [0.0, 2.0, 4.0]),
        (1_000.0, 1_100, [500, 500, 100], [0.0, 0.5, 1.0]),
    ],
)
def test_a_rate_is_kept(rate: float, count: int, sizes: list[int], at: list[float]) -> None:
    bench = Bench()
    lay_many(bench, count)
    bench.redrive(rate=rate)
    assert [len(request.entries) for request in bench.kinesis.requests] == sizes
    assert [request.at - bench.kinesis.requests[0].at for request in bench.kinesis.requests] == at


@pytest.mark.parametrize("fault", [THROTTLED, RESET_AFTER, UNAVAILABLE, rejecting(0, 2)], ids=lambda fault: fault.name)
def test_what_another_try_mends_goes_back_all_the_same(fault: Fault) -> None:
    bench = Bench()
    lay_many(bench, 3)
    bench.kinesis.script(fault)
    assert bench.redrive() == Outcome(put=3, records=3)
    assert {entry.data for entry in bench.stream} == {b"0", b"1", b"2"}


def test_what_a_stream_does_not_take_for_a_minute_is_named_and_its_other_letters_are_not_tried() -> None:
    """Those of the chunk that it took are marked, so the next run puts the rest."""
    bench = Bench()
    lay_many(bench, 700)
    bench.kinesis.script(*[rejecting(1), *[REJECTING_ALL] * 100])
    outcome = bench.redrive()
    assert outcome.put == 499
    assert [(refused.letter.event_id, refused.why) for refused in outcome.unput] == [
        (event_id(1), "ProvisionedThroughputExceededException")
    ]
    assert outcome.untried == 200
    bench.kinesis.script(*[None] * 100)
    assert bench.redrive() == Outcome(put=201, records=201, skipped=499)
    assert Counter(entry.data for entry in bench.stream) == Counter(str(at).encode() for at in range(700))


def test_a_stream_that_may_not_be_written_takes_nothing_and_marks_nothing() -> None:
    """A few tries tell it, not one for each letter."""
    bench = Bench()
    lay_many(bench, 1_200)
    bench.kinesis.script(*[DENIED] * 1_200)
    outcome = bench.redrive()
    assert (outcome.put, len(outcome.unput) + outcome.untried) == (0, 1_200)
    assert len(bench.kinesis.requests) == 32
    assert bench.s3.keys("redriven/") == []


class Picky(Account):
    """Refuses a whole request for one entry in it, as Kinesis does for a key that it counts otherwise than we do."""

    def put_records(self, **request: Any) -> dict[str, Any]:
        if any(record["Data"] == b"poison" for record in request["Records"]):
            raise client_error("InvalidArgumentException", 400)("PutRecords")
        return super().put_records(**request)


@pytest.mark.parametrize("poison", [(0,), (299,), (150, 151), (0, 299), (7, 100, 101, 200)])
def test_a_letter_that_the_stream_refuses_does_not_keep_the_others_from_going_back(poison: tuple[int, ...]) -> None:
    bench = Bench()
    bench.kinesis = Picky(bench.time)
    lay_ours(bench.s3, *(dead_letter(at, b"poison" if at in poison else b"%d" % at) for at in range(300)))
    outcome = bench.redrive()
    assert [refused.letter.event_id for refused in outcome.unput] == [event_id(at) for at in poison]
    assert [entry.data for entry in bench.stream] == [b"%d" % at for at in range(300) if at not in poison]
    assert sorted(bench.marked()) == [event_id(at) for at in range(300) if at not in poison]


def test_a_stream_that_is_gone_does_not_keep_the_letters_of_others_from_going_back() -> None:
    bench = Bench()
    key = lay_ours(bench.s3, dead_letter(0))
    lay_raw(bench.s3, key.replace("ride_events", "a_stream_gone"), bench.s3.objects[key].replace(b"ride_", b"gone_"))
    outcome = bench.redrive()
    assert [(refused.letter.stream, outcome.put) for refused in outcome.unput] == [("gone_events", 1)]
    assert len(bench.stream) == 1


@pytest.mark.parametrize("fault", [THROTTLED, UNAVAILABLE, RESET_AFTER], ids=lambda fault: fault.name)
def test_a_mark_is_tried_again(fault: Fault) -> None:
    bench = Bench()
    lay_many(bench, 3)
    bench.s3.script(fault, fault)
    assert bench.redrive() == Outcome(put=3, records=3)
    assert bench.marked() == [event_id(0), event_id(1), event_id(2)]


@pytest.mark.parametrize("fault", HOPELESS_FAULTS, ids=lambda fault: fault.name)
def test_a_mark_that_cannot_be_written_says_what_the_next_run_will_put_again(fault: Fault) -> None:
    bench = Bench()
    lay_many(bench, 3)
    bench.s3.script(*[fault] * 1_000)
    said = (
        f"3 dead letters were put on {STREAM_ARN}, from {event_id(0)} to {event_id(2)}, but "
        r"s3://dead-letters-bucket/redriven/.* could not be written, so the next run will put them again: "
    )
    with pytest.raises(NotMarked, match=said):
        bench.redrive()


def test_marks_that_cannot_be_read_stop_the_run_before_it_puts_anything() -> None:
    bench = Bench()
    lay_many(bench, 3)
    lay_raw(bench.s3, "redriven/notes.txt", b"mine")
    with pytest.raises(
        NotMarked, match=r"redriven/notes.txt is not a list of redriven dead letters: JSON is malformed.*move it"
    ):
        bench.redrive()
    assert bench.stream == []


CRASHES = {
    f"{fault.name} of the {call}. {service}": (service, call, fault)
    for service, call, fault in itertools.product(("put", "mark"), (1, 2, 3), (CRASH_BEFORE, CRASH_AFTER))
}


@pytest.mark.parametrize(("service", "call", "fault"), CRASHES.values(), ids=CRASHES)
def test_a_crash_anywhere_loses_nothing_and_repeats_at_most_a_chunk(service: str, call: int, fault: Fault) -> None:
    bench = Bench()
    lay_many(bench, 1_200)
    (bench.kinesis if service == "put" else bench.s3).script(*[None] * (call - 1), fault)
    with pytest.raises(Crash):
        bench.redrive()
    bench.redrive()
    times_put = Counter(entry.data for entry in bench.stream)
    assert set(times_put) == {str(at).encode() for at in range(1_200)}
    again = times_put.total() - len(times_put)
    # Only a put that was carried out and not marked comes again.
    repeats = (service, fault) in {("put", CRASH_AFTER), ("mark", CRASH_BEFORE)}
    assert again == ({1: 500, 2: 500, 3: 200}[call] if repeats else 0)


@given(
    count=st.integers(1, 40),
    per_document=st.integers(1, 7),
    faults=st.lists(
        st.tuples(
            st.sampled_from(["put", "mark"]),
            st.sampled_from([CRASH_BEFORE, CRASH_AFTER, DENIED, RESET_AFTER, THROTTLED, rejecting(0), REJECTING_ALL]),
        ),
        max_size=6,
    ),
)
def test_runs_that_fail_in_any_way_put_back_all_in_the_end(
    count: int, per_document: int, faults: list[tuple[str, Fault]]
) -> None:
    """Whatever happened in the runs before, one that meets no fault leaves every letter on the stream and marked."""
    bench = Bench()
    ids = lay_many(bench, count, per_document)
    for service, fault in faults:
        (bench.kinesis if service == "put" else bench.s3).script(fault)
        with contextlib.suppress(Crash, NotMarked):
            bench.redrive(rate=5)
    bench.kinesis.script(*[None] * 100)
    bench.s3.script(*[None] * 100)
    bench.redrive()
    assert {entry.data for entry in bench.stream} == {str(at).encode() for at in range(count)}
    assert set(bench.marked()) == set(ids)
    assert bench.redrive() == Outcome(skipped=count)


def delete(bench: Bench) -> tuple[int, list[str]]:
    bucket = bench.s3.bucket()
    return delete_redriven(bucket, bucket.documents(bucket.keys()), bench.marks().load())


def test_a_document_is_deleted_when_every_letter_of_it_was_put_back_and_marked() -> None:
    bench = Bench()
    lay_ours(bench.s3, dead_letter(0), dead_letter(1))
    lay_mappings(bench.s3, [(2, b"")])
    half = lay_ours(bench.s3, dead_letter(3), dead_letter(4, reason=Reason.BOUNDS))
    foreign = lay_raw(bench.s3, "dead-letters/notes.txt", b"mine")
    bench.redrive(selection=Selection(reasons=frozenset({"schema", "RetryAttemptsExhausted"})))
    assert delete(bench) == (2, [])
    assert bench.s3.keys("aws/") + bench.s3.keys("dead-letters/") == sorted([half, foreign])
    assert len(bench.marked()) == 4


def test_a_document_that_has_changed_since_it_was_read_is_kept() -> None:
    """The function never writes other letters under the same key, but somebody else may."""
    bench = Bench()
    key = lay_ours(bench.s3, dead_letter(0))
    bench.redrive()
    bucket = bench.s3.bucket()
    documents = list(bucket.documents(bucket.keys()))
    lay_raw(bench.s3, key, encode_dead_letters([dead_letter(0), dead_letter(1)]))
    assert delete_redriven(bucket, documents, bench.marks().load()) == (0, [key])
    assert bench.redrive() == Outcome(put=1, records=1, skipped=1)
    assert delete(bench) == (1, [])


def test_a_document_that_may_not_be_deleted_is_an_error() -> None:
    bench = Bench()
    key = lay_ours(bench.s3, dead_letter(0))
    bench.redrive()
    bucket = bench.s3.bucket()
    [document] = bucket.documents([key])
    bench.s3.unreadable[key] = client_error("AccessDenied", 403)("DeleteObject")
    with pytest.raises(ClientError, match="AccessDenied"):
        delete_redriven(bucket, [document], bench.marks().load())
    assert key in bench.s3.objects
