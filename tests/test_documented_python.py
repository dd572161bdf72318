"""The Python of the documentation runs as it stands, on a stream that holds one prediction."""

import doctest
import re
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.local.fakes import FakeKinesis

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCED = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(FENCED.findall(page.read_text(encoding="utf-8")))
    if not block.startswith((">>>", "# "))  # a doctest, and what test_your_model.py and other tests run with a model
]
PREDICTION = b'{"model":"rides","version":"3","prediction":{"ride_duration":21.5,"ride_id":256},"event_id":"e"}'
DOCTESTS = [page for page in PAGES if "\n>>> " in page.read_text(encoding="utf-8")]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_runs(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reader follows a stream for ever, so the stream is one whose shard was closed behind its only record."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_consumer.py").write_text("def handler(event, context):\n    print(len(event['Records']))\n")
    kinesis = FakeKinesis()
    kinesis.put("256", data=PREDICTION)
    [shard] = kinesis.shards.values()
    shard.closed = True

    def client(service: str) -> Any:
        assert service == "kinesis"
        return kinesis

    monkeypatch.setattr(boto3, "client", client)
    exec(compile(block, "block", "exec"), {})  # noqa: S102 (ours)
    assert capsys.readouterr().out == ("256 21.5\n" if "PredictionReader" in block else "1\n")


@pytest.mark.parametrize("page", DOCTESTS, ids=lambda page: page.name)
def test_a_page_with_a_session_is_what_the_code_says(page: Path) -> None:
    failures, tried = doctest.testfile(str(page), module_relative=False)
    assert (failures, tried > 0) == (0, True)
