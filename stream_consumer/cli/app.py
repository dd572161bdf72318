"""The application: its commands, and what becomes of an error: one line, no traceback, an exit code that says whose."""

import platform
import signal
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Annotated, Any, NoReturn

import typer
from botocore.exceptions import BotoCoreError, ClientError
from typer.core import TyperGroup

from stream_consumer.cli import (
    archive,
    batch,
    capacity,
    consume,
    dead_letters,
    demo,
    demo_loop,
    doctor,
    local,
    model,
    monitor,
    put,
    replay,
    serve,
    status,
    tail,
    train,
    training_job,
    worker,
)
from stream_consumer.cli.commands import Commands
from stream_consumer.cli.options import MODEL_SETTINGS
from stream_consumer.cli.refusals import refusal
from stream_consumer.cli.terminal import complain, flush_output, open_output, refuse_output, say
from stream_consumer.cli.terminal import error as show_error
from stream_consumer.errors import StreamConsumerError, Terminated, UsageError
from stream_consumer.log_escaping import escape_logs

FAILED, USAGE, INTERRUPTED = 1, 2, 130
_LOOK_SECONDS = 1.0


class _Root(TyperGroup):
    """The commands. None gets an argument that no message, request or name of a file can hold."""

    def main(self, *args: Any, **how: Any) -> Any:
        """Run a command, and report an error about the command line like any other error."""
        try:
            sys.exit(super().main(*args, **how | {"standalone_mode": False}) or 0)
        except typer.TyperException as refused:
            if refused.message.startswith("Usage: "):  # the help of a group whose command is missing
                for line in refused.message.splitlines():
                    complain(line)
            else:
                show_error(refusal(refused))
            sys.exit(refused.exit_code)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for argument in args:
            try:
                argument.encode()
            except UnicodeEncodeError:
                raise UsageError(f"the argument {argument!r} is not UTF-8") from None
            if "\0" in argument:
                raise UsageError(f"the argument {argument!r} holds a null character")
        return super().parse_args(ctx, args)


def _show_version(asked: bool) -> None:
    if asked:
        versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("scikit-learn", "numpy", "pyarrow"))
        say(f"stream-consumer {metadata.version('stream-consumer')}")
        say(f"Python {platform.python_version()}, {versions}, {platform.platform()}")
        raise typer.Exit


app = Commands(
    cls=_Root,
    name="stream-consumer",
    help="Score Kinesis records with an MLflow model on AWS Lambda, or on this machine.",
    epilog="Start with: stream-consumer demo\n\nShell completion: stream-consumer --install-completion",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its tables cut options and defaults at 80 columns
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Show the versions for a bug report, and exit.",
        ),
    ] = False,
) -> None:
    """Take the options that come before a command."""


app.command("demo", epilog=MODEL_SETTINGS)(demo.demo)
app.command("demo-loop")(demo_loop.demo_loop)
app.command("doctor")(doctor.doctor)
app.command("train")(train.train)
app.command("training-job", hidden=True)(training_job.training_job)
app.add_typer(model.app, name="model")
app.command("put")(put.put)
app.command("consume", epilog=MODEL_SETTINGS)(consume.consume)
app.command("tail")(tail.tail)
app.command("archive")(archive.archive)
app.command("replay", epilog=MODEL_SETTINGS)(replay.replay)
app.command("batch", epilog=MODEL_SETTINGS)(batch.batch)
app.command("worker", epilog=MODEL_SETTINGS)(worker.worker)
app.command("serve", epilog=MODEL_SETTINGS)(serve.serve)
app.command("capacity")(capacity.capacity)
app.command("status")(status.status)
app.command("logs")(status.logs)
app.add_typer(monitor.app, name="monitor")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(local.app, name="local")


def main() -> None:
    """Run the command line and exit. SIGTERM ends a command as Ctrl-C does: its temporary files are removed."""
    signal.signal(signal.SIGTERM, _terminate)
    escape_logs()
    try:
        code = run(app)
    finally:
        # From here on an exception of the handlers would only be a traceback of the interpreter's own end.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, 0)
    sys.exit(code)


def _terminate(*_: object) -> NoReturn:
    """
    End the command by an exception, and look each second whether the exception got lost.

    Python drops an exception in a callback of a weak reference, such as those of imports. The command would run on.
    """
    signal.signal(signal.SIGALRM, _terminate_again)
    signal.setitimer(signal.ITIMER_REAL, _LOOK_SECONDS, _LOOK_SECONDS)
    raise Terminated


def _terminate_again(*_: object) -> None:
    # While the command cleans up, the interrupted code handles Terminated.
    if _cause(sys.exception(), Terminated) is None:
        raise Terminated


def _cause(error: BaseException | None, *kinds: type[BaseException]) -> BaseException | None:
    """Return *error*, or the latest error behind it, that is of one of *kinds*."""
    while error is not None and not isinstance(error, kinds):
        error = error.__context__
    return error


def _run_uncovered(command: Callable[[], object]) -> None:
    """
    Run *command*, and raise Ctrl-C or SIGTERM itself instead of an error that the clean-up raised over it.

    Seen: SIGTERM while numpy wrote an array, whose ZIP file then refused to be closed.
    """
    try:
        command()
    except Exception as error:
        if (interruption := _cause(error, KeyboardInterrupt, Terminated)) is None:
            raise
        raise interruption from None


def run(command: Callable[[], object]) -> int:
    """
    Run *command* and return its exit code: 0 done, 1 failed, 2 asked for something impossible.

    An interrupted command exits with 130, one that SIGTERM ended with 143. A reader of standard output that is gone,
    such as `head`, is no news.
    """
    open_output()
    code = _exit_code(command)
    unwritten = flush_output()
    if unwritten is None or code != 0:
        return code
    return _exit_code(lambda: refuse_output(unwritten))


def _exit_code(command: Callable[[], object]) -> int:
    try:
        _run_uncovered(command)
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except UsageError as error:
        show_error(str(error))
        return USAGE
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("stream_consumer"):
            raise
        show_error(
            f"this command needs the package {error.name}. The packages of all commands are installed by "
            "pip install 'stream-consumer[local,train,doors,kafka]'"
        )
        return USAGE
    except (StreamConsumerError, ClientError, BotoCoreError, OSError) as error:
        show_error(_reason(error))
        return FAILED
    return 0


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, BotoCoreError):  # which says in a second line what is wrong
        return " ".join(str(error).splitlines())
    return str(error)
