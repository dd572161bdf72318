"""``status`` and ``logs``: how a deployed environment is doing, and what its functions say."""

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.table import Table

from stream_consumer.cli import options
from stream_consumer.cli.terminal import Terminal, say

if TYPE_CHECKING:
    from stream_consumer.operate.status import Alarm, Status

# Source: Amazon CloudWatch user guide, "Metrics retention": values of a minute are kept for 15 days.
_LONGEST = 15 * 86_400


def status(  # noqa: PLR0913 (each is an option)
    *,
    env: options.Env = "dev",
    function: options.Functions = None,
    since: Annotated[
        str, typer.Option(metavar="DURATION", help="Time span of the numbers: 90s, 10m, 2h or 1d.")
    ] = "1h",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Show the health of a deployed environment.

    Each function is shown with its live version, event source mapping, iterator age, errors and dead letters. Alarms in
    state ALARM follow, with their remedies. The exit code is 1 if an alarm is in state ALARM or a mapping is not
    enabled.
    """
    from stream_consumer.operate.deployment import names, prefix_of
    from stream_consumer.operate.status import alarms, statuses

    window = timedelta(seconds=options.seconds("--since", since, _LONGEST))
    clients = options.aws(endpoint_url, region, profile)
    found = statuses(clients, function or names(clients, env), window, datetime.now(UTC))
    watched = alarms(clients.cloudwatch, [f"{name}-" for name in function] if function else [prefix_of(env)])
    ringing = [alarm for alarm in watched if alarm.state == "ALARM"]
    if as_json:
        say(_json(found, watched))
    else:
        _show(found, watched, ringing, since)
    if ringing or not all(one.is_reading for one in found):
        raise typer.Exit(1)


def _json(found: Sequence["Status"], watched: Sequence["Alarm"]) -> str:
    functions = [
        {
            "function": one.function.name,
            "live_version": one.function.version,
            "canary": dict(one.function.canary),
            "published": one.function.published,
            "mappings": [dataclasses.asdict(source) for source in one.function.sources],
            **{f"{name}_ms" if name == "iterator_age" else name: value for name, value in one.numbers.items()},
            "dead_letters_location": one.function.dead_letters,
        }
        for one in found
    ]
    return msgspec.json.encode(
        {"functions": functions, "alarms": [dataclasses.asdict(alarm) for alarm in watched]}
    ).decode()


def _show(found: Sequence["Status"], watched: Sequence["Alarm"], ringing: Sequence["Alarm"], since: str) -> None:
    console = Terminal()
    for one in found:
        console.print(one.function.name, style="bold", soft_wrap=True)
        table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for row in _rows(one, since):
            table.add_row(*row)
        console.print(table)
    console.print(f"{len(ringing)} of {len(watched)} alarms", style="bold")
    lines = Terminal(lines=True)
    for alarm in ringing:
        lines.print(f"  {alarm.state} {alarm.name}: {alarm.reason}")


def _rows(one: "Status", since: str) -> Iterator[tuple[str, str]]:
    deployed, numbers = one.function, one.numbers
    shares = "".join(f", {share:.0%} to {version}" for version, share in deployed.canary.items())
    yield "  live version", f"{deployed.version}{shares}, of {deployed.published}"
    for source in deployed.sources:
        result = f", {source.result}" if source.result else ""
        yield "  mapping", f"{source.state}, reads {source.stream}{result}"
    if deployed.sources:
        yield "  iterator age", f"{_age(numbers['iterator_age'])} in {since}"
    counts = {name: _count(numbers[name]) for name in ("invocations", "errors", "throttles", "dead_letters")}
    yield "  errors", f"{counts['errors']} of {counts['invocations']} invocations in {since}"
    yield "  throttles", f"{counts['throttles']} in {since}"
    if deployed.dead_letters:
        yield "  dead letters", f"{counts['dead_letters']} in {since}, in {deployed.dead_letters}"


def _count(value: float | None) -> str:
    return "0" if value is None else f"{value:,.0f}"  # a count that nobody made is none


def _age(milliseconds: float | None) -> str:
    return "no value" if milliseconds is None else f"{milliseconds / 1000:,.1f} s at most"


def logs(  # noqa: PLR0913 (each is an option)
    *,
    env: options.Env = "dev",
    function: options.Functions = None,
    since: Annotated[str, typer.Option(metavar="DURATION", help="Age of the oldest line: 90s, 10m, 2h or 1d.")] = "10m",
    follow: Annotated[bool, typer.Option("--follow", help="Wait for new lines until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object per line, and metrics too.")] = False,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Show the log lines of a deployed environment's functions.

    The oldest lines come first. Times are UTC. Without --json, lines of metrics are left out.
    """
    from stream_consumer.operate import deployment, function_logs

    clients = options.aws(endpoint_url, region, profile)
    wanted = function or deployment.names(clients, env)
    groups = {name: deployment.function(clients, name).log_group for name in wanted}
    begin = round((time.time() - options.seconds("--since", since, 3_650 * 86_400)) * 1000)

    def read(start: int) -> Iterator[function_logs.Line]:
        return function_logs.lines(clients.logs, groups, start)

    show = _log_json if as_json else _log_line
    for line in function_logs.follow(read, begin, time.sleep) if follow else read(begin):
        if text := show(line, many=len(groups) > 1):
            say(text, flush=True)


def _log_json(line: Any, *, many: bool) -> str:
    del many
    about: Mapping[str, Any] = {"time": _iso(line.time), "function": line.function, "message": line.text}
    return msgspec.json.encode(about).decode()


def _log_line(line: Any, *, many: bool) -> str:
    from stream_consumer.cli.function_log import readable

    if line.text.startswith('{"_aws"'):
        return ""
    return f"{_iso(line.time)} {f'{line.function} ' if many else ''}{readable(line.text)}"


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
