"""``demo-loop``: train, prove, release, refuse and roll back on this machine, while a stream runs."""

import contextlib
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.text import Text

from stream_consumer.cli import options
from stream_consumer.cli.consume import OWN_HANDLER
from stream_consumer.cli.progress import stages
from stream_consumer.cli.terminal import Terminal, print_table, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream_consumer.local.demo.loop.acts import Act, LoopOptions
    from stream_consumer.local.demo.loop.audit import Audit


def demo_loop(  # noqa: PLR0913 (each is an option)
    *,
    rides: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="TLC rides, as for the demo. The last full month of all rides arrives during the loop. May be "
            "repeated.",
            show_default="synthetic rides",
        ),
    ] = None,
    train: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="TLC rides of the months before, as --rides. May be repeated.",
            show_default="no further rides",
        ),
    ] = None,
    count: Annotated[
        int, typer.Option(metavar="COUNT", min=3_000, max=10_000_000, help="Number of synthetic rides.")
    ] = 40_000,
    rate: Annotated[
        float,
        typer.Option(
            metavar="RATE", min=10, max=5_000, callback=options.number, help="Rate of the puts, in records per second."
        ),
    ] = 400,
    records: Annotated[
        int,
        typer.Option(
            metavar="COUNT", min=1, max=1_000_000, help="Number of predictions by each release before the next step."
        ),
    ] = 2_000,
    malformed: options.Malformed = "1%",
    shards: Annotated[int, typer.Option(metavar="COUNT", min=1, max=20, help="Number of shards per stream.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object per line.")] = False,
    seed: options.Seed = 42,
) -> None:
    """
    Show a model's whole life cycle, from training to rollback.

    The loop runs on an embedded Kinesis and S3. A first champion is trained and released. Newer rides arrive on the
    stream. A better model is proven, challenges the champion and is released without a lost record. A bad model is
    refused, and the champion is rolled back. The exit code is 1 if a record is lost or a step has an unexpected result.
    """
    from stream_consumer.local.demo.loop.acts import LoopOptions

    wanted = LoopOptions(
        handler=OWN_HANDLER,
        seed=seed,
        rate=rate,
        records=records,
        malformed=options.share("--malformed", malformed),
        shards=shards,
    )
    audit = _played([*(train or ()), *(rides or ())], count, wanted, _say_json if as_json else _Acts())
    summary = _summary(audit)
    if as_json:
        _print_json({"champions": audit.phases, **summary})
    else:
        _print_phases(audit)
        _print(summary)
    for fault in audit.faults:
        Terminal(stderr=as_json).print(f"does not add up: {fault}", style="bold red")
    raise typer.Exit(1 if audit.faults else 0)


def _played(sources: list[str], count: int, wanted: "LoopOptions", tell: "Callable[[Act], object]") -> "Audit":
    from stream_consumer.local.demo.consuming import BUCKET, INPUT_STREAM, OUTPUT_STREAM
    from stream_consumer.local.demo.embedded_aws import EmbeddedAws
    from stream_consumer.local.demo.loop.acts import MODELS_BUCKET, Loop
    from stream_consumer.local.demo.loop.rides import loop_rides

    with stages() as stage:
        stage("making rides")
        of_the_loop = loop_rides(sources, count, wanted.seed, stage)
    streams = {INPUT_STREAM: wanted.shards, OUTPUT_STREAM: wanted.shards}
    with contextlib.ExitStack() as stack:
        aws = stack.enter_context(EmbeddedAws(streams=streams, buckets=[BUCKET, MODELS_BUCKET]))
        return Loop(aws, of_the_loop, wanted, tell, stages).run()


class _Acts:
    """Prints each act with its number."""

    def __init__(self) -> None:
        self._number = 0

    def __call__(self, act: "Act") -> None:
        self._number += 1
        Terminal().print(Text(f"{self._number}. {act.title}", style="bold"))
        _print(act.facts)
        Terminal().print()


def _say_json(act: "Act") -> None:
    _print_json({"act": act.title, **act.facts})


def _print_json(values: dict[str, Any]) -> None:
    """Print *values* as a JSON object, whose keys have no blanks."""
    keyed = {name.replace(" ", "_"): value for name, value in values.items()}
    say(msgspec.json.encode(keyed).decode(), flush=True)


def _print(rows: Any) -> None:
    print_table([(name, f"{value:,}" if isinstance(value, int) else str(value)) for name, value in rows.items()])


def _print_phases(audit: "Audit") -> None:
    rows = [(phase.version, f"{phase.predictions:,}", f"{phase.rmse:.2f} min") for phase in audit.phases]
    Terminal().print(
        "The champions in their order, a version each time it is released. Predictions are those that it published, "
        "and RMSE is their error against the true durations."
    )
    print_table([("champion", "predictions", "RMSE"), *rows, (audit.refused.version, "none", "refused")])
    Terminal().print()


def _summary(audit: "Audit") -> dict[str, Any]:
    dead = sum(audit.dead_letters.values())
    return {
        "put": audit.put,
        "predicted": len(audit.received),
        "dead letters": dead,
        "lost": audit.lost,
        "out of order": audit.overtaken,
        "duplicates": audit.duplicates,
        "discarded": audit.discarded,
        "refused": f"{audit.refused.version}: {audit.refused.reason}",
        "adds up": "no" if audit.faults else f"yes: {audit.put:,} = {len(audit.received):,} + {dead:,}",
    }
