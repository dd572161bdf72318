"""The application: its commands, and what becomes of an error: one line, no traceback, an exit code that says whose."""

import sys
from collections.abc import Callable

import typer
from botocore.exceptions import BotoCoreError, ClientError

from stream_consumer.cli import (
    batch,
    capacity,
    consume,
    dead_letters,
    demo,
    local,
    model,
    replay,
    serve,
    streams,
    train,
    worker,
)
from stream_consumer.cli.terminal import error as show_error
from stream_consumer.errors import StreamConsumerError, UsageError
from stream_consumer.log_escaping import escape_logs

FAILED, USAGE = 1, 2

app = typer.Typer(
    name="stream-consumer",
    help="Score Kinesis records with a scikit-learn model on AWS Lambda, and try all of it on this machine.",
    epilog="Start with: stream-consumer demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("train")(train.train)
app.add_typer(model.app, name="model")
app.command("put")(streams.put)
app.command("consume")(consume.consume)
app.command("tail")(streams.tail)
app.command("replay")(replay.replay)
app.command("batch")(batch.batch)
app.command("worker")(worker.worker)
app.command("serve")(serve.serve)
app.command("capacity")(capacity.capacity)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(local.app, name="local")


def main() -> None:
    """Run the command line and exit."""
    escape_logs()
    sys.exit(run(app))


def run(command: Callable[[], object]) -> int:
    """
    Run *command* and return its exit code: 0 done, 1 failed, 2 asked for something impossible.

    130, interrupted, is typer's doing.
    """
    try:
        command()
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else FAILED
    except UsageError as error:
        show_error(str(error))
        return USAGE
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("stream_consumer"):
            raise
        show_error(
            f"this command needs the package {error.name}, which is not installed here; "
            "pip install 'stream-consumer[local,train,doors]' has all that any command needs"
        )
        return USAGE
    except (StreamConsumerError, ClientError, BotoCoreError) as error:
        show_error(str(error))
        return FAILED
    return 0
