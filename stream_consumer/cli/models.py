"""``train`` and ``model``: making a model, and looking at one."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from stream_consumer.cli import options


def model(
    location: Annotated[str, typer.Argument(help="A directory, s3:// or models:/name@alias.")],
    *,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    profile: options.Profile = None,
) -> None:
    """
    Load a model as the function would, check it, and show what it is: columns, bounds, digest.

    The digest is what MODEL_DIGEST pins.
    """
    from stream_consumer.model import load_model

    loaded = load_model(location, s3=lambda: options.aws(endpoint_url, region, profile).s3)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("model", loaded.name)
    table.add_row("version", loaded.version)
    table.add_row("location", loaded.location)
    table.add_row("digest", loaded.digest)
    for column in loaded.schema.columns:
        needed = "required" if column.required else "optional"
        bounds = "" if column.minimum is column.maximum is None else f", {column.minimum} to {column.maximum}"
        table.add_row(f"ride.{column.name}", f"{column.type}, {needed}{bounds}")
    rows = len(loaded.example[0]) if loaded.example else 0
    table.add_row("self-check", f"predicts its example of {rows} rows" if rows else "no input example to check")
    Console(highlight=False, soft_wrap=True).print(table)
