"""``monitor``: whether the model is still right."""

import typer

from stream_consumer.cli import monitor_quality

app = typer.Typer(no_args_is_help=True, help="Tell whether the model is still right.")
app.command("quality")(monitor_quality.quality)
