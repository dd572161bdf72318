"""``dead-letters list|show|redrive`` as an operator types them."""

import contextlib
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from typer.testing import CliRunner

from stream_consumer.aws.clients import Clients
from stream_consumer.cli import options
from stream_consumer.cli.app import app
from stream_consumer.cli.signals import finishing
from stream_consumer.contract.record import Reason
from tests.cli.conftest import Command, Ran
from tests.cli.model import linear_model
from tests.cli.terminal import Tty
from tests.operate.bucket import MAPPINGS, OURS, Account, ReadableS3, dead_letter, event_id, lay_mappings, lay_ours
from tests.rides import SHARD, STREAM_ARN, ride_event, sequence_number

if TYPE_CHECKING:
    from types_boto3_kinesis.type_defs import RecordTypeDef

FIX = ".ride.trip_distance |= tonumber"
MENDED = b'{"ride":{"PULocationID":130,"DOLocationID":205,"trip_distance":3.66},"ride_id":0}'


@pytest.fixture
def laid(mocked_aws: Clients) -> Clients:
    """Four letters: three of ours, of which one is not JSON, and one that the mapping gave up on."""
    s3 = ReadableS3()
    lay_ours(
        s3,
        dead_letter(0),
        dead_letter(1, b"\xffpoison", Reason.UNDECODABLE),
        dead_letter(2, ride_event(2, pickup=0), Reason.BOUNDS),
    )
    mappings = lay_mappings(s3, [(3, ride_event(3))])
    s3.objects[f"{MAPPINGS}x"] = s3.objects.pop(mappings)
    for key, body in s3.objects.items():
        mocked_aws.s3.put_object(Bucket="ride-failures", Key=key, Body=body)
    return mocked_aws


def foreign(aws: Clients) -> None:
    aws.s3.put_object(Bucket="ride-failures", Key="dead-letters/notes\x1b.txt", Body=b"SECRET")


def keys(aws: Clients) -> list[str]:
    return [item["Key"] for item in aws.s3.list_objects_v2(Bucket="ride-failures").get("Contents", ())]


