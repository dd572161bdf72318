"""``put``: rides or events onto a stream or a topic."""

import codecs
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, NamedTuple, TextIO, cast

import typer

from stream_consumer.cli import kafka_options, options
from stream_consumer.cli.outputs import refuse_absent_stream
from stream_consumer.cli.progress import bar, stages
from stream_consumer.cli.terminal import say
from stream_consumer.errors import UsageError
from stream_consumer.whole_file import refuse_other

if TYPE_CHECKING:
    from stream_consumer.sinks import Entry, Sink


STREAM = "ride_events"
_STANDARD_INPUT = "-"
_LINES = (".ndjson", ".jsonl")
# A ride and its event, all of which are in memory.
_RIDE_BYTES = 1_000


def put(  # noqa: PLR0913 (each is an option)
    rides: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="TLC rides: Parquet or CSV, a path, an s3:// or an https:// URL. Or any events, an event per line: "
            "files *.ndjson or *.jsonl, or - for standard input.",
        ),
    ],
    *,
    stream: Annotated[
        str | None,
        typer.Option(metavar="STREAM", help="Target stream, by name or ARN.", show_default=STREAM),
    ] = None,
    kafka: kafka_options.Brokers = None,
    topic: kafka_options.InputTopic = None,
    rate: options.Rate = None,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="COUNT", min=0, max=1_000_000_000, help="Maximum number of events to put.", show_default="no limit"
        ),
    ] = None,
    malformed: options.Malformed = "0",
    id_field: options.IdField = None,
    seed: options.Seed = 42,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Put rides, or events of your own, on a stream or a topic.

    The key of a record is the identifier of its event. Rejected records are put again. The command stops when every
    event is acknowledged. With --kafka the events of a key keep their order. Set the variables KAFKA_... to
    authenticate at the brokers (docs/kafka.md).
    """
    from stream_consumer.cli.batch_lines import plural
    from stream_consumer.local.demo.ride_producer import NotPut, Producer

    spoiled = options.share("--malformed", malformed)
    name = kafka_options.chosen_topic(kafka, topic, stream, STREAM)
    stream = STREAM if stream is None else stream
    if _are_lines(rides):
        made = _own_events(rides, limit, spoiled, seed, options.envelope_names(None, id_field, None).get("id"))
    else:
        made = _ride_events(rides, limit, spoiled, seed)
    sink = _stream(stream, endpoint_url, region, profile) if name is None else _topic(kafka, name, region, profile)
    count = 0
    with bar("putting events", made.total) as advance:

        def progress(chunk: "Sequence[Entry]", _: float) -> None:
            nonlocal count
            count += len(chunk)
            advance(len(chunk))

        try:
            again = Producer(sink, rate).put(made.entries, progress)
        except NotPut as error:
            raise NotPut(f"{name or stream!r}: {error}") from error
    mixed = f"{made.malformed:,} of them malformed, " if spoiled else ""
    say(f"{plural(count, 'record', 'records')} put on {name or stream}, {mixed}{again:,} put again")


class _Events(NamedTuple):
    """What to put."""

    entries: "Iterable[Entry]"
    total: int | None
    """None if nobody knows before the end."""
    malformed: int = 0


def _ride_events(rides: list[str], limit: int | None, spoiled: float, seed: int) -> _Events:
    from stream_consumer.local.demo.malformed_events import mixed_in
    from stream_consumer.local.demo.ride_producer import ride_events
    from stream_consumer.training.memory import machine_memory
    from stream_consumer.training.rides import load_rides

    with stages() as stage:
        # What serving would refuse is put all the same: it is for the consumer to sort out.
        loaded = load_rides(rides, bounded=False, progress=stage, most=machine_memory() // _RIDE_BYTES)
        events = list(itertools.islice(ride_events(loaded), limit))
    entries, _ = mixed_in(events, spoiled, seed)
    return _Events(entries, len(entries), len(entries) - len(events))


def _are_lines(paths: list[str]) -> bool:
    """
    Return whether *paths* are files of events, one a line.

    Raises:
        UsageError: Some of them are, or the name of one does not tell.
    """
    for path in paths:
        if path.lower().endswith(".json"):
            raise UsageError(f"{path}: events are read from {' and '.join(_LINES)} files, an event per line. Rename it")
    lines = [path for path in paths if path == _STANDARD_INPUT or path.lower().endswith(_LINES)]
    if lines and len(lines) < len(paths):
        other = next(path for path in paths if path not in lines)
        raise UsageError(f"{lines[0]} has events and {other} has rides. Put events and rides by separate commands")
    return bool(lines)


def _own_events(paths: list[str], limit: int | None, spoiled: float, seed: int, id_field: str | None) -> _Events:
    from stream_consumer.contract.envelope import Envelope
    from stream_consumer.local.demo.malformed_events import UNDECODABLE, mixed_in
    from stream_consumer.operate.event_lines import event_entries

    for path in (Path(path) for path in paths if path != _STANDARD_INPUT):
        refuse_other(path)
        if not path.exists():
            raise UsageError(f"there is no file {path}")
    lines = itertools.chain.from_iterable(map(_lines, paths))
    events = itertools.islice(event_entries(lines, Envelope().id if id_field is None else id_field), limit)
    if not spoiled:
        return _Events(events, None)
    whole = list(events)
    entries, _ = mixed_in(whole, spoiled, seed, UNDECODABLE)
    return _Events(entries, len(entries), len(entries) - len(whole))


def _lines(path: str) -> Iterator[bytes]:
    if path == _STANDARD_INPUT:
        yield from _standard_input()
        return
    with Path(path).open("rb") as file:
        if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:  # the mark is of the file, not of its first event
            file.seek(0)
        yield from file


def _standard_input() -> BinaryIO:
    # Python has None for a standard input that is closed, such as by `<&-` in a shell.
    if cast("TextIO | None", sys.stdin) is None:
        raise UsageError(
            f"{_STANDARD_INPUT} is standard input, which is closed. Pipe events to the command, or name a file"
        )
    return sys.stdin.buffer


def _stream(name: str, endpoint_url: str | None, region: str | None, profile: str | None) -> "Sink":
    from stream_consumer.kinesis.stream_writer import PredictionStream

    kinesis = options.aws(endpoint_url, region, profile).kinesis
    refuse_absent_stream(kinesis, name, f"--stream {name}")
    return PredictionStream(kinesis, name)


def _topic(kafka: str | None, name: str, region: str | None, profile: str | None) -> "Sink":
    from stream_consumer.kafka.producer import WRITTEN_BY_COMMAND
    from stream_consumer.kafka.topic_writer import PredictionTopic

    made = PredictionTopic(kafka_options.cluster(kafka or "", region, profile), name, use=WRITTEN_BY_COMMAND)
    made.check()
    return made
