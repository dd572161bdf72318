"""The code of docs/monitoring.md runs as it stands, with a model that carries a reference."""

import re
from pathlib import Path

import pytest

from stream_consumer.models import loading
from tests.monitor.test_lambda_function import MODEL

PAGE = Path(__file__).resolve().parents[2] / "docs" / "monitoring.md"


def test_the_code_of_the_page_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    [block] = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    monkeypatch.setattr(loading, "load_model", lambda _: MODEL)
    exec(compile(block, "block", "exec"), {})  # noqa: S102 (ours)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [(name, rows, rings) for name, rows, _, _, rings in lines] == [
        ("PULocationID", "2", "False"),
        ("DOLocationID", "2", "False"),
        ("trip_distance", "2", "False"),
        ("prediction", "2", "False"),
    ]
