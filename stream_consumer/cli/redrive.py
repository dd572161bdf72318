"""``dead-letters redrive``: dead letters go back on their stream or topic."""

import difflib
import functools
import itertools
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from stream_consumer.cli import kafka_options, options
from stream_consumer.cli.dead_letter_options import (
    Bucket,
    Prefix,
    Reasons,
    Search,
    Shards,
    Since,
    Until,
    selection,
    told,
)
from stream_consumer.cli.outputs import refuse_absent_stream
from stream_consumer.cli.progress import bar
from stream_consumer.cli.signals import finishing
from stream_consumer.cli.terminal import complain, say
from stream_consumer.errors import UsageError
from stream_consumer.whole_file import read_whole

if TYPE_CHECKING:
    from stream_consumer.aws.clients import Clients
    from stream_consumer.contract.event_schema import EventSchema
    from stream_consumer.operate.dead_letter_bucket import DeadLetterBucket, StoredDeadLetter
    from stream_consumer.operate.identity import Identities
    from stream_consumer.operate.jq_edit import Edit
    from stream_consumer.operate.preparation import Preparation, Refused
    from stream_consumer.operate.redrive import Outcome
    from stream_consumer.operate.topic_target import TopicTarget
    from stream_consumer.sinks import Sink

# Source: jq 1.7 manual, "Format strings and escaping".
_FORMAT = re.compile(r"@(text|json|csv|tsv|html|urid?|sh|base64d?|base32d?)\b")


