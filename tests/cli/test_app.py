"""What becomes of an error of a command."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from stream_consumer.cli import app
from stream_consumer.cli.app import run
from stream_consumer.errors import LocalPlatformError, Terminated


def missing(name: str) -> None:
    raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_a_package_that_is_not_installed_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lambda: missing("jq")) == 2
    assert capsys.readouterr().err == (
        "error: this command needs the package jq. The packages of all commands are installed by "
        "pip install 'stream-consumer[local,train,doors,kafka]'\n"
    )


def test_a_module_of_ours_that_is_not_there_is_a_fault_of_ours() -> None:
    with pytest.raises(ModuleNotFoundError):
        run(lambda: missing("stream_consumer.nothing"))


@pytest.mark.parametrize("error", [ValueError, LocalPlatformError])
@pytest.mark.parametrize(("interruption", "code"), [(KeyboardInterrupt, 130), (Terminated, 143)])
def test_an_error_of_the_clean_up_does_not_hide_an_interruption(
    interruption: type[BaseException], code: int, error: type[Exception]
) -> None:
    """Seen: the ZIP file that numpy wrote refused to be closed, and the command ended with a traceback."""

    @contextmanager
    def file() -> Iterator[None]:
        try:
            yield
        finally:
            raise error("there is an open writing handle")

    def command() -> None:
        with file():
            raise interruption

    assert run(command) == code


def test_a_signal_after_the_command_is_not_answered_by_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the interpreter ends and joins its threads, the exception of a handler would print a traceback."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(app, "run", lambda _: 7)
    try:
        with pytest.raises(SystemExit) as ended:
            app.main()
        assert (ended.value.code, signal.getsignal(signal.SIGTERM)) == (7, signal.SIG_DFL)
    finally:
        signal.signal(signal.SIGTERM, before)


_LOST_SIGNAL = """
import os, signal, time, weakref
from stream_consumer.cli import app

class Module:
    pass

def command():
    module = Module()
    reference = weakref.ref(module, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    del module  # Python drops what its callback raises
    try:
        time.sleep(60)
    finally:
        time.sleep(5 * app._LOOK_SECONDS)
        print("clean", flush=True)

app._LOOK_SECONDS = 0.1
app.app = command
app.main()
"""


@pytest.mark.process
def test_a_signal_whose_exception_is_dropped_ends_the_command_once_it_has_cleaned_up() -> None:
    """Seen: a worker that was asked to end in the midst of an import ran on."""
    ran = subprocess.run([sys.executable, "-c", _LOST_SIGNAL], capture_output=True, text=True, check=False)  # noqa: S603 (our own)
    assert "Exception ignored in" in ran.stderr
    assert (ran.returncode, ran.stdout) == (143, "clean\n"), ran.stderr
