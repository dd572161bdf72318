"""``monitor quality``: the predictions of a day against what came true."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from stream_consumer.cli import options
from stream_consumer.cli.progress import stages
from stream_consumer.cli.terminal import complain, print_table, say
from stream_consumer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from types_boto3_s3 import S3Client

    from stream_consumer.quality.daily import Registry, Sources
    from stream_consumer.quality.result import DayQuality, Errors

_MOST_WAIT = 30 * 86_400
_GROUPS_SHOWN = 10


def quality(  # noqa: PLR0913 (each is an option)
    *,
    predictions: Annotated[
        str, typer.Option(metavar="LOCATION", envvar="QUALITY_PREDICTIONS", help="Archive of the predictions.")
    ],
    outcomes: Annotated[
        str,
        typer.Option(
            metavar="LOCATION",
            envvar="QUALITY_OUTCOMES",
            help="Archive of the outcomes, or an NDJSON file of outcomes.",
        ),
    ],
    results: Annotated[
        str,
        typer.Option(
            metavar="LOCATION",
            envvar="QUALITY_RESULTS",
            help="Folder or s3://bucket/prefix for the results, a file per day.",
        ),
    ],
    day: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="Day of the predictions, in UTC.",
            show_default="the last day with --wait passed",
        ),
    ] = None,
    wait: Annotated[
        str,
        typer.Option(
            metavar="DURATION", envvar="QUALITY_WAIT", help="Time for outcomes after the day: 90s, 10m, 12h or 1d."
        ),
    ] = "24h",
    events: Annotated[
        str | None,
        typer.Option(
            metavar="LOCATION",
            envvar="QUALITY_EVENTS",
            help="Archive of the input stream (with --group).",
            show_default="no archive",
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            envvar="QUALITY_GROUP",
            help="Input column to group the errors by, such as a zone.",
            show_default="no groups",
        ),
    ] = None,
    champion: Annotated[
        str | None,
        typer.Option(
            metavar="LOCATION",
            envvar="QUALITY_CHAMPION",
            help="File champion.json with the registered errors.",
            show_default="no file",
        ),
    ] = None,
    rmse: Annotated[
        float | None,
        typer.Option(
            metavar="ERROR",
            min=0,
            envvar="QUALITY_RMSE",
            callback=options.number,
            help="Registered RMSE, in the unit of the prediction (without --champion).",
            show_default="no error to compare with",
        ),
    ] = None,
    accuracy: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            envvar="QUALITY_ACCURACY",
            callback=options.number,
            metavar="SHARE",
            help="Registered accuracy of labels, as a fraction (without --champion).",
            show_default="no accuracy to compare with",
        ),
    ] = None,
    entity_field: options.EntityField = None,
    id_field: options.IdField = None,
    prediction_field: options.PredictionField = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    emf: Annotated[bool, typer.Option("--emf", help="Print metrics in CloudWatch's embedded format.")] = False,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Compare a day's predictions with their outcomes.

    The command reads predictions and outcomes from archives and joins them by identifier. The exit code is 1 if a
    version's error is more than 1.15 times its registered error on this day and on the day before.
    """
    from stream_consumer.archive.layout import archive_at
    from stream_consumer.batch.storage import Stores
    from stream_consumer.quality.daily import judge
    from stream_consumer.quality.results import Results

    if as_json and emf:
        raise UsageError("--json and --emf cannot be combined")
    waited = timedelta(seconds=options.seconds("--wait", wait, _MOST_WAIT))
    now = datetime.now(UTC)
    chosen = options.day("--day", day) if day is not None else (now - waited).date() - timedelta(days=1)
    if now < datetime.combine(chosen, datetime.min.time(), UTC) + timedelta(days=1) + waited:
        complain(f"warning: outcomes of {chosen} are still to come, until {wait} after the day")
    sources = _sources(
        predictions, outcomes, events, group, options.envelope_names(entity_field, id_field, prediction_field), waited
    )
    made, kept_at = _stores_of(endpoint_url, region, profile), archive_at(results)
    registry = _registry(champion, rmse, accuracy, made)
    stores = Stores(made)
    kept = Results(stores, kept_at)
    before = kept.of(chosen - timedelta(days=1))
    with stages() as stage:
        stage(f"comparing the predictions of {chosen} with their outcomes")
        result = judge(stores, sources, chosen, registry).ringing(before)
    kept.keep(result)
    _show(result, as_json=as_json, emf=emf)
    for name in result.rings:
        complain(f"{name} rings: its error is too large on {result.day} and on the day before")
    raise typer.Exit(1 if result.rings else 0)