def redrive(  # noqa: PLR0913 (each is an option)
    event_ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="EVENT_ID", help="Only these events, by their ids as printed by `list`.", show_default="all events"
        ),
    ] = None,
    *,
    bucket: Bucket,
    prefix: Prefix = "dead-letters",
    reason: Reasons = None,
    shard: Shards = None,
    since: Since = None,
    until: Until = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the records to put back and the changes of --edit. Write nothing.")
    ] = False,
    edit: Annotated[
        str | None,
        typer.Option(
            metavar="JQ",
            help="jq program to correct the data, such as '.ride.trip_distance |= tonumber', or @FILE with a program.",
            show_default="no program",
        ),
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(
            metavar="LOCATION",
            help="Model whose schema and bounds select the valid records. Only valid records go back.",
            show_default="no check",
        ),
    ] = None,
    stream: Annotated[
        str | None,
        typer.Option(
            metavar="STREAM", help="Target stream, by name or ARN.", show_default="the stream of the dead letter"
        ),
    ] = None,
    kafka: kafka_options.Brokers = None,
    topic: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Target topic (with --kafka).", show_default="the topic of the dead letter"),
    ] = None,
    tombstones: Annotated[
        bool,
        typer.Option("--tombstones", help="Put back null values, too (with --kafka). A null value deletes its key."),
    ] = False,
    rate: options.Rate = None,
    delete: Annotated[
        bool, typer.Option("--delete", help="Afterwards delete each document with all of its dead letters redriven.")
    ] = False,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Put dead letters back on their stream or topic, each event once.

    Records keep their bytes and partition key. A record put back gets a mark under redriven/ in the bucket, and later
    runs skip marked records. So after a failure, run the same command again. Ctrl-C or SIGTERM stops after the
    current chunk. The new record has a new event id, and becomes a new dead letter if still invalid. A crash between a
    put and its mark puts at most 500 records twice.

    With --kafka, dead letters of Kafka topics go back with their headers. Without --kafka, dead letters of Kinesis
    streams go back. To move records between Kafka and Kinesis, name the target with --topic or --stream.
    """
    from stream_consumer.operate.dead_letter_bucket import DeadLetterBucket
    from stream_consumer.operate.preparation import Elsewhere, Preparation
    from stream_consumer.operate.redrive import Marks, Redrive

    wanted = selection(event_ids, reason, shard, since, until)
    target = _topics(kafka, topic, stream, tombstones=tombstones)
    clients = options.aws(endpoint_url, region, profile)
    if stream is not None and not dry_run:
        refuse_absent_stream(clients.kinesis, stream, f"--stream {stream}")
    prepare = Preparation(stream, _edit(edit), _schema(check, clients), Elsewhere(clients.kinesis), target)
    store, marks = DeadLetterBucket(clients.s3, bucket, prefix), Marks(clients.s3, bucket)
    search, done = Search(store), marks.load()
    if dry_run:
        failures = _rehearse((letter for letter in search.letters(wanted) if letter.identity not in done), prepare)
    else:
        sink = functools.cache(_sinks(clients, kafka))
        keys = store.keys()
        with finishing("the chunk at hand") as stopping, bar("reading documents", len(keys)) as advance:
            letters = search.letters(wanted, keys, advance)
            outcome = Redrive(prepare, sink, marks, rate).run(
                itertools.takewhile(lambda _: not stopping(), letters), done
            )
        _report(outcome)
        failures = len(outcome.refused) + len(outcome.unput) + outcome.untried
        if code := stopping():
            raise typer.Exit(code)
        if delete:
            _delete(store, done)
    if failures:
        raise typer.Exit(1)
    search.end()


def _topics(kafka: str | None, topic: str | None, stream: str | None, *, tombstones: bool) -> "TopicTarget | None":
    """
    Return the target of dead letters on a Kafka cluster, None if the target is a stream.

    Raises:
        UsageError: The options contradict each other.
    """
    from stream_consumer.operate.topic_target import TopicTarget

    if kafka is None:
        if topic is not None or tombstones:
            given = f"--topic {topic}" if topic is not None else "--tombstones"
            raise UsageError(f"{given} needs the brokers of a cluster. Add --kafka BROKERS")
        return None
    if stream is not None:
        raise UsageError(f"--stream {stream} and --kafka {kafka} cannot be combined. Name a topic with --topic")
    name = None if topic is None else kafka_options.topic_name(topic)
    return TopicTarget(kafka_options.environment(kafka, {})["KAFKA_BROKERS"], name, tombstones)


def _sinks(clients: "Clients", kafka: str | None) -> "Callable[[str], Sink]":
    """Return what opens the sink of a stream or, on a cluster of Kafka, of a topic by its location."""
    if kafka is None:
        from stream_consumer.kinesis.stream_writer import PredictionStream

        return functools.partial(PredictionStream, clients.kinesis)
    from stream_consumer.kafka.producer import WRITTEN_BY_COMMAND
    from stream_consumer.kafka.topic_writer import PredictionTopic
    from stream_consumer.operate.topic_target import usable

    there = kafka_options.connection(kafka, clients.session)
    return lambda location: usable(PredictionTopic(there, location.rpartition("/")[2], use=WRITTEN_BY_COMMAND))


def _edit(text: str | None) -> "Edit | None":
    from stream_consumer.operate.jq_edit import Edit

    if text is None:
        return None
    file = Path(text[1:])
    # A program may begin with @ as well: @base64d | fromjson.
    if not text.startswith("@") or (_FORMAT.match(text) and not file.is_file()):
        return Edit(text)
    try:
        return Edit(read_whole(file).decode())
    except (OSError, ValueError) as error:
        raise UsageError(f"--edit {text}: {error}") from None


def _schema(location: str | None, clients: "Clients") -> "EventSchema | None":
    return options.chosen_model(location, lambda: clients.s3).schema if location is not None else None


def _rehearse(letters: Iterable["StoredDeadLetter"], prepare: "Preparation") -> int:
    """Show the records that *letters* would become. Return the number of refused dead letters."""
    from stream_consumer.operate.preparation import Refused

    refused = would_go = 0
    for letter in letters:
        order = prepare(letter)
        if isinstance(order, Refused):
            refused += 1
            _say_refused(order)
            continue
        would_go += 1
        for entry in order.entries:
            say(
                f"{_name(letter)} ({letter.reason}): {len(entry.data):,} bytes would go on {order.stream}, "
                f"partition key {entry.partition_key!r}"
            )
            for line in _difference(letter.data, entry.data):
                say(f"  {line}")
    say(f"dry run, nothing was written: {would_go:,} would go back, {refused:,} would not")
    return refused


def _difference(before: bytes, after: bytes) -> list[str]:
    """Return the lines of JSON that differ, with two of context."""
    if before == after:
        return []
    # The first two lines name the files.
    return list(difflib.unified_diff(_pretty(before), _pretty(after), n=2, lineterm=""))[2:]


def _pretty(data: bytes) -> list[str]:
    try:
        return msgspec.json.format(data, indent=2).decode().splitlines()
    except msgspec.DecodeError:  # jq takes NaN for JSON
        return [data.decode()]


def _report(outcome: "Outcome") -> None:
    for refused in (*outcome.refused, *outcome.unput):
        _say_refused(refused)
    say(f"put back: {outcome.put:,}, redriven before: {outcome.skipped:,}")
    if outcome.records > outcome.put:
        say(f"records put, since the edit makes several records of a dead letter: {outcome.records:,}")
    if outcome.untried:
        say(f"not tried, since their stream took no more: {outcome.untried:,}")
    if outcome.unput or outcome.untried:
        say("run the same command again to put what is left")


def _say_refused(refused: "Refused") -> None:
    complain(f"not put back: {_name(refused.letter)}: {refused.why}")


def _name(letter: "StoredDeadLetter") -> str:
    return letter.event_id or f"a record without event id in {letter.document}"


def _delete(store: "DeadLetterBucket", done: "Identities") -> None:
    """Read the documents again and delete each document with all of its dead letters redriven."""
    from stream_consumer.operate.redrive import delete_redriven

    keys = store.keys()
    with bar("deleting documents", len(keys)) as advance:
        deleted, changed = delete_redriven(store, told(store.documents(keys), advance), done)
    say(f"documents deleted: {deleted:,} of {len(keys):,}")
    for key in changed:
        say(f"kept, since it has changed meanwhile: s3://{store.name}/{key}")
