"""``model list``, ``promote`` and ``rollback``: the versions of a registered model, as files or in MLflow."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from stream_consumer.cli import options
from stream_consumer.cli.commands import Commands
from stream_consumer.cli.terminal import say
from stream_consumer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from types_boto3_s3 import S3Client

    from stream_consumer.training.file_registry import Entry
    from stream_consumer.training.registry import Registry

app = Commands()

_Name = Annotated[str, typer.Option(metavar="NAME", help="Registered model.")]
_TrackingUri = Annotated[
    str | None,
    typer.Option(
        metavar="URI",
        envvar="MLFLOW_TRACKING_URI",
        help="MLflow's store (without --models).",
        show_default="mlflow.db in this directory",
    ),
]


@app.command("list")
def list_versions(  # noqa: PLR0913 (each is an option)
    *,
    name: _Name = "ride-duration",
    models: options.Models = None,
    tracking_uri: _TrackingUri = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object per line.")] = False,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    List the versions of a model, oldest first.

    An asterisk marks the champion. Below each version is the reason for its promotion or refusal.
    """
    with _registry(name, models, tracking_uri, lambda: options.aws(endpoint_url, region, profile).s3) as registry:
        champion, entries = registry.champion_version(), registry.versions()
    if not entries and models and not (models.startswith("s3://") or Path(models.removeprefix("file://")).is_dir()):
        raise UsageError(f"there is no folder {models}. Name the folder or s3:// prefix given to `train --models`")
    for entry in entries:
        if as_json:
            say(msgspec.json.encode(msgspec.to_builtins(entry) | {"champion": entry.version == champion}).decode())
        else:
            _show(entry, champion)
    if not entries and not as_json:
        say(f"{name} has no version yet")


def _show(entry: "Entry", champion: str | None) -> None:
    rmse = f"RMSE {entry.metrics['rmse']:.2f}" if "rmse" in entry.metrics else ""
    on = entry.trained_on
    rides = f"{on.count:,} rides, {on.first} to {on.last}" if on else ""
    facts = (entry.version, entry.digest[:12], rmse, rides, entry.created)
    say(f"{'*' if entry.version == champion else ' '} {'  '.join(filter(None, facts))}")
    if entry.reason:
        say(f"    {entry.reason}")


@app.command("promote")
def promote(  # noqa: PLR0913 (each is an option)
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="Version or, with --models, the start of its digest.")
    ],
    *,
    name: _Name = "ride-duration",
    models: options.Models = None,
    tracking_uri: _TrackingUri = None,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Make a version champion without a comparison.

    Before, the command loads the version and predicts its input example.
    """
    with _registry(name, models, tracking_uri, lambda: options.aws(endpoint_url, region, profile).s3) as registry:
        before, entry = registry.champion_version(), registry.find(version)
        registry.make_champion(entry)
    say(f"{name}: version {entry.version} is champion, before it {before or 'there was none'}")


@app.command("rollback")
def rollback(  # noqa: PLR0913 (each is an option)
    *,
    name: _Name = "ride-duration",
    models: options.Models = None,
    tracking_uri: _TrackingUri = None,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Make the previous champion champion again.

    Before, the command loads the previous version and predicts its input example.
    """
    with _registry(name, models, tracking_uri, lambda: options.aws(endpoint_url, region, profile).s3) as registry:
        now, before = registry.rollback()
    say(f"{name}: version {now} is champion again, in place of {before}")


@contextlib.contextmanager
def _registry(
    name: str, models: str | None, tracking_uri: str | None, s3: "Callable[[], S3Client]"
) -> "Iterator[Registry]":
    """Open the registry of files where one is named, else MLflow's."""
    from stream_consumer.training.file_registry import FileRegistry

    if models:
        yield FileRegistry(models, name, s3)
        return
    from stream_consumer.training.mlflow_registry import MlflowRegistry
    from stream_consumer.training.register import mlflow_at, refuse_missing

    refuse_missing(tracking_uri)
    with mlflow_at(tracking_uri) as mlflow:
        yield MlflowRegistry(mlflow, name)
