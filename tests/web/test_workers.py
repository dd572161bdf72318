"""What the parent of the workers looks at before it starts any; tests/process/test_web_workers.py has the processes."""

import contextlib
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest

from stream_consumer.errors import ModelError, SettingsError
from stream_consumer.web import server, workers
from stream_consumer.web.listener import CannotListen, listener
from stream_consumer.web.worker_process import can_fork
from stream_consumer.web.workers import serve_by_workers
from tests.web.client import settings

pytestmark = pytest.mark.usefixtures("signal_handlers")


def test_a_process_with_another_thread_is_not_forked() -> None:
    """Whatever the thread holds or has promised would be missing in the fork."""
    ended = threading.Event()
    other = threading.Thread(target=ended.wait)
    other.start()
    try:
        assert not can_fork()
    finally:
        ended.set()
        other.join()


@pytest.mark.parametrize(("module", "serve"), [(workers, serve_by_workers), (server, server.serve)])
def test_the_port_is_held_while_the_model_is_loaded(
    module: ModuleType, serve: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another server that starts at the same time is told so at once, not when both have loaded."""
    with contextlib.closing(listener("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    told = []

    def load(*_: object, **__: object) -> NoReturn:
        with pytest.raises(CannotListen) as refusal:
            listener("127.0.0.1", port)
        told.append(str(refusal.value))
        raise ModelError("enough was seen")

    monkeypatch.setattr(module, "load_model", load)
    with pytest.raises(ModelError, match="enough was seen"):
        serve(settings(WEB_PORT=str(port), WEB_WORKERS="2"), lambda _model, _url: None)
    assert told == [f"cannot listen on 127.0.0.1, port {port}: Address already in use; choose --host and --port"]


def test_without_a_temporary_folder_the_error_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(SettingsError, match=r"no temporary folder for their metrics .*; set TMPDIR to one"):
        serve_by_workers(settings(WEB_PORT="0", WEB_WORKERS="2"), lambda _model, _url: None)
