"""``demo``: the main job on this machine, from nothing to a report."""

import contextlib
import functools
import os
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from stream_consumer.cli import options
from stream_consumer.cli.consume import OWN_HANDLER
from stream_consumer.cli.demo_summary import DriftSummary, facts, summary
from stream_consumer.cli.drift_table import HEAD
from stream_consumer.cli.own_model import Prepared, Wanted, own_model
from stream_consumer.cli.progress import run_bars, stages
from stream_consumer.cli.ride_model import CHAMPION, ride_model
from stream_consumer.cli.terminal import Terminal, print_table, say
from stream_consumer.errors import UsageError
from stream_consumer.local.demo.drifted_rides import Drifted
from stream_consumer.profiling.reference import no_reference
from stream_consumer.whole_file import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from stream_consumer.local.demo.function_metrics import MetricsTally
    from stream_consumer.local.demo.monitoring import Monitored
    from stream_consumer.local.demo.run import Outcome
    from stream_consumer.local.runtime.functions import Function

SYNTHETIC_RIDES = 25_000

_UNMONITORED = "Drift was not looked for: the monitoring function reads Kinesis."


def demo(  # noqa: PLR0913 (each is an option)
    *,
    rides: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="TLC rides to put: Parquet or CSV, a path or pattern, an s3:// or an https:// URL. May be repeated.",
            show_default="synthetic rides",
        ),
    ] = None,
    train: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="TLC rides to train on, as --rides. A registered model of the same rides is used again. May be "
            "repeated.",
            show_default="the champion, or a new model of half of --rides",
        ),
    ] = None,
    model: Annotated[str, typer.Option(metavar="LOCATION", help=options.MODEL)] = CHAMPION,
    events: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Events to put instead of rides (with --model): NDJSON or a JSON array of events or bare rows, or CSV "
            "or Parquet with the columns of the model.",
            show_default="rides",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(metavar="COUNT", min=1, max=10_000_000, help="Maximum number of rides or events to put.")
    ] = SYNTHETIC_RIDES,
    rate: Annotated[
        float,
        typer.Option(
            metavar="RATE",
            min=0,
            max=1e6,
            callback=options.number,
            help="Rate of the puts, in records per second. 0: no limit.",
        ),
    ] = 2_500,
    malformed: options.Malformed = "0",
    drift: Annotated[
        Drifted | None,
        typer.Option(
            metavar="KIND",
            help="Change the rides so that the monitor rings. kilometres: distances in kilometres instead of miles. "
            "zeros: 5 % of the distances are 0. zones: zones swapped, without an effect on synthetic rides.",
            show_default="no change",
        ),
    ] = None,
    runtime: Annotated[
        bool, typer.Option("--runtime", help="Run the function as Lambda does, in separate processes.")
    ] = False,
    kafka: Annotated[
        bool, typer.Option("--kafka", help="Use topics of an embedded Kafka broker, and no Lambda function.")
    ] = False,
    shards: Annotated[
        int,
        typer.Option(metavar="COUNT", min=1, max=20, help="Number of shards per stream, or of partitions per topic."),
    ] = 2,
    batch_size: Annotated[
        int, typer.Option(metavar="COUNT", min=1, max=10_000, help="Maximum number of records in a batch.")
    ] = 500,
    report: Annotated[Path, typer.Option(metavar="FILE", help="HTML report to write.")] = Path("demo-report.html"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object, and all else on standard error.")
    ] = False,
    seed: options.Seed = 42,
) -> None:
    """
    Run the pipeline on this machine and count every record.

    The demo trains a model if the registry has no champion, starts an embedded Kinesis and S3, and puts rides unknown
    to the model. The Lambda function consumes the rides through the local event source mapping. The demo reads the
    predictions back and checks that every record came out exactly once, as a prediction or as a dead letter. Then the
    monitoring function measures the drift of the rides from the training data. The exit code is 1 if the counts do not
    add up. Drift does not affect the exit code.

    With --model and --events the demo runs with a model and events of your own. With --kafka the streams are topics of
    an embedded broker, the consumer is a member of a consumer group, and the dead letters are in the embedded S3. Set
    CHALLENGER_LOCATION to add a challenger (docs/challenger.md).
    """
    if train and model != CHAMPION:
        raise UsageError("--train and --model cannot be combined, since both choose the model")
    if events and (rides or train or drift or model == CHAMPION):
        raise UsageError("--events needs a model of your own. Add --model, and leave out --rides, --train and --drift")
    if kafka and runtime:
        raise UsageError("--runtime and --kafka cannot be combined, since --kafka runs no function")
    options.written("--report", report)
    wanted = Wanted(limit, malformed, rate or None, batch_size, seed, drift)
    preparing = own_model(model, events, wanted) if events else ride_model(model, rides, train, wanted)
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        if kafka:
            run = functools.partial(_run_on_topics, partitions=shards)
        else:
            run = functools.partial(_run, runtime=runtime, shards=shards)
        found = _shown(preparing, report, seed, run, _UNMONITORED if kafka else None)
    if as_json:
        say(msgspec.json.encode(found).decode())
    raise typer.Exit(1 if found["faults"] else 0)


