"""What the parent of the workers looks at before it starts any; tests/process/test_web_workers.py has the processes."""

import tempfile
import threading
from pathlib import Path

import pytest

from stream_consumer.errors import SettingsError
from stream_consumer.web.worker_process import can_fork
from stream_consumer.web.workers import serve_by_workers
from tests.web.client import settings


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


def test_without_a_temporary_folder_the_error_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(SettingsError, match=r"no temporary folder for their metrics .*; set TMPDIR to one"):
        serve_by_workers(settings(WEB_PORT="0", WEB_WORKERS="2"), lambda _model, _url: None)