def records(aws: Clients, stream: str = "ride_events") -> "list[RecordTypeDef]":
    iterator = aws.kinesis.get_shard_iterator(
        StreamName=stream, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    return aws.kinesis.get_records(ShardIterator=iterator)["Records"]


ROWS = f"""\
2026-11-21T01:02:03.456Z          schema                  $.ride.trip_distance   {event_id(0)}
2026-11-21T01:02:04.456Z          undecodable             $.ride.trip_distance   {event_id(1)}
2026-11-21T01:02:05.456Z          bounds                  $.ride.trip_distance   {event_id(2)}
2026-11-21T01:02:06.456Z          RetryAttemptsExhausted  -                      {event_id(3)}
""".splitlines(keepends=True)


@pytest.mark.parametrize(
    ("filters", "rows", "totals"),
    [
        ((), [0, 1, 2, 3], "4 in all, 0 redriven, 1 schema, 1 undecodable, 1 bounds, 1 RetryAttemptsExhausted\n"),
        (("--reason", "schema", "--reason", "bounds"), [0, 2], "2 in all, 0 redriven, 1 schema, 1 bounds\n"),
        (("--since", "2026-11-21T01:02:05"), [2, 3], "2 in all, 0 redriven, 1 bounds, 1 RetryAttemptsExhausted\n"),
        (("--until", "2026-11-21T02:02:04+01:00"), [0], "1 in all, 0 redriven, 1 schema\n"),
        (
            ("--shard", SHARD, "--reason", "RetryAttemptsExhausted"),
            [3],
            "1 in all, 0 redriven, 1 RetryAttemptsExhausted\n",
        ),
        (("--shard", "shardId-000000000001"), [], "0 in all, 0 redriven\n"),
    ],
)
@pytest.mark.usefixtures("laid")
def test_list_shows_both_kinds_of_letter(
    command: Command, filters: tuple[str, ...], rows: list[int], totals: str
) -> None:
    assert command("dead-letters", "list", *filters) == Ran(0, "".join(ROWS[row] for row in rows) + totals, "")


@pytest.mark.usefixtures("laid")
def test_a_terminal_shows_an_event_id_on_a_line_of_its_own(command: Command, tty: Tty) -> None:
    with contextlib.redirect_stdout(tty):
        assert command("dead-letters", "list", "--reason", "schema").code == 0
    row, identifier, total = tty.lines()
    assert row == "2026-11-21T01:02:03.456Z          schema                  $.ride.trip_distance"
    assert identifier == f"  {event_id(0)}"
    assert total == "1 in all, 0 redriven, 1 schema"
    assert max(map(len, tty.lines())) <= 80


def test_list_as_json_carries_everything(command: Command, laid: Clients) -> None:
    done = command("dead-letters", "list", "--json", "--reason", "undecodable")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == {
        "document": next(key for key in keys(laid) if key.startswith(f"{OURS}{sequence_number(0)}-")),
        "event_id": event_id(1),
        "reason": "undecodable",
        "path": "$.ride.trip_distance",
        "detail": "Expected `float`, got `str`",
        "stream": "ride_events",
        "shard": SHARD,
        "sequence_number": sequence_number(1),
        "partition_key": "key-1",
        "arrival": "2026-11-21T01:02:04.456Z",
        "data": "/3BvaXNvbg==",
        "stream_arn": STREAM_ARN,
        "copy": 0,
        "redriven": False,
    }


def test_an_object_that_holds_no_letters_is_named_and_makes_the_exit_code_1(command: Command, laid: Clients) -> None:
    foreign(laid)
    named = (
        "passed over: s3://ride-failures/dead-letters/notes\\u001b.txt: JSON is malformed: invalid character (byte 0)\n"
    )
    counted = "passed over in all: 1\n"
    listed = command("dead-letters", "list", "--reason", "schema")
    assert listed == Ran(1, ROWS[0] + "1 in all, 0 redriven, 1 schema\n", named + counted)
    redriven = command("dead-letters", "redrive", "--reason", "schema")
    assert (redriven.code, redriven.out) == (1, "put back: 1, redriven before: 0\n")
    assert redriven.err.startswith(named)
    assert redriven.err.endswith(counted)


def test_list_says_what_was_redriven_and_can_leave_it_out(command: Command, laid: Clients) -> None:
    command("dead-letters", "redrive", event_id(0))
    assert command("dead-letters", "list", "--reason", "schema").out == (
        f"2026-11-21T01:02:03.456Z redriven schema                  $.ride.trip_distance   {event_id(0)}\n"
        "1 in all, 1 redriven, 1 schema\n"
    )
    assert command("dead-letters", "list", "--reason", "schema", "--pending").out == "0 in all, 0 redriven\n"
    assert len(records(laid)) == 1


@pytest.mark.usefixtures("laid")
def test_show_shows_one_letter_with_its_bytes(command: Command) -> None:
    shown = command("dead-letters", "show", event_id(1)).out
    assert "b'\\xffpoison'" in shown
    assert "2026-11-21T01:02:04.456Z" in shown
    assert f"event_id          {event_id(1)}" in shown.splitlines(), "a person copies the event id"
    assert json.loads(command("dead-letters", "show", event_id(3), "--json").out)["reason"] == "RetryAttemptsExhausted"


@pytest.mark.usefixtures("laid")
def test_showing_what_is_not_there_is_an_error(command: Command) -> None:
    assert command("dead-letters", "show", "nosuch") == Ran(
        2,
        "",
        "error: no dead letter in s3://ride-failures has the event id 'nosuch'. "
        "`dead-letters list` shows the event ids\n",
    )


def test_redrive_puts_the_original_bytes_and_key_on_the_stream_they_came_from(command: Command, laid: Clients) -> None:
    done = command("dead-letters", "redrive")
    assert (done.code, done.out) == (0, "put back: 4, redriven before: 0\n")
    assert [(record["PartitionKey"], record["Data"]) for record in records(laid)] == [
        ("key-0", ride_event(0, distance="3.66")),
        ("key-1", b"\xffpoison"),
        ("key-2", ride_event(2, pickup=0)),
        ("key-3", ride_event(3)),
    ]
    assert command("dead-letters", "redrive").out == "put back: 0, redriven before: 4\n"
    assert len(records(laid)) == 4


def test_a_dry_run_shows_what_would_change_and_writes_nothing(command: Command, laid: Clients) -> None:
    before = keys(laid)
    done = command("dead-letters", "redrive", "--dry-run", "--edit", FIX, "--stream", "elsewhere", "--reason", "schema")
    assert done == Ran(
        0,
        f"{event_id(0)} (schema): 81 bytes would go on elsewhere, partition key 'key-0'\n"
        "  @@ -3,5 +3,5 @@\n"
        '       "PULocationID": 130,\n'
        '       "DOLocationID": 205,\n'
        '  -    "trip_distance": "3.66"\n'
        '  +    "trip_distance": 3.66\n'
        "     },\n"
        '     "ride_id": 0\n'
        "dry run, nothing was written: 1 would go back, 0 would not\n",
        "",
    )
    assert keys(laid) == before
    assert records(laid) == []


def test_a_dry_run_without_an_edit_shows_no_change_and_leaves_out_what_was_redriven(
    command: Command, laid: Clients
) -> None:
    command("dead-letters", "redrive", event_id(0))
    assert command("dead-letters", "redrive", "--dry-run", "--reason", "schema", "--reason", "bounds").out == (
        f"{event_id(2)} (bounds): 87 bytes would go on {STREAM_ARN}, partition key 'key-2'\n"
        "dry run, nothing was written: 1 would go back, 0 would not\n"
    )
    assert len(records(laid)) == 1


def test_an_edit_comes_from_a_file_and_what_it_cannot_mend_is_named(
    command: Command, laid: Clients, tmp_path: Path
) -> None:
    (tmp_path / "fix.jq").write_text(f"# text to numbers\n{FIX}\n", encoding="utf-8")
    edit = ("--edit", f"@{tmp_path / 'fix.jq'}", "--reason", "schema", "--reason", "undecodable")
    remedy = (
        f"not put back: {event_id(1)}: the data is not UTF-8 text, so jq cannot edit it; leave it out with --reason\n"
    )
    rehearsed = command("dead-letters", "redrive", "--dry-run", *edit)
    assert (rehearsed.code, rehearsed.err) == (1, remedy)
    done = command("dead-letters", "redrive", *edit)
    assert (done.code, done.out) == (1, "put back: 1, redriven before: 0\n")
    assert remedy in done.err
    assert [record["Data"] for record in records(laid)] == [MENDED]


def test_a_diff_of_what_only_jq_takes_for_json_is_of_the_text(command: Command, mocked_aws: Clients) -> None:
    s3 = ReadableS3()
    key = lay_ours(s3, dead_letter(0, b'{"d":NaN}', Reason.UNDECODABLE))
    mocked_aws.s3.put_object(Bucket="ride-failures", Key=key, Body=s3.objects[key])
    done = command("dead-letters", "redrive", "--dry-run", "--edit", ".d = 0")
    assert '  -{"d":NaN}\n  +{\n  +  "d": 0\n  +}\n' in done.out


def test_a_check_puts_back_only_what_the_model_would_take(command: Command, laid: Clients, tmp_path: Path) -> None:
    done = command(
        "dead-letters", "redrive", "--reason", "schema", "--reason", "bounds", "--edit", FIX,
        "--check", linear_model(tmp_path / "model"),
    )  # fmt: skip
    assert (done.code, done.out) == (1, "put back: 1, redriven before: 0\n")
    assert f"not put back: {event_id(2)}: still bounds at $.ride.PULocationID: Expected `int` >= 1\n" in done.err
    assert [record["Data"] for record in records(laid)] == [MENDED]


def test_a_check_heeds_the_pin_and_the_envelope(
    command: Command, laid: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = (
        "dead-letters",
        "redrive",
        "--reason",
        "schema",
        "--edit",
        FIX,
        "--check",
        linear_model(tmp_path / "model"),
    )
    monkeypatch.setenv("MODEL_DIGEST", "0" * 64)
    pinned = command(*check)
    assert (pinned.code, f"but MODEL_DIGEST pins {'0' * 64}" in pinned.err) == (1, True)
    monkeypatch.delenv("MODEL_DIGEST")
    monkeypatch.setenv("ID_FIELD", "trip")
    renamed = command(*check)
    assert (renamed.code, "still schema at $: Object missing required field `trip`" in renamed.err) == (1, True)
    assert records(laid) == []


def test_documents_are_deleted_when_all_of_their_letters_went_back(command: Command, laid: Clients) -> None:
    done = command("dead-letters", "redrive", "--delete", "--reason", "RetryAttemptsExhausted", "--reason", "schema")
    assert (done.code, done.out) == (0, "put back: 2, redriven before: 0\ndocuments deleted: 1 of 2\n")
    assert keys(laid)[0].startswith(f"{OURS}{sequence_number(0)}-")
    assert command("dead-letters", "redrive", "--delete").out == (
        "put back: 2, redriven before: 1\ndocuments deleted: 1 of 1\n"
    )
    assert [key for key in keys(laid) if not key.startswith("redriven/")] == []


def test_a_stream_that_is_not_there_takes_nothing(command: Command, laid: Clients) -> None:
    done = command("dead-letters", "redrive", "--stream", "nosuch", "--reason", "schema")
    assert (done.code, done.out) == (2, "")
    assert "error: --stream nosuch: the stream does not exist at http" in done.err
    assert [key for key in keys(laid) if key.startswith("redriven/")] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--until", "9999-12-31T23:59:59-14:00"), "is out of range; wanted a time in the years 1970 to 9998\n"),
        (("--since", "noon"), "error: --since 'noon' is not a time, wanted 2026-11-21T01:02:03Z\n"),
        (("--edit", ".a |"), "error: '.a |' is no jq program: jq: error: syntax error"),
        (("--edit", "@nosuch.jq"), "error: --edit @nosuch.jq: [Errno 2] No such file or directory: 'nosuch.jq'\n"),
        (("--check", "nosuch"), "error: there is no MLflow model at nosuch"),
        (("--bucket", "nosuch"), "error: the bucket nosuch of dead letters does not exist. Name the bucket with"),
    ],
)
@pytest.mark.usefixtures("mocked_aws")
def test_what_cannot_be_done_is_one_line(command: Command, arguments: tuple[str, ...], said: str) -> None:
    done = command("dead-letters", "redrive", *arguments)
    assert done.code in {1, 2}
    assert said in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_interrupt_asks_and_the_second_stops_at_once(
    number: int, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), finishing("the chunk at hand") as stopping:  # noqa: PT012
        assert not stopping()
        signal.raise_signal(number)
        assert stopping() == code
        signal.raise_signal(signal.SIGINT)
    assert capfd.readouterr().err == "stopping after the chunk at hand; Ctrl-C again stops at once\n"
    assert signal.getsignal(signal.SIGINT) is before


