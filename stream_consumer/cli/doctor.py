"""``doctor``: what is installed and reachable, what needs it, and how to get it."""

import dataclasses
import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from stream_consumer.cli import options
from stream_consumer.cli.terminal import Terminal, say

if TYPE_CHECKING:
    from stream_consumer.operate.doctor import Finding


def doctor(
    jobs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="JOB",
            help="Command or make target whose needs are checked, such as demo or deploy.",
            show_default="all jobs",
        ),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object per line.")] = False,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Check this machine and AWS for the needs of the commands.

    Each line starts with ok or missing. A missing line names the remedy and the jobs in need. The exit code is 1 only
    if a named JOB misses something.
    """
    from stream_consumer.operate.doctor import checks, examine
    from stream_consumer.operate.machine import Tools

    clients = functools.cache(lambda: options.aws(endpoint_url, region, profile))
    looks = checks(
        Tools(os.environ),
        clients,
        lambda: options.chosen_model(None, lambda: clients().s3),
        endpoint=endpoint_url or os.environ.get("AWS_ENDPOINT_URL"),
        folder=Path.cwd(),
    )
    console, missing = Terminal(lines=True), False
    for finding in examine(looks, jobs or []):
        missing |= not finding.ok
        if as_json:
            say(msgspec.json.encode(dataclasses.asdict(finding)).decode(), flush=True)
        else:
            console.print(_line(finding))
    if missing and jobs:
        raise typer.Exit(1)


def _line(finding: "Finding") -> str:
    about = f"{'ok' if finding.ok else 'missing':<8}{finding.subject:<11}{finding.seen}"
    return about if finding.ok else f"{about}: {finding.remedy} (needed by {', '.join(finding.needed_by)})"
