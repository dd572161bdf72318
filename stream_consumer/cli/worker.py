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
    queue: Annotated[str, typer.Option(metavar="URL", envvar="QUEUE_URL", help="SQS queue with S3's notifications.")],
    output: Annotated[
        str,
        typer.Option(
            metavar="TEMPLATE",
            envvar="BATCH_OUTPUT_KEYED",
            help="Location of the predictions of an object. {bucket}, {key} and {stem} stand for the object's bucket, "
            "key and key without suffix.",
        ),
    ] = _OUTPUT,
    model: options.ModelLocation = None,
    exit_when_empty: Annotated[
        bool, typer.Option("--exit-when-empty", help="Stop after 20 seconds without a message.")
    ] = False,
    grace: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0,
            max=86_400,
            callback=options.number,
            help="Time to finish the current object after SIGTERM or Ctrl-C, in seconds.",
        ),
    ] = 20.0,
    # It counts from before the poll, and a third of it passes before each heartbeat, of which one may fail: less than
    # 30 s would be lost in passing. SQS hides nothing for longer than 43200 s.
    lease: Annotated[
        int,
        typer.Option(
            metavar="SECONDS",
            min=30,
            max=43200,
            help="Time until the message of a dead worker returns to the queue, in seconds. A live worker renews the "
            "lease.",
        ),
    ] = 120,
    jobs: options.Jobs = None,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Score each object announced on an SQS queue.

    A bucket sends its notifications to the queue. Any number of workers may share the queue. A message is deleted when
    the outputs of its objects are committed. After a failure the message goes back to the queue. After the receives
    allowed by the queue's redrive policy, the message goes to the dead-letter queue, so set a redrive policy. SIGTERM
    lets the worker finish its object within --grace, or else returns the message. A second SIGTERM stops at once.

    In a container started on demand:

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
