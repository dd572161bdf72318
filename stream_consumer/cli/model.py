"""``model``: a model is looked at as the function would load it, or given a signature."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from typer.core import TyperGroup

from stream_consumer.cli import model_versions, options
from stream_consumer.cli.commands import Commands
from stream_consumer.cli.terminal import say
from stream_consumer.errors import ModelError, UsageError
from stream_consumer.whole_file import read_whole

if TYPE_CHECKING:
    from stream_consumer.contract.event_schema import Column
    from stream_consumer.model import Model
    from stream_consumer.models.champion import Champion


class _ShowByDefault(TyperGroup):
    """``model LOCATION`` shows the model, as it did before there were other commands."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        known = args[0] in self.list_commands(ctx) if args else True
        return super().resolve_command(ctx, args if known or args[0].startswith("-") else ["show", *args])


app = Commands(
    cls=_ShowByDefault,
    no_args_is_help=True,
    help="Show, export and sign models, and choose the champion.\n\nmodel LOCATION is short for model show LOCATION.",
)
app.add_typer(model_versions.app)


@app.command("show", epilog=options.MODEL_SETTINGS)
def show(
    location: options.Location,
    *,
    only_digest: Annotated[
        bool, typer.Option("--digest", help="Print only the digest, without loading the model.")
    ] = False,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Load a model like the function does, and describe it.

    The description has the columns, the bounds, the output and the digest. Set MODEL_DIGEST to the digest to pin the
    model. A pickled model is loaded only if pinned:

    export MODEL_DIGEST=$(stream-consumer model LOCATION --digest)
    """
    from stream_consumer.models.champion import names_champion, read_champion
    from stream_consumer.models.description import describe
    from stream_consumer.models.files import directory_digest, model_directory
    from stream_consumer.models.loading import load_directory
    from stream_consumer.settings import Settings

    settings = Settings.of(os.environ | {"MODEL_LOCATION": location})
    with model_directory(location, lambda: options.aws(endpoint_url, region, profile).s3) as directory:
        digest = directory_digest(directory)
        if only_digest:
            say(digest)
            return
        # Before anything can refuse the model: this is what a pin is made of.
        say(f"digest       {digest}", flush=True)
        _describe(load_directory(directory, location, settings.choice))
        if settings.choice.columns and describe(directory, location).columns:
            say("not used     MODEL_COLUMNS, since the model has a signature")
    if names_champion(location):
        _describe_champion(read_champion(location, lambda: options.aws(endpoint_url, region, profile).s3))


def _describe_champion(champion: "Champion") -> None:
    on, before = champion.trained_on, champion.previous
    say(f"champion     {champion.version}, before it {before.version if before else 'none'}")
    if on:
        say(f"trained on   {on.count:,} rides, {on.first} to {on.last}, of {on.rides}")
    for metric, value in champion.metrics.items():
        say(f"metric       {metric}: {value:.4f}")


def _describe(model: "Model") -> None:
    from stream_consumer.models.made_rows import made_row

    rows = len(model.example[0]) if model.example else 0
    check = f"predicts {'its example' if rows > 1 else 'a row'}" if rows else "has no row to predict before events come"
    envelope = model.schema.envelope
    # Not a table, which would break the digest at 80 columns.
    facts = {"model": model.name, "version": model.version, "location": model.location, "self-check": check}
    for name, value in facts.items():
        say(f"{name:<13}{value}")
    say(f"event        {envelope.event(made_row(model.schema.columns, {}, model.categories), '1').decode()}")
    for column in model.schema.columns:
        needed = "required" if column.required else "optional"
        say(f"column       {column.name}: {column.type}, {needed}{_bounds(column)}")
    if model.output:
        for output, kind in model.output.columns(envelope.prediction).items():
            say(f"prediction   {output}: {kind}{', ' + model.unit if model.unit else ''}")
    for line in _reference(model):
        say(f"reference    {line}")


def _reference(model: "Model") -> list[str]:
    from stream_consumer.profiling.reference import carried_by

    if not model.reference:
        return ["none; stream-consumer model sign --reference adds one"]
    try:
        profile, _ = carried_by(model)
    except ModelError:  # the function serves the model all the same
        return ["cannot be read; train or sign the model again"]
    counts = zip(profile.bins, profile.counts, strict=True)
    return [f"{bins.title}: {sum(column):,} rows, {bins.kind}" for bins, column in counts]


def _bounds(column: "Column") -> str:
    match column.minimum, column.maximum:
        case None, None:
            return ""
        case least, None:
            return f", at least {least}"
        case None, most:
            return f", at most {most}"
        case least, most:
            return f", {least} to {most}"


@app.command("export")
def export(
    location: options.Location,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New folder for the copy.")],
    *,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Write the files of a model into a folder.

    The command copies the files without loading the model. The copy has the digest of the original, so a pin is valid
    for both. If MODEL_DIGEST is set to a different digest, nothing is written.
    """
    from stream_consumer.models.copies import export
    from stream_consumer.models.files import directory_digest, model_directory
    from stream_consumer.settings import Settings

    pin = Settings.of(os.environ | {"MODEL_LOCATION": location}).model_digest
    with model_directory(location, lambda: options.aws(endpoint_url, region, profile).s3) as directory:
        _refuse_unpinned(location, directory_digest(directory), pin)
        digest = export(directory, folder)
    say(f"digest       {digest}")
    say(f"location     {folder}")


def _refuse_unpinned(location: str, digest: str, pin: str | None) -> None:
    if pin not in {None, digest}:
        raise ModelError(f"the model at {location} has the digest {digest}, but MODEL_DIGEST pins {pin}")


@app.command("sign")
def sign(  # noqa: PLR0913 (each is an option)
    location: options.Location,
    *,
    example: Annotated[Path, typer.Option(metavar="FILE", help="Example events or bare rows, a JSON object per line.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the signed copy.")],
    derived: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=TEMPLATE",
            help="Derived column, such as 'PU_DO={PULocationID}_{DOLocationID}'. May be repeated.",
            show_default="no derived column",
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Reference events or bare rows to measure drift against, a JSON object per line.",
            show_default="no reference",
        ),
    ] = None,
    entity_field: options.EntityField = None,
    id_field: options.IdField = None,
    prediction_field: options.PredictionField = None,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Write a copy of a model with a signature.

    The copy also gets an input example and the field names of its events. The example events determine the column
    types, and which columns are optional: those missing or null in an example. Columns that a present signature lacks,
    such as the label, are left out. Before the copy takes its name, the command loads the copy and predicts the
    example. For a pickled model, set MODEL_DIGEST to the digest of the original. A field name set neither by option nor
    by variable stays as in the original.
    """
    from stream_consumer.contract.envelope import Envelope
    from stream_consumer.models import signing
    from stream_consumer.models.description import describe
    from stream_consumer.models.files import directory_digest, model_directory
    from stream_consumer.models.loading import Choice, load_directory
    from stream_consumer.settings import Settings

    events, templates = list(_events("--example", example)), dict(map(_template, derived or []))
    compared = list(_events("--reference", reference)) if reference else []
    names = options.envelope_names(entity_field, id_field, prediction_field)
    pin = Settings.of(os.environ | {"MODEL_LOCATION": location}).model_digest

    def load(copy: Path) -> "Model":
        return load_directory(copy, location, Choice(digest=directory_digest(copy) if pin else None))

    with model_directory(location, lambda: options.aws(endpoint_url, region, profile).s3) as directory:
        digest = directory_digest(directory)
        say(f"original     {digest}", flush=True)
        _refuse_unpinned(location, digest, pin)
        original = describe(directory, location)
        envelope, columns = Envelope(**msgspec.structs.asdict(original.envelope) | names), original.columns
        examples, references = (signing.enveloped(some, envelope, columns) for some in (events, compared))
        statement = signing.Statement(examples, envelope, templates, references, columns)
        model = signing.sign(directory, output, statement, load)
    if unknown := signing.unknown_to(columns, signing.rows_of(statement)):
        say(f"left out     {', '.join(unknown)}: no column of the model's signature")
    say(f"digest       {model.digest}")
    _describe(replace(model, location=str(output)))


def _template(text: str) -> tuple[str, str]:
    name, equals, template = text.partition("=")
    if not name or not equals:
        raise UsageError(f"--derived {text!r}: wanted NAME=TEMPLATE, such as PU_DO={{PULocationID}}_{{DOLocationID}}")
    return name, template


def _events(option: str, path: Path) -> Iterator[dict[str, Any]]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    try:
        lines = read_whole(path).removeprefix(b"\xef\xbb\xbf").splitlines()
    except OSError as error:
        raise UsageError(f"{option} {path}: {error.strerror}") from None
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield decode(line)
            except (ValueError, RecursionError) as error:
                raise UsageError(
                    f"{option} {path}, line {number}: {error}, wanted a JSON object; a DataFrame is written so by "
                    'to_json(FILE, orient="records", lines=True)'
                ) from None
