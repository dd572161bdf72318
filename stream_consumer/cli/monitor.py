"""``monitor``: whether the model is still right."""

import typer

from stream_consumer.cli import monitor_quality, monitor_report

app = typer.Typer(no_args_is_help=True, help="Tell whether the model is still right.")
app.command("quality")(monitor_quality.quality)
app.command("report")(monitor_report.report)
app.command("watch")(monitor_report.watch)
