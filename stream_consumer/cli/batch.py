"""``batch``: files, objects and tables through the model, by name or by interval."""

import functools
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from stream_consumer.batch.errors import NothingPredicted, StoreFailed
from stream_consumer.batch.locations import Kind
from stream_consumer.cli import options
from stream_consumer.cli.progress import row_bar, stages
from stream_consumer.cli.terminal import OutputFailed, Terminal
from stream_consumer.errors import UsageError

if TYPE_CHECKING:
    from stream_consumer.batch.job import Job, Options
    from stream_consumer.batch.schedule import Names
    from stream_consumer.batch.storage import Stores
    from stream_consumer.batch.summary import Summary
    from stream_consumer.model import Model


def batch(  # noqa: PLR0913 (each is an option)
    places: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT... OUTPUT",
            help="Paths, URLs of objects (s3://, gs://, abfs://) or the URL of a database. Files are Parquet, CSV or "
            "NDJSON by their suffix (.parquet .csv .csv.gz .ndjson .jsonl). An OUTPUT with a / at its end gets a file "
            "for each INPUT.",
            show_default="BATCH_INPUT and BATCH_OUTPUT",
        ),
    ] = None,
    *,
    model: options.ModelLocation = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Skip each INPUT that already has results of this model.")
    ] = False,
    id_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Input column with the ids. Without this column the ids are <input>_<row>.",
            show_default="ID_FIELD",
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of a Parquet or CSV INPUT to copy to the OUTPUT. May be repeated.",
            show_default="no column",
        ),
    ] = None,
    max_rejected: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="Maximum share of rejected rows, such as 1% or 0.01. With more, the command fails.",
            show_default="100%, of 100 rows or more",
        ),
    ] = None,
    jobs: options.Jobs = None,
    date: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="Date or time within the interval of {date}.",
            show_default="DATE or the last complete interval",
        ),
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option(
            metavar="INTERVAL", help="Length of the interval: month, day or hour.", show_default="BATCH_INTERVAL"
        ),
    ] = None,
    bucket: Annotated[
        str | None, typer.Option(metavar="NAME", help="Value of {bucket}.", show_default="BUCKET")
    ] = None,
    query: Annotated[
        str | None,
        typer.Option(metavar="SQL", help="Query for a database as INPUT.", show_default="no database"),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Table for the predictions in a database as OUTPUT.", show_default="no table"
        ),
    ] = None,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Score files, objects and database tables.

    stream-consumer batch rides.parquet minutes.parquet --model model/

    Predictions go to minutes.parquet (ride_id, ride_duration, model, version). Rejected rows go to
    minutes.parquet.rejected.jsonl with their reason. The last file written is minutes.parquet.summary.json, so its
    presence means a complete result. A second run writes the same bytes.

    A name may contain {bucket} and {date:%Y-%m-%d}, the start of an interval:

    stream-consumer batch 's3://{bucket}/{date:%Y-%m}.csv' out/ --date 2021-03-01
    """
    from stream_consumer.batch.job import Options, check
    from stream_consumer.batch.job_list import plan
    from stream_consumer.batch.parallel import cores
    from stream_consumer.batch.schedule import Schedule
    from stream_consumer.batch.storage import Stores

    schedule = Schedule.of(os.environ, datetime.now(UTC), date=date, bucket=bucket, interval=interval)
    planned = plan(*_filled(places or [schedule.source, schedule.target], schedule.names))
    wanted = Options(
        id_column=id_column,
        keep=tuple(dict.fromkeys(keep or ())),
        query=query,
        table=table,
        max_rejected=None if max_rejected is None else options.share("--max-rejected", max_rejected, all_of_it=True),
    )
    clients = functools.cache(lambda: options.aws(endpoint_url, region, profile))
    stores = Stores(lambda: clients().s3)
    check(planned[0], stores, wanted)
    with stages() as stage:
        stage("loading the model")
        loaded = options.chosen_model(model, lambda: clients().s3)
    _run(planned, loaded, stores, wanted, jobs=jobs or cores(), resume=resume)


def _filled(places: list[str], names: "Names") -> tuple[list[str], str]:
    if len(places) == 1:
        raise UsageError(f"{places[0]} is the only location. Name an INPUT and an OUTPUT")
    *sources, target = [names.fill(place) for place in places]
    return sources, target


def _run(  # noqa: PLR0913 (each is an option)
    planned: list["Job"], model: "Model", stores: "Stores", wanted: "Options", *, jobs: int, resume: bool
) -> None:
    from stream_consumer.batch.job import committed, run

    done: list[tuple[Job, Summary, bool]] = []
    try:
        for job in planned:
            earlier = committed(job, stores, model=model, options=wanted) if resume else None
            if earlier is None:
                with row_bar(job.source.name) as progress:
                    summary = run(job, model=model, stores=stores, progress=progress, options=wanted, jobs=jobs)
            done.append((job, earlier or summary, earlier is not None))
    finally:
        # If one fails, those before it are committed all the same.
        if done:
            _say(done)
    nothing = [job.source.name for job, summary, _ in done if summary.rows and not summary.predicted]
    if nothing:
        raise NothingPredicted(f"no row of {', '.join(nothing)} could be predicted. The rejected rows have the reasons")


def _say(done: list[tuple["Job", "Summary", bool]]) -> None:
    """Print what was committed: whatever standard output is, it decides nothing."""
    try:
        _show(done)
        sys.stdout.flush()
    except (OSError, OutputFailed) as error:
        raise StoreFailed(f"all outputs are committed, but the summary was not printed: {error}") from error


def _show(done: list[tuple["Job", "Summary", bool]]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("input", overflow="fold")
    for name in ("rows", "predicted", "rejected"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for job, summary, earlier in done:
        counts = [summary.rows, summary.predicted, summary.rows - summary.predicted]
        table.add_row(job.source.name, *(f"{count:,}" for count in counts), "there already" if earlier else "")
    console = Terminal()
    console.print(table)
    for job, summary, _ in done:
        console.print(f"→ {job.target}", soft_wrap=True)
        if summary.rejected:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in summary.rejected.items())
            console.print(f"  rejected: {reasons}, see {_letters(job)}", soft_wrap=True)


def _letters(job: "Job") -> str:
    from stream_consumer.batch.targets import REJECTED

    return "the table …_rejected" if job.target.kind is Kind.DATABASE else str(job.target.sibling(REJECTED))
