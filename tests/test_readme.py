"""README.md and docs/ say what the code does: tables are written from the code, and examples are exact."""

import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from stream_consumer.contract.dead_letter import DeadLetter, encode_dead_letters
from stream_consumer.contract.prediction import Prediction, encode_prediction
from stream_consumer.contract.record import Reason

ROOT = Path(__file__).resolve().parent.parent


def blocks(page: str) -> list[str]:
    return [
        block.strip()
        for block in re.findall(r"```json\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    ]


def test_the_tables_of_settings_and_metrics_are_in_step_with_the_code() -> None:
    check = [sys.executable, str(ROOT / ".ci" / "docs.py"), "--check"]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(check, capture_output=True, text=True, check=False, env=environ)  # noqa: S603 (ours)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
)
def test_the_files_that_a_page_names_are_there(page: str) -> None:
    """By their path in the repository or in the package."""
    paths = re.findall(r"`([\w.-]+/[\w./-]+\.(?:py|sh|md|toml|yml))`", (ROOT / page).read_text(encoding="utf-8"))
    missing = [path for path in paths if not any((root / path).exists() for root in (ROOT, ROOT / "stream_consumer"))]
    assert missing == []


def test_the_examples_of_the_contract_are_byte_exact() -> None:
    event, prediction, letter = blocks("docs/contract.md")
    assert blocks("README.md") == [event, prediction]
    assert msgspec.json.decode(event)["ride_id"] == 256
    assert encode_prediction(msgspec.json.decode(prediction, type=Prediction)).decode() == prediction
    # The letter's data and numbers are abbreviated, so only its fields and their order can be compared.
    fields = list(msgspec.json.decode(letter.replace("<the original bytes, base64>", "")))
    sample = DeadLetter("e", Reason.SCHEMA, "$", "d", "s", "s", "1", "1", None, b"", "arn:aws:kinesis:r:1:stream/s")
    assert fields == list(msgspec.json.decode(encode_dead_letters([sample])))
