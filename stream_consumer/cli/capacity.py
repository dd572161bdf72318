"""``capacity``: from what comes in to shards, concurrency, age and dollars a month."""

from typing import Annotated

import typer
from rich.table import Table

from stream_consumer.cli.terminal import Terminal


def capacity(  # noqa: PLR0913 (each is an option)
    events_per_second: Annotated[
        float, typer.Argument(metavar="RATE", help="Average rate over the month, in events per second.")
    ],
    *,
    peak: Annotated[
        float | None,
        typer.Option(metavar="RATE", help="Rate during a burst, in events per second.", show_default="the average"),
    ] = None,
    event_bytes: Annotated[
        int, typer.Option(metavar="BYTES", help="Size of a record's data and partition key, in bytes.")
    ] = 120,
    invocation_ms: Annotated[
        float, typer.Option(metavar="MILLISECONDS", help="Time per invocation without its records, in milliseconds.")
    ] = 30,
    record_us: Annotated[
        float, typer.Option(metavar="MICROSECONDS", help="Time per record, in microseconds, as measured by make bench.")
    ] = 30,
    batch_size: Annotated[int, typer.Option(metavar="COUNT", help="Maximum number of records in a batch.")] = 1000,
    memory: Annotated[int, typer.Option(metavar="MB", help="Memory of the function, in MB.")] = 1769,
    burst_minutes: Annotated[float, typer.Option(metavar="MINUTES", help="Length of a burst, in minutes.")] = 10,
    outage_minutes: Annotated[
        float, typer.Option(metavar="MINUTES", help="Length of an outage to survive, in minutes.")
    ] = 60,
    shards: Annotated[
        int | None,
        typer.Option(metavar="COUNT", help="Number of shards of the input stream.", show_default="as many as needed"),
    ] = None,
    factor: Annotated[
        int | None,
        typer.Option(metavar="COUNT", help="Parallelization factor, 1 to 10.", show_default="as large as needed"),
    ] = None,
) -> None:
    """
    Estimate shards, concurrency, iterator age and cost.

    docs/capacity.md has the formulae, the prices and their date.
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