def _shown(
    preparing: "AbstractContextManager[Prepared]",
    report: Path,
    seed: int,
    run: "Callable[[Prepared], tuple[Outcome, Monitored | None]]",
    unmonitored: str | None,
) -> dict[str, Any]:
    """
    Run what is prepared, show what comes of it, write the report, and return the facts.

    *unmonitored* says why the run is not monitored, None if only the model may be the cause.
    """
    from stream_consumer.local.demo.report import render

    console = Terminal()
    with preparing as prepared:
        print_table(prepared.about)
        for warning in prepared.warnings:
            console.print(f"warning: {warning}", style="bold yellow")
        outcome, monitored = run(prepared)
    drift = DriftSummary(monitored, prepared.plan.limits, unmonitored or no_reference(prepared.location))
    about = [*prepared.about, ("seed", f"{seed}"), ("command", shlex.join(["stream-consumer", *sys.argv[1:]]))]
    rows = summary(outcome, prepared.plan.envelope.prediction, monitored)
    print_table(rows)
    if drift.rows:
        console.print()
        print_table([HEAD, *drift.rows])
    console.print(drift.advice, style="bold red" if drift.ringing else None)
    write_whole(report, render(outcome, about, rows, drift.html()).encode())
    for fault in outcome.faults:
        console.print(f"does not add up: {fault}", style="bold red")
    console.print(f"report: {report}")
    return facts(outcome, about, drift)


def _run(prepared: Prepared, *, runtime: bool, shards: int) -> "tuple[Outcome, Monitored | None]":
    from stream_consumer.local.demo import monitoring
    from stream_consumer.local.demo.consuming import BUCKET, INPUT_STREAM, OUTPUT_STREAM, function_environment
    from stream_consumer.local.demo.embedded_aws import EmbeddedAws
    from stream_consumer.local.demo.function_metrics import MetricsTally
    from stream_consumer.local.demo.run import run
    from stream_consumer.profiling.profile import Profile

    metrics, since = MetricsTally(), datetime.now(UTC).date()
    streams = {INPUT_STREAM: shards, OUTPUT_STREAM: shards}
    if challengers := os.environ.get("CHALLENGER_STREAM"):
        streams[challengers] = shards
    with EmbeddedAws(streams=streams, buckets=[BUCKET, monitoring.BUCKET]) as aws:
        own = function_environment(str(prepared.directory)) | monitoring.monitor_environment()
        function = functools.partial(_function, {**aws.environment, **own}, metrics, runtime=runtime)
        with function(OWN_HANDLER, environments=shards) as consumer, run_bars() as show:
            outcome = run(prepared.plan, aws.clients(), consumer, metrics, show)
        if not prepared.reference:
            return outcome, None
        # On AWS both run at once. Here they would share a processor, and the latency would be that of both.
        with function(monitoring.HANDLER, environments=1) as monitor, stages() as stage:
            stage("profiling the stream")
            return outcome, monitoring.monitored(monitor, aws.clients(), Profile.decode(prepared.reference), since)


def _run_on_topics(prepared: Prepared, *, partitions: int) -> "tuple[Outcome, Monitored | None]":
    from stream_consumer.local.demo.embedded_kafka import embedded_kafka

    with contextlib.ExitStack() as stack:
        brokers = stack.enter_context(embedded_kafka({"ride_events": partitions, "ride_predictions": partitions}))
        # Only now, when the client of Kafka is known to be installed.
        from stream_consumer.cli.function_log import Lines
        from stream_consumer.composition import compose
        from stream_consumer.local.demo.consuming import BUCKET
        from stream_consumer.local.demo.embedded_aws import EmbeddedAws
        from stream_consumer.local.demo.function_metrics import MetricsTally
        from stream_consumer.local.demo.run import run_on
        from stream_consumer.local.demo.topic_platform import TopicPlatform, consumer_environment
        from stream_consumer.settings import Settings
        from stream_consumer.telemetry import telemetry

        metrics = MetricsTally()
        aws = stack.enter_context(EmbeddedAws(buckets=[BUCKET]))
        os.environ.update({**aws.environment, **consumer_environment(str(prepared.directory), brokers)})
        # Metrics are logged to standard output, which is the command's.
        stack.enter_context(contextlib.redirect_stdout(Lines(metrics.take)))
        report = telemetry(os.environ)
        composed = compose(Settings.of(os.environ), report.started)
        platform = stack.enter_context(TopicPlatform(prepared.plan, brokers, composed, report))
        show = stack.enter_context(run_bars())
        return run_on(platform, prepared.plan, aws.clients(), metrics, show), None


@contextlib.contextmanager
def _function(
    environment: dict[str, str], metrics: "MetricsTally", handler: str, *, runtime: bool, environments: int
) -> "Iterator[Function]":
    """Give the function of *handler* with *environment*; its log lines go to *metrics*."""
    from stream_consumer.cli.function_log import Lines
    from stream_consumer.local.runtime.functions import FunctionConfig, InProcessFunction
    from stream_consumer.local.runtime.worker_pool import RuntimeFunction

    config = FunctionConfig(handler, name="demo")
    if runtime:
        everything = {**os.environ, **environment}
        with RuntimeFunction(config, environments=environments, environment=everything, log=metrics.take) as function:
            yield function
        return
    os.environ.update(environment)
    # The handler logs to standard output, which is the command's.
    with contextlib.redirect_stdout(Lines(metrics.take)), InProcessFunction(config) as function:
        yield function
