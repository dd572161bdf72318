"""``demo``: the main job on this machine, from nothing to a report."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from stream_consumer.cli import options
from stream_consumer.cli.consume import OWN_HANDLER
from stream_consumer.cli.own_model import Wanted, own_model, prediction_rows
from stream_consumer.cli.progress import run_bars
from stream_consumer.cli.ride_model import CHAMPION, ride_model
from stream_consumer.cli.terminal import Terminal, print_table
from stream_consumer.errors import UsageError
from stream_consumer.whole_file import write_whole

if TYPE_CHECKING:
    from stream_consumer.local.demo.function_metrics import MetricsTally
    from stream_consumer.local.demo.run import Outcome, Plan
    from stream_consumer.local.runtime.functions import Function

SYNTHETIC_RIDES = 25_000


def demo(  # noqa: PLR0913 (each is an option)
    *,
    rides: Annotated[
        list[str] | None,
        typer.Option(
            help="TLC rides to put: Parquet or CSV, a path or pattern, an s3:// or an https:// URL. May be repeated. "
            "Default: synthetic rides."
        ),
    ] = None,
    train: Annotated[
        list[str] | None,
        typer.Option(
            help="TLC rides to train on, as --rides. A model of these very rides is used again. "
            "Default: the champion, or a first model of half of --rides."
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="Directory, s3://, champion.json, models:/name@alias.")] = CHAMPION,
    events: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --model: events of your own instead of rides. NDJSON or a JSON array of events or bare rows, "
            "CSV or Parquet with a column for each of the model's.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000_000, help="Maximum number of rides or events to put.")
    ] = SYNTHETIC_RIDES,
    rate: Annotated[
        float,
        typer.Option(min=0, max=1e6, callback=options.number, help="Records put a second; 0 for as fast as they go."),
    ] = 2_500,
    malformed: Annotated[
        str,
        typer.Option(
            help="Share of malformed records to mix in, such as 1%. With --events these are records that are not JSON."
        ),
    ] = "0",
    runtime: Annotated[
        bool, typer.Option("--runtime", help="Run the function as Lambda does, in processes of its own.")
    ] = False,
    shards: Annotated[int, typer.Option(min=1, max=20, help="Shards of each stream.")] = 2,
    batch_size: Annotated[int, typer.Option(min=1, max=10_000, help="Records of a batch.")] = 500,
    report: Annotated[Path, typer.Option(help="HTML report.")] = Path("demo-report.html"),
    seed: options.Seed = 42,
) -> None:
    """
    Run the main job on this machine and count everything.

    Trains a model if there is none, starts an embedded Kinesis and S3, puts rides, consumes them with the Lambda
    function through the local event source mapping, reads the predictions back and checks that every record that was
    put came out once: as a prediction or as a dead letter. The rides put are rides that the model was not trained on.
    Exit code 1 if the counts do not add up.

    With --model and --events the same is done with a model and events of your own.
    CHALLENGER_LOCATION and the other settings of a challenger hold here, too (docs/challenger.md).
    """
    if train and model != CHAMPION:
        raise UsageError("--train makes a model and --model names one: give one of the two")
    if events and (rides or train or model == CHAMPION):
        raise UsageError(
            "--events are for a model of your own: name it with --model, and leave out --rides and --train"
        )
    options.written("--report", report)
    console = Terminal()
    wanted = Wanted(limit, malformed, rate or None, batch_size, seed)
    with contextlib.ExitStack() as stack:
        prepared = stack.enter_context(
            own_model(model, events, wanted) if events else ride_model(model, rides, train, wanted)
        )
        print_table(prepared.about)
        for warning in prepared.warnings:
            console.print(f"warning: {warning}", style="bold yellow")
        outcome = _run(prepared.plan, prepared.directory, runtime=runtime, shards=shards)
    rows = _summary(outcome, prepared.plan.envelope.prediction)
    print_table(rows)
    _write_report(report, outcome, dict(prepared.about) | {"seed": str(seed)}, rows)
    for fault in outcome.faults:
        console.print(f"does not add up: {fault}", style="bold red")
    console.print(f"report: {report}")
    raise typer.Exit(1 if outcome.faults else 0)


def _run(plan: "Plan", directory: Path, *, runtime: bool, shards: int) -> "Outcome":
    from stream_consumer.local.demo.consuming import BUCKET, INPUT_STREAM, OUTPUT_STREAM, function_environment
    from stream_consumer.local.demo.embedded_aws import EmbeddedAws
    from stream_consumer.local.demo.function_metrics import MetricsTally
    from stream_consumer.local.demo.run import run

    metrics = MetricsTally()
    streams = {INPUT_STREAM: shards, OUTPUT_STREAM: shards}
    if challengers := os.environ.get("CHALLENGER_STREAM"):
        streams[challengers] = shards
    with contextlib.ExitStack() as stack:
        aws = stack.enter_context(EmbeddedAws(streams=streams, buckets=[BUCKET]))
        environment = {**aws.environment, **function_environment(str(directory))}
        function = stack.enter_context(_function(environment, metrics, runtime=runtime, environments=shards))
        show = stack.enter_context(run_bars())
        return run(plan, aws.clients(), function, metrics, show)


@contextlib.contextmanager
def _function(
    environment: dict[str, str], metrics: "MetricsTally", *, runtime: bool, environments: int
) -> "Iterator[Function]":
    """Give the function with *environment*; its log lines go to *metrics*."""
    from stream_consumer.cli.function_log import Lines
    from stream_consumer.local.runtime.functions import FunctionConfig, InProcessFunction
    from stream_consumer.local.runtime.worker_pool import RuntimeFunction

    config = FunctionConfig(OWN_HANDLER, name="demo")
    if runtime:
        everything = {**os.environ, **environment}
        with RuntimeFunction(config, environments=environments, environment=everything, log=metrics.take) as function:
            yield function
        return
    os.environ.update(environment)
    # The handler logs to standard output, which is the command's.
    with contextlib.redirect_stdout(Lines(metrics.take)), InProcessFunction(config) as function:
        yield function


def _summary(outcome: "Outcome", name: str) -> list[tuple[str, str]]:
    dead = sum(outcome.dead_letters.values())
    by_reason = ", ".join(f"{count:,} {reason.value}" for reason, count in outcome.dead_letters.items() if count)
    came_out = f"{outcome.predicted:,} + {dead:,} + {outcome.discarded:,}"
    rows = [
        ("put", f"{outcome.put:,} ({outcome.put_again:,} put again)"),
        ("predictions", f"{outcome.predicted:,} ({outcome.duplicates:,} duplicates left out)"),
        ("dead letters", f"{dead:,}" + (f": {by_reason}" if by_reason else "")),
        ("discarded", f"{outcome.discarded:,}"),
        (
            "adds up",
            "no" if outcome.faults else f"yes: {outcome.put:,} = {came_out}",
        ),
        ("throughput", f"{outcome.records_per_second:,.0f} records/s over {outcome.seconds:.1f} s"),
    ]
    if len(outcome.latencies):
        p50, p95, p99 = (f"{value * 1000:,.0f}" for value in np.percentile(outcome.latencies, (50, 95, 99)))
        rows.append(("put-to-prediction", f"p50 {p50} ms, p95 {p95} ms, p99 {p99} ms"))
    if len(outcome.actual):
        rows.append(("RMSE", f"{outcome.rmse:.2f} min against the true durations"))
    else:
        rows += [("commonest fault", outcome.fault)] if outcome.fault else []
        rows += prediction_rows(outcome.predictions, name)
    invocations = f"{outcome.invocations:,}, {outcome.metrics.get('ModelTime', 0):,.0f} ms in the model"
    if os.environ.get("CHALLENGER_LOCATION"):
        rows.append(("challenger", _challenger(outcome.metrics)))
    if outcome.failed_invocations:
        rows.append(("failed invocations", f"{outcome.failed_invocations:,}, the last with {outcome.last_error}"))
    return [*rows, ("invocations", f"{invocations}, {outcome.metrics.get('EntriesResent', 0):,.0f} entries resent")]


def _challenger(sums: Mapping[str, float]) -> str:
    compared, disagreements, failures, skipped = (
        f"{sums.get(f'Challenger{name}', 0):,.0f}" for name in ("Compared", "Disagreements", "Failures", "Skipped")
    )
    return f"{compared} compared, {disagreements} of them disagree, {failures} failed, {skipped} skipped"


def _write_report(path: Path, outcome: "Outcome", about: dict[str, str], rows: list[tuple[str, str]]) -> None:
    from stream_consumer.local.demo.report import render

    write_whole(path, render(outcome, about, rows).encode())
