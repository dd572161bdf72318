"""``replay``: a range of the input stream once more, for a backfill or to compare two models."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, cast

import msgspec
import typer

from stream_consumer.cli import kafka_options, options
from stream_consumer.cli.progress import bar
from stream_consumer.cli.replay_source import POSITION, Source, Wanted, stream_source, topic_source
from stream_consumer.cli.terminal import complain, say
from stream_consumer.errors import UsageError

if TYPE_CHECKING:
    from stream_consumer.aws.clients import Clients
    from stream_consumer.comparison import Comparison
    from stream_consumer.consumer import Consumer
    from stream_consumer.model import Model
    from stream_consumer.sinks import Entry, Sink

_STREAM = "ride_events"
_STANDARD_OUTPUT = Path("-")


def replay(  # noqa: PLR0913 (each is an option)
    *,
    stream: Annotated[
        str | None, typer.Option(metavar="STREAM", help="Stream to read, by name or ARN.", show_default=_STREAM)
    ] = None,
    kafka: kafka_options.Brokers = None,
    topic: kafka_options.InputTopic = None,
    start: Annotated[
        str, typer.Option("--from", metavar="START", help=f"First record: TRIM_HORIZON, {POSITION}.")
    ] = "TRIM_HORIZON",
    until: Annotated[
        str | None,
        typer.Option(
            metavar="END",
            help="End of the range: a time (excluded) or an event id (included).",
            show_default="now",
        ),
    ] = None,
    model: Annotated[str, typer.Option(metavar="LOCATION", envvar="MODEL_LOCATION", help=options.MODEL)],
    digest: Annotated[
        str | None,
        typer.Option(
            metavar="SHA256",
            envvar="MODEL_DIGEST",
            help="Digest of the model, required for a pickled model.",
            show_default="no pin",
        ),
    ] = None,
    output_stream: Annotated[
        str | None,
        typer.Option(
            metavar="STREAM", help="Stream for the predictions, by name or ARN.", show_default="no output stream"
        ),
    ] = None,
    output_topic: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Topic for the predictions (with --kafka).", show_default="no output topic"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="NDJSON file for the predictions, or - for standard output.",
            show_default="no output file",
        ),
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(metavar="LOCATION", help="Model to compare with.", show_default="no comparison"),
    ] = None,
    compare_digest: Annotated[
        str | None,
        typer.Option(
            metavar="SHA256",
            help="Digest of the model to compare with, required for a pickled model.",
            show_default="no pin",
        ),
    ] = None,
    keep: Annotated[int, typer.Option(metavar="COUNT", min=0, help="Number of largest differences to list.")] = 10,
    threshold: Annotated[
        float,
        typer.Option(
            metavar="DIFFERENCE",
            min=0,
            callback=options.number,
            help="Largest difference between agreeing predictions, in the unit of the prediction.",
        ),
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as a JSON object.")] = False,
    dead_letters: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File for the invalid records.", show_default="no file, only their count"),
    ] = None,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Score a range of the input stream again.

    Give exactly one of --output-stream, --output-topic, --output and --compare. The predictions carry the original
    event ids, so a reader with deduplication by event_id drops repeated predictions. With --compare both models score
    the same records, the command reports the differences, and nothing is published.

    With --kafka the range is part of a topic. --from and --until take a time or an event id such as ride_events-0:1500.
    The command joins no consumer group.
    """
    from stream_consumer.contract.dead_letter import encode_dead_letters
    from stream_consumer.operate.compare import compare as compare_models
    from stream_consumer.operate.replay import LinesSink, NoSink
    from stream_consumer.operate.replay import replay as replay_batches

    if sum(result is not None for result in (output_stream, output_topic, output, compare)) != 1:
        raise UsageError("wanted exactly one of --output-stream, --output-topic, --output and --compare")
    _refuse_outputs(output, dead_letters)
    if output_topic is not None and kafka is None:
        raise UsageError(f"--output-topic {output_topic} needs the brokers of its cluster. Add --kafka BROKERS")
    name = kafka_options.chosen_topic(kafka, topic, stream, _STREAM)
    stream = _STREAM if stream is None else stream
    find_clients = options.aws if name is None else kafka_options.clients
    clients = find_clients(endpoint_url, region, profile)
    with _source(clients, kafka, name, stream, Wanted(start, until, output_stream, output_topic)) as source:
        loaded = _load(model, digest, clients)
        if compare is not None:
            other = _load(compare, compare_digest, clients, first=False)
            with bar("comparing", None) as advance:
                one, another = _consumer(loaded), _consumer(other)
                comparison = compare_models(
                    source.batches, one, another, keep=keep, threshold=threshold, progress=advance
                )
            for line in [msgspec.json.encode(comparison).decode()] if as_json else _text(comparison, loaded, other):
                say(line)
            return
        with whole_file(output) as made, whole_file(dead_letters) as failed, bar("replaying", None) as advance:
            predictions = LinesSink(made, _lines) if made else source.predictions
            invalid = LinesSink(failed, encode_dead_letters) if failed else NoSink()
            tally = replay_batches(source.batches, _consumer(loaded, predictions, invalid), progress=advance)
    reasons = "".join(f", {count:,} {reason.value}" for reason, count in tally.dead_letters.most_common())
    # Standard output may be the predictions'.
    complain(f"{tally.records:,} records replayed: {tally.published:,} predictions{reasons}")


