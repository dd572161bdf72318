"""``dead-letters``: what could not be scored, and why."""

from collections import Counter
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from stream_consumer.cli import options
from stream_consumer.contract import DeadLetter, Reason
from stream_consumer.errors import UsageError

app = typer.Typer(
    name="dead-letters",
    help="List and show the records that could not be scored.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

Bucket = Annotated[str, typer.Option(envvar="DEAD_LETTER_BUCKET", help="Bucket of the dead letters.")]
Prefix = Annotated[str, typer.Option(envvar="DEAD_LETTER_PREFIX", help="Their key prefix.")]


@app.command("list")
def list_(  # noqa: PLR0913 (each is an option)
    *,
    bucket: Bucket,
    prefix: Prefix = "dead-letters",
    reason: Annotated[Reason | None, typer.Option(help="Only these.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, as it is stored.")] = False,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """List dead letters, each event once, with the totals by reason."""
    from stream_consumer.local.dead_letters import stored_letters

    clients = options.aws(endpoint_url, region, profile)
    console = Console(highlight=False, soft_wrap=True)
    totals: Counter[str] = Counter()
    for stored in stored_letters(clients.s3, bucket, prefix):
        letter = stored.letter
        if reason in {None, letter.reason}:
            totals[letter.reason.value] += 1
            print(msgspec.json.encode(letter).decode() if as_json else _row(letter))
    if not as_json:
        counts = ", ".join(f"{count} {name}" for name, count in totals.most_common())
        console.print(f"[bold]{totals.total()} dead letters[/]" + (f": {counts}" if counts else ""))


def _row(letter: DeadLetter) -> str:
    return f"{letter.arrival or '-':<25} {letter.reason.value:<12} {letter.path:<26} {letter.event_id or '-'}"


@app.command("show")
def show(  # noqa: PLR0913 (each is an option)
    event_id: Annotated[str, typer.Argument(help="The event's id, as `list` prints it.")],
    *,
    bucket: Bucket,
    prefix: Prefix = "dead-letters",
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """Show one dead letter with its original bytes."""
    from stream_consumer.local.dead_letters import stored_letters

    clients = options.aws(endpoint_url, region, profile)
    for key, letter in stored_letters(clients.s3, bucket, prefix):
        if letter.event_id == event_id:
            table = Table(show_header=False, box=None)
            for name in DeadLetter.__struct_fields__:
                value = getattr(letter, name)
                table.add_row(name, repr(value) if isinstance(value, bytes) else str(value))
            table.add_row("object", f"s3://{bucket}/{key}")
            Console(highlight=False, markup=False).print(table)
            return
    raise UsageError(f"no dead letter under s3://{bucket}/{prefix}/ has the event id {event_id!r}; `list` shows them")
