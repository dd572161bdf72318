"""What becomes of an error of a command."""

import signal

import pytest

from stream_consumer.cli import app
from stream_consumer.cli.app import run


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
