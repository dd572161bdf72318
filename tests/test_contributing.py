"""CONTRIBUTING.md names files, targets and tests that exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CODE = re.findall(r"`([^`\n]+)`", GUIDE) + re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
PATHS = sorted({path for code in CODE for path in re.findall(r"[\w.-]+(?:/[\w.-]+)+|[\w-]+\.(?:toml|md|py)\b", code)})
MADE = {".venv/.dev", ".venv/bin/activate"}
TARGETS = sorted({target for code in CODE for target in re.findall(r"\bmake ([a-z][a-z-]*)", code)})
TASKS = [line for line in GUIDE.splitlines() if line.startswith("| a")]


def test_each_of_ten_tasks_or_more_has_a_file_and_a_check() -> None:
    assert len(TASKS) >= 10
    for task in TASKS:
        files, check = task.strip("| ").split(" | ")[1:]
        assert any(path in files for path in PATHS), task
        assert re.search(r"`(make |tests/)", check), task


@pytest.mark.parametrize("path", sorted(set(PATHS) - MADE))
def test_what_it_names_is_there(path: str) -> None:
    assert any((root / path).exists() for root in (ROOT, ROOT / "stream_consumer"))


@pytest.mark.parametrize("target", TARGETS)
def test_make_has_its_target(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def test_its_one_test_is_one_test() -> None:
    [arguments] = re.findall(r"^python -m pytest (\S+ -k \w+) ", GUIDE, re.MULTILINE)
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *arguments.split()]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603 (ours)
    assert len(re.findall("::", listed)) == 1, listed
