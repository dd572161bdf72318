"""``monitor report`` and ``watch``: what profiles and results say, as a page and in a terminal."""

from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Annotated

import typer

from stream_consumer.cli import options
from stream_consumer.cli.drift_table import HEAD, drift_rows
from stream_consumer.cli.progress import stages
from stream_consumer.cli.terminal import Terminal, complain, hint, print_table, say

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from types_boto3_s3 import S3Client

    from stream_consumer.reporting.findings import Findings

Profiles = Annotated[
    str, typer.Option(metavar="LOCATION", help="Profiles of windows: a folder or s3://bucket/profiles.")
]
Results = Annotated[
    str | None,
    typer.Option(
        metavar="LOCATION", help="Results of `monitor quality`, to show the errors.", show_default="no results"
    ),
]


def report(  # noqa: PLR0913 (each is an option)
    *,
    profiles: Profiles,
    results: Results = None,
    model: options.ModelLocation = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Last day, in UTC.", show_default="today")] = None,
    days: Annotated[int, typer.Option(metavar="DAYS", min=1, max=92, help="Number of days in the report.")] = 7,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="HTML page to write.")] = Path(
        "monitor.html"
    ),
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Write an HTML page on drift and errors.

    The page has the distributions against the reference, drift and errors by day, and the worst groups. The exit code
    is 1 if a column or an error rings.
    """
    from stream_consumer.reporting.page import render
    from stream_consumer.whole_file import write_whole

    options.written("--output", output)
    last = options.day("--until", until) if until else datetime.now(UTC).date()
    find = _finder(profiles, results, model, aws=(endpoint_url, region, profile))
    with stages() as stage:
        stage("reading profiles and results")
        findings = find(last, days)
    write_whole(output, render(findings).encode())
    if not sum(day.windows for day in findings.days):
        hint(f"no window of this model is in {profiles}, from {findings.first} to {findings.last}")
    for sentence in findings.rings:
        say(sentence)
    say(f"report: {output}")
    raise typer.Exit(1 if findings.rings else 0)


def watch(  # noqa: PLR0913 (each is an option)
    *,
    profiles: Profiles,
    results: Results = None,
    model: options.ModelLocation = None,
    every: Annotated[int, typer.Option(metavar="SECONDS", min=1, max=3_600, help="Refresh interval, in seconds.")] = 60,
    once: Annotated[bool, typer.Option("--once", help="Show the drift once, and stop.")] = False,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Show today's drift and the last errors until Ctrl-C.

    Days are UTC. A window appears when closed, up to 15 minutes after its first record.
    """
    from stream_consumer.batch.errors import StoreFailed

    find = _finder(profiles, results, model, aws=(endpoint_url, region, profile))
    _look(find, clear=not once)
    while not once:
        sleep(every)
        try:
            _look(find, clear=True)
        except StoreFailed as error:  # of the first look it would be what the user said
            complain(f"warning: {error}")


def _look(find: "Callable[[date, int], Findings]", *, clear: bool) -> None:
    """Show the state of now; with *clear* a terminal shows nothing else."""
    now = datetime.now(UTC)
    findings = find(now.date(), _WATCHED_DAYS)
    if clear:
        Terminal().clear()  # which does nothing to a file or pipe
    print_table(state(findings, now))
    print_table([HEAD, *drift_rows(findings.daily[-1], findings.daily_limits[-1])])


_WATCHED_DAYS = 8
"""Today, and the days whose outcomes may have been judged last."""


def state(findings: "Findings", now: datetime) -> list[tuple[str, str]]:
    """Return the state at *now* as rows: the last of the days is today."""
    from stream_consumer.cli.monitor_quality import told

    today = findings.days[-1]
    rows = [
        ("at", f"{now:%Y-%m-%d %H:%M:%S} UTC"),
        ("model", findings.model),
        ("windows today", f"{today.windows:,}, {today.others:,} of other models"),
        ("records", f"{today.records:,}, {today.invalid:,} invalid, {today.skipped:,} not profiled"),
    ]
    for result in findings.results[-1:]:
        judged = f"{told(result.errors)}, {result.errors.coverage:.1%} judged"
        rows += [(f"error of {result.day}", judged), *(("rings", name) for name in result.rings)]
    return rows


def _finder(
    profiles: str, results: str | None, model: str | None, *, aws: tuple[str | None, str | None, str | None]
) -> "Callable[[date, int], Findings]":
    """
    Return what collects the findings of some days up to a last one. The model is loaded once.

    Raises:
        UsageError: A location is neither a folder nor a prefix.
        InitError: The environment or the model is wrong.
    """
    from stream_consumer.archive.layout import archive_at
    from stream_consumer.batch.storage import Stores
    from stream_consumer.monitor.day_profile import days_to
    from stream_consumer.reporting.collect import collect

    where, judged = archive_at(profiles), archive_at(results) if results is not None else None

    def s3() -> "S3Client":
        return options.aws(*aws).s3

    loaded, stores = options.chosen_model(model, s3), Stores(s3)
    return lambda last, count: collect(
        stores, loaded, days_to(last, count), where, judged, today=datetime.now(UTC).date()
    )
