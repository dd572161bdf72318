"""``tail``: predictions off a stream or a topic."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec
import typer

from stream_consumer.cli import kafka_options, options
from stream_consumer.cli.terminal import Terminal, say
from stream_consumer.errors import UsageError

if TYPE_CHECKING:
    from stream_consumer.contract.envelope import Envelope
    from stream_consumer.contract.record import Record
    from stream_consumer.kafka.connection import Connection
    from stream_consumer.kinesis.shard_reader import Start
    from stream_consumer.operate.topic_predictions import TopicPredictionReader
    from stream_consumer.reader import PredictionReader, Received


STREAM = "ride_predictions"


def tail(  # noqa: PLR0913 (each is an option)
    *,
    stream: Annotated[
        str | None, typer.Option(metavar="STREAM", help="Stream of predictions, by name or ARN.", show_default=STREAM)
    ] = None,
    kafka: kafka_options.Brokers = None,
    topic: kafka_options.OutputTopic = None,
    start: Annotated[
        str,
        typer.Option(
            "--from", metavar="POSITION", help="First record: TRIM_HORIZON (earliest), LATEST or an ISO 8601 time."
        ),
    ] = "LATEST",
    follow: Annotated[bool, typer.Option(help="Wait for new predictions, or stop at the end of the stream.")] = True,
    limit: Annotated[
        int | None,
        typer.Option(metavar="COUNT", min=1, help="Maximum number of predictions to show.", show_default="no limit"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object per line, as on the stream.")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Print the unparsed value of each record, a line per record (with --kafka).")
    ] = False,
    id_field: options.IdField = None,
    prediction_field: options.PredictionField = None,
    checkpoint: options.Checkpoint = None,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Show predictions as they arrive, each event once.

    A record delivered twice is also published twice. The second prediction has the same event_id and is left out.

    With --kafka the command joins no consumer group and commits no offset.
    """
    from stream_consumer.contract.envelope import Envelope
    from stream_consumer.reader import PredictionReader, load_checkpoint, save_checkpoint

    name = kafka_options.chosen_topic(kafka, topic, stream, STREAM)
    stream = STREAM if stream is None else stream
    if raw and name is None:
        raise UsageError("--raw shows Kafka topics only. Add --kafka BROKERS")
    envelope = Envelope(**options.envelope_names(None, id_field, prediction_field))
    begin = options.start_at("--from", start)
    kept = load_checkpoint(options.written("--checkpoint", checkpoint)) if checkpoint else None
    with contextlib.ExitStack() as stack:
        reader: PredictionReader | TopicPredictionReader
        if name is None:
            kinesis = options.aws(endpoint_url, region, profile).kinesis
            reader = PredictionReader(kinesis, stream, start=begin, follow=follow, envelope=envelope, checkpoint=kept)
        else:
            there = kafka_options.cluster(kafka or "", region, profile)
            reader = stack.enter_context(_topic(there, name, begin, kept, envelope, follow=follow))
        unshown: str | None = None
        if checkpoint:
            stack.callback(lambda: save_checkpoint(checkpoint, _without(reader.checkpoint(), unshown)))
        for count, (event_id, line) in enumerate(_lines(reader, envelope, as_json=as_json, raw=raw), start=1):
            unshown = event_id
            say(line, flush=True)
            unshown = None
            if count == limit:
                break


def _without(checkpoint: dict[str, Any], event_id: str | None) -> dict[str, Any]:
    """Return *checkpoint* without the event that could not be shown, so that the next start shows the event."""
    return checkpoint | {"event_ids": [known for known in checkpoint["event_ids"] if known != event_id]}


@contextlib.contextmanager
def _topic(  # noqa: PLR0913 (what the options say)
    there: "Connection",
    name: str,
    begin: "Start",
    kept: Mapping[str, Any] | None,
    envelope: "Envelope",
    *,
    follow: bool,
) -> "Iterator[TopicPredictionReader]":
    from stream_consumer.kafka.topic_reader import TopicReader
    from stream_consumer.operate.topic_predictions import TopicPredictionReader

    topic = TopicReader(there, name)
    topic.check()
    try:
        yield TopicPredictionReader(topic, start=begin, follow=follow, envelope=envelope, checkpoint=kept)
    finally:
        topic.close()


def _lines(
    reader: "PredictionReader | TopicPredictionReader", envelope: "Envelope", *, as_json: bool, raw: bool
) -> Iterator[tuple[str | None, str]]:
    """Yield each line to show, behind the event id of its prediction."""
    if raw:
        yield from ((None, _value(record)) for record in cast("TopicPredictionReader", reader).records())
        return
    if not as_json:
        Terminal(lines=True).print(
            f"{'arrival':<13}{envelope.id or 'event_id':>14}{'prediction':>12}  {'model and version'}", style="bold"
        )
    for received in reader:
        yield received.prediction.event_id, _json(received) if as_json else _row(received)


def _value(record: "Record") -> str:
    is_null = record.kafka is not None and record.kafka.null_value
    return "null" if is_null else record.data.decode(errors="backslashreplace")


def _json(received: "Received") -> str:
    return msgspec.json.encode(received.prediction).decode()


def _shown(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else msgspec.json.encode(value).decode()


def _row(received: "Received") -> str:
    prediction = received.prediction
    arrival = received.arrival.astimezone().strftime("%H:%M:%S.%f")[:-3]
    return f"{arrival:<13}{prediction.id!s:>14}{_shown(prediction.value):>12}  {prediction.model} {prediction.version}"
