"""``worker``: score the objects that a queue tells of."""

import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream_consumer.cli import options
from stream_consumer.cli.signals import asking
from stream_consumer.cli.terminal import Terminal
from stream_consumer.contract.printable import log_line

if TYPE_CHECKING:
    from stream_consumer.worker.loop import Log

_OUTPUT = "s3://{bucket}/predictions/{key}"


def worker(  # noqa: PLR0913 (each is an option)
    *,
    queue: Annotated[str, typer.Option(metavar="URL", envvar="QUEUE_URL", help="The SQS queue of S3's notifications.")],
    output: Annotated[
        str,
        typer.Option(
            metavar="TEMPLATE",
            envvar="BATCH_OUTPUT_KEYED",
            help="Where the predictions of an object go; {bucket}, {key} and {stem} are its own.",
        ),
    ] = _OUTPUT,
    model: Annotated[
        str | None, typer.Option(metavar="LOCATION", help="The model, instead of MODEL_LOCATION.", show_default=False)
    ] = None,
    exit_when_empty: Annotated[
        bool, typer.Option("--exit-when-empty", help="Stop when polling for 20 s finds nothing; without it, go on.")
    ] = False,
    grace: Annotated[
        float,
        typer.Option(
            min=0,
            max=86_400,
            callback=options.number,
            help="Seconds that the object at hand has after SIGTERM or Ctrl-C.",
        ),
    ] = 20.0,
    # It counts from before the poll, and a third of it passes before each heartbeat, of which one may fail: less than
    # 30 s would be lost in passing. SQS hides nothing for longer than 43200 s.
    lease: Annotated[
        int,
        typer.Option(
            min=30, max=43200, help="Seconds until others get the work of a worker that died; renewed meanwhile."
        ),
    ] = 120,
    jobs: options.Jobs = None,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Score each object that an SQS queue announces.

    A bucket sends its notifications to the queue. Run as many workers as you like. A message is deleted when the
    outputs of its objects are committed. What fails goes back to the queue. After as many receives as the queue's
    redrive policy says, it goes to the dead-letter queue, so give the queue one. SIGTERM lets the object at hand
    finish within --grace, or hands it back. A second SIGTERM does not wait.

    In a container that starts when there is work:

    stream-consumer worker --queue URL --exit-when-empty
    """
    from stream_consumer.batch.parallel import cores
    from stream_consumer.batch.storage import Stores
    from stream_consumer.worker.loop import Scoring, Worker, targets
    from stream_consumer.worker.queue import Queue
    from stream_consumer.worker.shutdown import Shutdown

    target = targets(output)
    clients = options.aws(endpoint_url, region, profile)
    loaded = options.chosen_model(model, lambda: clients.s3)
    log, shutdown = _log(), Shutdown(grace)
    log.info("model loaded", extra={"model": loaded.name, "version": loaded.version, "digest": loaded.digest})

    worker = Worker(
        Queue(clients.sqs, queue, hidden_seconds=lease),
        Scoring.of(loaded, Stores(lambda: clients.s3), target, jobs or cores()),
        shutdown,
        log,
        lease_seconds=lease,
    )
    try:
        with asking(shutdown):
            worker.work(until_empty=exit_when_empty)
    finally:
        log.info("worker ends", extra=asdict(worker.tally))


def _log() -> "Log":
    """JSON where a machine reads it, as the functions log; lines for people in a terminal."""
    if sys.stdout.isatty():
        return _Lines()
    from stream_consumer.environment_variables import powertools

    made: Log = powertools(os.environ).Logger(
        service=os.environ.get("POWERTOOLS_SERVICE_NAME", "stream-consumer"), json_serializer=log_line
    )
    return made


class _Lines:
    def __init__(self) -> None:
        self._console = Terminal(lines=True)

    def info(self, msg: object, *, extra: dict[str, Any]) -> None:
        self._say(msg, extra)

    def warning(self, msg: object, *, extra: dict[str, Any]) -> None:
        self._say(msg, extra, style="yellow")

    def _say(self, msg: object, extra: dict[str, Any], style: str | None = None) -> None:
        self._console.print(f"{msg}: " + ", ".join(f"{name} {value}" for name, value in extra.items()), style=style)