def _stores_of(endpoint_url: str | None, region: str | None, profile: str | None) -> "Callable[[], S3Client]":
    """Return what makes the client of S3, once the first object is met."""
    return lambda: options.aws(endpoint_url, region, profile).s3


def _sources(  # noqa: PLR0913, PLR0917 (each is an option)
    predictions: str, outcomes: str, events: str | None, group: str | None, names: dict[str, str], wait: timedelta
) -> "Sources":
    """
    Return where the day is read from.

    Raises:
        UsageError: A location is no archive, or the groups cannot be told.
    """
    from stream_consumer.archive.layout import archive_at
    from stream_consumer.contract.envelope import Envelope
    from stream_consumer.quality.daily import Sources

    envelope = Envelope(**names)
    if bool(events) != bool(group):
        raise UsageError("--events and --group go together, since the events have the column to group by")
    if group and not envelope.id:
        raise UsageError(
            "--group needs an identifier in the events, since archived events have no event ids. Set --id-field"
        )
    return Sources(
        archive_at(predictions),
        archive_at(outcomes),
        archive_at(events) if events else None,
        group or "",
        envelope,
        wait,
    )


def _registry(
    champion: str | None, rmse: float | None, accuracy: float | None, s3: "Callable[[], S3Client]"
) -> "Registry":
    from stream_consumer.models.champion import read_champion
    from stream_consumer.quality.registered import registered_as, registered_in

    if champion is None:
        return registered_as(rmse, accuracy)
    if rmse is not None or accuracy is not None:
        raise UsageError("--champion already has the registered errors. Leave out --rmse and --accuracy")
    return registered_in(read_champion(champion, s3))


def _show(result: "DayQuality", *, as_json: bool, emf: bool) -> None:
    import msgspec

    from stream_consumer.quality.metrics import measure
    from stream_consumer.telemetry import telemetry

    if as_json:
        say(msgspec.json.encode(result).decode())
    elif emf:
        measure(result, telemetry(os.environ))
    else:
        print_table(_rows(result))


def _rows(result: "DayQuality") -> Iterator[tuple[str, str]]:
    errors = result.errors
    yield "day", str(result.day)
    yield "predictions", f"{errors.predictions:,} ({result.duplicate_predictions:,} duplicates left out)"
    yield (
        "judged",
        f"{errors.judged:,}, {errors.coverage:.1%}: {errors.missing:,} outcomes missing, {errors.late:,} late",
    )
    yield "outcomes", f"{result.duplicate_outcomes:,} duplicates, {result.malformed_outcomes:,} malformed"
    yield "errors", told(errors)
    for one in result.versions:
        if one.registered is None or one.excess is None:
            yield one.name, f"{told(one.errors)}; not registered with an error to compare"
        else:
            yield one.name, f"{told(one.errors)}; {one.excess:.2f} times the registered error"
    for group in result.groups[:_GROUPS_SHOWN]:
        shown = f"{group.errors.predictions:,} predictions, {group.errors.coverage:.1%} judged, {told(group.errors)}"
        yield f"group {group.group or 'none'}", shown
    if len(result.groups) > _GROUPS_SHOWN:
        yield "more groups", f"{len(result.groups) - _GROUPS_SHOWN:,}, in the result"


def told(errors: "Errors") -> str:
    """
    Return *errors* as a reader has them.

    Numbers have RMSE, MAE and bias, labels have accuracy, and integers have all.
    """
    found = [("RMSE", errors.rmse), ("MAE", errors.mae), ("bias", errors.bias)]
    said = [f"{name} {value:.2f}" for name, value in found if value is not None]
    said += [f"accuracy {errors.accuracy:.1%}"] if errors.accuracy is not None else []
    return ", ".join(said) or "no error"
