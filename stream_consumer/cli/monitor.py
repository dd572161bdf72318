"""``monitor``: whether the model is still right."""

from stream_consumer.cli import monitor_quality, monitor_report
from stream_consumer.cli.commands import Commands

app = Commands(no_args_is_help=True, help="Measure drift and errors of the model.")
app.command("quality")(monitor_quality.quality)
app.command("report")(monitor_report.report)
app.command("watch")(monitor_report.watch)
