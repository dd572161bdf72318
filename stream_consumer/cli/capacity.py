"""``capacity``: from what comes in to shards, concurrency, age and dollars a month."""

from typing import Annotated

import typer
from rich.table import Table

from stream_consumer.cli.terminal import Terminal


def capacity(  # noqa: PLR0913 (each is an option)
    events_per_second: Annotated[float, typer.Argument(help="On average, over the month.")],
    *,
    peak: Annotated[float | None, typer.Option(help="Events a second in a burst; without it the average.")] = None,
    event_bytes: Annotated[int, typer.Option(help="Of a record's data and partition key.")] = 120,
    invocation_ms: Annotated[float, typer.Option(help="Of an invocation, whatever its size.")] = 30,
    record_us: Annotated[float, typer.Option(help="Of a record more in a batch (make bench measures it).")] = 30,
    batch_size: Annotated[int, typer.Option(help="Records of a batch, at most.")] = 1000,
    memory: Annotated[int, typer.Option(help="MB of the function.")] = 1769,
    burst_minutes: Annotated[float, typer.Option(help="How long a burst lasts.")] = 10,
    outage_minutes: Annotated[float, typer.Option(help="How long an outage to think of lasts.")] = 60,
    shards: Annotated[int | None, typer.Option(help="Of the input stream; without it as many as it takes.")] = None,
    factor: Annotated[int | None, typer.Option(help="Parallelization factor; without it as it takes.")] = None,
) -> None:
    """
    Estimate shards, concurrency, iterator age and cost.

    The formulae, the prices and their date are in docs/capacity.md.
    """
    from stream_consumer.operate.capacity import Workload, estimate

    workload = Workload(
        events_per_second=events_per_second,
        peak_events_per_second=peak,
        event_bytes=event_bytes,
        invocation_ms=invocation_ms,
        record_us=record_us,
        batch_size=batch_size,
        memory_mb=memory,
        burst_minutes=burst_minutes,
        outage_minutes=outage_minutes,
        shards=shards,
        parallelization_factor=factor,
    )
    answer = estimate(workload)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("shards", f"{answer.input_shards} in, {answer.output_shards} out")
    table.add_row("parallelization factor", f"{answer.parallelization_factor}")
    table.add_row("concurrency to reserve", f"{answer.concurrency}")
    table.add_row("capacity", f"{answer.capacity:,.0f} events/s")
    table.add_row("a batch", f"{answer.records_per_batch:,.0f} records, {answer.batch_ms:,.0f} ms")
    table.add_row("iterator age", f"{answer.iterator_age:,.1f} s when keeping up")
    for what, backlog in (("a burst", answer.burst), ("an outage", answer.outage)):
        table.add_row(f"after {what}", f"{backlog.iterator_age:,.0f} s behind, {backlog.catch_up:,.0f} s to catch up")
    if answer.given_up:
        table.add_row("", "[bold red]the outage outlasts the mapping's maximum record age[/]")
    cost = answer.cost
    table.add_row("dollars a month", f"{cost.function:,.0f} function")
    table.add_row("", f"{cost.provisioned_streams:,.0f} provisioned or {cost.on_demand_streams:,.0f} on-demand streams")
    Terminal().print(table)
