"""``put`` and ``tail``: events onto a stream, predictions off one."""

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from stream_consumer.cli import options
from stream_consumer.cli.progress import bar, stages
from stream_consumer.cli.terminal import Terminal, say

if TYPE_CHECKING:
    from stream_consumer.reader import Received


# A ride and its event, all of which are in memory.
_RIDE_BYTES = 1_000


def put(  # noqa: PLR0913 (each is an option)
    rides: Annotated[list[str], typer.Argument(help="TLC rides: Parquet or CSV, a path, an s3:// or an https:// URL.")],
    *,
    stream: Annotated[str, typer.Option(help="Stream to put the ride events on, by name or ARN.")] = "ride_events",
    rate: options.Rate = None,
    limit: Annotated[int | None, typer.Option(min=0, max=1_000_000_000, help="Put only the first so many.")] = None,
    malformed: Annotated[str, typer.Option(help="Share of malformed records to mix in, such as 1%.")] = "0",
    seed: options.Seed = 42,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Put rides from files onto a stream, as JSON events.

    What Kinesis rejects is put again. The command ends when every event was acknowledged.
    """
    from stream_consumer.kinesis.stream_writer import PredictionStream
    from stream_consumer.local.demo.malformed_events import mixed_in
    from stream_consumer.local.demo.ride_producer import NotPut, Producer, ride_events
    from stream_consumer.training.memory import machine_memory
    from stream_consumer.training.rides import load_rides

    spoiled = options.share(malformed)
    with stages() as stage:
        # What serving would refuse is put all the same: it is for the consumer to sort out.
        loaded = load_rides(rides, bounded=False, progress=stage, most=machine_memory() // _RIDE_BYTES)
        events = list(itertools.islice(ride_events(loaded), limit))
    entries, _ = mixed_in(events, spoiled, seed)
    sink = PredictionStream(options.aws(endpoint_url, region, profile).kinesis, stream)
    with bar("putting rides", len(entries)) as advance:
        try:
            again = Producer(sink, rate).put(entries, lambda chunk, _: advance(len(chunk)))
        except NotPut as error:
            raise NotPut(f"{stream!r}: {error}") from error
    bad = len(entries) - len(events)
    say(f"{len(entries):,} records put on {stream}, {bad:,} of them malformed, {again:,} put again")


def tail(  # noqa: PLR0913 (each is an option)
    *,
    stream: Annotated[str, typer.Option(help="Stream of predictions, by name or ARN.")] = "ride_predictions",
    start: Annotated[str, typer.Option("--from", help="TRIM_HORIZON, LATEST or a time in ISO 8601.")] = "LATEST",
    follow: Annotated[bool, typer.Option(help="Go on as predictions come, or stop at the end.")] = True,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, as on the stream.")] = False,
    id_field: options.IdField = None,
    prediction_field: options.PredictionField = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="File to keep the place in, so that the next start goes on.")
    ] = None,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Show predictions as they come, the first of each event only.

    Every record that was delivered again was also published again; its event_id gives it away, and it is left out.
    """
    from stream_consumer.contract.envelope import Envelope
    from stream_consumer.reader import PredictionReader, load_checkpoint, save_checkpoint

    envelope = Envelope(**options.envelope_names(None, id_field, prediction_field))
    reader = PredictionReader(
        options.aws(endpoint_url, region, profile).kinesis,
        stream,
        start=options.start_at(start),
        follow=follow,
        envelope=envelope,
        checkpoint=load_checkpoint(options.written("--checkpoint", checkpoint)) if checkpoint else None,
    )
    console = Terminal(lines=True)
    if not as_json:
        console.print(
            f"{'arrival':<13}{envelope.id or 'event_id':>14}{'prediction':>12}  {'model and version'}", style="bold"
        )
    try:
        for count, received in enumerate(reader, start=1):
            say(_json(received) if as_json else _row(received), flush=True)
            if count == limit:
                break
    finally:
        if checkpoint:
            save_checkpoint(checkpoint, reader.checkpoint())


def _json(received: "Received") -> str:
    return msgspec.json.encode(received.prediction).decode()


def _shown(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else msgspec.json.encode(value).decode()


def _row(received: "Received") -> str:
    prediction = received.prediction
    arrival = received.arrival.astimezone().strftime("%H:%M:%S.%f")[:-3]
    return f"{arrival:<13}{prediction.id!s:>14}{_shown(prediction.value):>12}  {prediction.model} {prediction.version}"
