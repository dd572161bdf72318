"""``dead-letters``: what was not scored, and why; ``redrive`` puts it back."""

import sys
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from stream_consumer.cli import options, redrive
from stream_consumer.cli.commands import Commands
from stream_consumer.cli.dead_letter_options import (
    Bucket,
    Prefix,
    Reasons,
    Search,
    Shards,
    Since,
    Until,
    selection,
)
from stream_consumer.cli.terminal import say
from stream_consumer.errors import UsageError

if TYPE_CHECKING:
    from stream_consumer.operate.dead_letter_bucket import StoredDeadLetter

app = Commands(
    name="dead-letters",
    help="List, show and redrive dead letters.\n\n"
    "A dead letter is a record without a prediction: an invalid record, or a record of a batch that the event source "
    "mapping discarded.",
    no_args_is_help=True,
)
app.command("redrive", epilog=options.MODEL_SETTINGS)(redrive.redrive)


@app.command("list")
def list_(  # noqa: PLR0913 (each is an option)
    *,
    bucket: Bucket,
    prefix: Prefix = "dead-letters",
    reason: Reasons = None,
    shard: Shards = None,
    since: Since = None,
    until: Until = None,
    pending: Annotated[bool, typer.Option("--pending", help="Only dead letters not redriven so far.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object per line, with data in base64.")] = False,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    List dead letters, each event once, and totals by reason.

    The documents of the event source mapping's on-failure destination are listed with the dead letters of the
    function. Each foreign object in the bucket is named on standard error and makes the exit code 1.
    """
    from stream_consumer.operate.dead_letter_bucket import DeadLetterBucket
    from stream_consumer.operate.redrive import Marks

    wanted = selection(None, reason, shard, since, until)
    s3 = options.aws(endpoint_url, region, profile).s3
    search, done = Search(DeadLetterBucket(s3, bucket, prefix)), Marks(s3, bucket).load()
    totals: Counter[str] = Counter()
    redriven = 0
    for letter in search.letters(wanted):
        is_redriven = letter.identity in done
        if not (pending and is_redriven):
            totals[letter.reason] += 1
            redriven += is_redriven
            for line in [_json(letter, redriven=is_redriven)] if as_json else _row(letter, redriven=is_redriven):
                say(line)
    if not as_json:
        counts = "".join(f", {count:,} {name}" for name, count in totals.most_common())
        say(f"{totals.total():,} in all, {redriven:,} redriven{counts}")
    search.end()


def _json(letter: "StoredDeadLetter", *, redriven: bool) -> str:
    return msgspec.json.encode(_fields(letter, redriven=redriven)).decode()


def _fields(letter: "StoredDeadLetter", *, redriven: bool) -> dict[str, Any]:
    fields = {**msgspec.structs.asdict(letter), "redriven": redriven}
    if letter.kafka is None:  # most letters have nothing to say of it
        del fields["kafka"]
    return fields


def _row(letter: "StoredDeadLetter", *, redriven: bool) -> list[str]:
    """Return one line or, for a terminal, two: an event id alone takes nearly 80 columns."""
    when = f"{letter.arrival or '-':<24} {'redriven' if redriven else '':<8}"
    about, event_id = f"{when} {letter.reason:<23} {letter.path or '-':<22}", letter.event_id or "-"
    return [about.rstrip(), f"  {event_id}"] if sys.stdout.isatty() else [f"{about} {event_id}"]


@app.command("show")
def show(  # noqa: PLR0913 (each is an option)
    event_id: Annotated[str, typer.Argument(metavar="EVENT_ID", help="Event id, as printed by `list`.")],
    *,
    bucket: Bucket,
    prefix: Prefix = "dead-letters",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object, with data in base64.")] = False,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Show a dead letter with its original bytes.

    The command shows all dead letters with the event id.
    """
    from stream_consumer.operate.dead_letter_bucket import DeadLetterBucket
    from stream_consumer.operate.redrive import Marks

    s3 = options.aws(endpoint_url, region, profile).s3
    search = Search(DeadLetterBucket(s3, bucket, prefix))
    found = list(search.letters(selection([event_id], None, None, None, None)))
    if not found:
        raise UsageError(
            f"no dead letter in s3://{bucket} has the event id {event_id!r}. `dead-letters list` shows the event ids"
        )
    done = Marks(s3, bucket).load()
    for letter in found:
        redriven = letter.identity in done
        for line in [_json(letter, redriven=redriven)] if as_json else _lines(letter, redriven=redriven):
            say(line)
    search.end()


def _lines(letter: "StoredDeadLetter", *, redriven: bool) -> Iterator[str]:
    """Yield a line for each field. A table would cut event ids and keys at 80 columns."""
    for name, value in _fields(letter, redriven=redriven).items():
        yield f"{name:<18}{value!r}" if isinstance(value, bytes) else f"{name:<18}{value}"