def _refuse_outputs(output: Path | None, dead_letters: Path | None) -> None:
    """
    Refuse files that cannot be written, before the records are read and scored.

    Raises:
        UsageError: A file cannot be written, or the second would replace the first.
    """
    for option, path in (("--output", output), ("--dead-letters", dead_letters)):
        if path is not None and path != _STANDARD_OUTPUT:
            options.written(option, path)
    if output is not None and dead_letters is not None and output.resolve() == dead_letters.resolve():
        raise UsageError(f"--output and --dead-letters are both {output}. Name a different file for the dead letters")


@contextlib.contextmanager
def _source(clients: "Clients", kafka: str | None, topic: str | None, stream: str, wanted: Wanted) -> Iterator[Source]:
    """Give what is read: a range of *topic*, or of *stream* if that is None."""
    if topic is None:
        yield stream_source(clients, stream, wanted)
        return
    there = kafka_options.connection(kafka or "", clients.session)
    with topic_source(clients, there, topic, wanted) as source:
        yield source


def _load(location: str, digest: str | None, clients: "Clients", *, first: bool = True) -> "Model":
    from stream_consumer.models.loading import load_model
    from stream_consumer.settings import VARIABLES, Settings

    if first:
        options.warn_of_misspelt(VARIABLES)
    choice = replace(Settings.of(os.environ | {"MODEL_LOCATION": location}).choice, digest=digest)
    # The environment names the version of one model, and a comparison has two.
    return load_model(location, s3=lambda: clients.s3, choice=choice if first else replace(choice, version=None))


def _consumer(model: "Model", predictions: "Sink | None" = None, dead_letters: "Sink | None" = None) -> "Consumer":
    from stream_consumer.consumer import Consumer
    from stream_consumer.inference import Decider

    return Consumer(Decider(model), predictions=predictions, dead_letters=dead_letters)


class _StandardOutput:
    """Lines of JSON, which a terminal may show."""

    def write(self, data: bytes) -> None:
        for line in data.decode().split("\n")[:-1]:
            say(line)


@contextlib.contextmanager
def whole_file(path: Path | None) -> Iterator[IO[bytes] | None]:
    """
    Give a file that takes its name when all of it is written; ``-`` is standard output.

    Raises:
        ReplayStopped: It cannot be written.
    """
    from stream_consumer import whole_file as whole
    from stream_consumer.operate.replay import ReplayStopped

    if path is None or path == _STANDARD_OUTPUT:
        yield cast("IO[bytes]", _StandardOutput()) if path else None
        return
    try:
        with whole.whole_file(path) as file:
            yield file
    except OSError as error:
        raise ReplayStopped(f"{path} cannot be written: {error}") from error


def _lines(entries: "Sequence[Entry]") -> bytes:
    return b"".join(entry.data + b"\n" for entry in entries)


def _text(comparison: "Comparison", one: "Model", other: "Model") -> list[str]:
    names = [f"{model.name} {model.version}" for model in (one, other)]
    lines = [
        f"one:   {names[0]}  {one.location}",
        f"other: {names[1]}  {other.location}",
        "",
        f"records            {comparison.records:>12,}",
        f"scored by both     {comparison.scored_by_both:>12,}, {comparison.differing:,} of them differently",
        f"disagreeing        {comparison.disagreeing:>12,} of {comparison.predicted_by_both:,} that both predict",
        "",
        "other less one",
        f"mean               {comparison.mean:>12.4f}",
        f"RMS                {comparison.rms:>12.4f}",
        f"p50, p95 absolute  {comparison.p50:>12.4f} {comparison.p95:>12.4f}",
        f"largest absolute   {comparison.largest:>12.4f}",
    ]
    if comparison.largest_differences:
        lines += ["", f"{'one':>10} {'other':>10} {'less':>10}  ride_id, event_id"]
        lines += [
            f"{found.one:>10.2f} {found.other:>10.2f} {found.difference:>10.2f}  {found.ride_id!r}, {found.event_id}"
            for found in comparison.largest_differences
        ]
    if comparison.verdicts:
        lines += ["", f"{'records':>10} {'one':<12} {'other':<12} such as"]
        lines += [
            f"{found.records:>10,} {found.one:<12} {found.other:<12} {found.example}" for found in comparison.verdicts
        ]
    return lines