class _Interrupted(Account):
    """The operator presses Ctrl-C while the first chunk is on its way."""

    def put_records(self, **request: object) -> dict[str, object]:
        if not self.requests:
            signal.raise_signal(signal.SIGINT)
        return super().put_records(**request)


def test_an_interrupted_redrive_marks_what_it_put_and_the_next_goes_on(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3, kinesis = ReadableS3(), _Interrupted()
    lay_ours(s3, *(dead_letter(at, str(at).encode()) for at in range(1_200)))

    class Fakes:
        def __init__(self) -> None:
            self.s3, self.kinesis = s3, kinesis

    monkeypatch.setattr(options, "aws", lambda *_: cast("Clients", Fakes()))
    arguments = ("dead-letters", "redrive", "--bucket", "dead-letters-bucket", "--delete")
    first = command(*arguments)
    assert first.code == 130
    # One letter of the second chunk had been read when the first was put.
    assert first.out == "put back: 501, redriven before: 0\n"
    second = command(*arguments)
    assert (second.code, second.out) == (0, "put back: 699, redriven before: 501\ndocuments deleted: 1 of 1\n")
    assert [entry.data for entry in kinesis.records] == [str(at).encode() for at in range(1_200)]


@pytest.mark.parametrize("name", ["list", "show", "redrive"])
def test_help_fits_80_columns(name: str) -> None:
    result = CliRunner().invoke(app, ["dead-letters", name, "--help"], env={"COLUMNS": "80", "TERM": "dumb"})
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 80
