"""The measure of our English: what it counts, and that it fails above the bars."""

import doctest
import importlib.util
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / ".ci" / "words.py"


@pytest.fixture(scope="module")
def words() -> Any:
    spec = importlib.util.spec_from_file_location("words", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_docstrings_and_help_texts_are_counted(words: Any) -> None:
    failures, tried = doctest.testmod(words)
    assert (failures, tried) == (0, 3)


def test_a_package_within_the_bars_passes(words: Any, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text('"""Return the seconds until more work is due."""\n')
    words.main(tmp_path)


@pytest.mark.parametrize(
    "docstring", ["What it is, that which one says.", "Return the seconds; none if no work is due."]
)
def test_a_package_above_a_bar_fails_and_names_the_module(
    words: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], docstring: str
) -> None:
    (tmp_path / "module.py").write_text(f'"""{docstring}"""\n')
    with pytest.raises(SystemExit):
        words.main(tmp_path)
    assert "module.py" in capsys.readouterr().out


def test_a_word_that_has_a_better_one_fails_with_its_line_and_the_better_one(words: Any, tmp_path: Path) -> None:
    docstring = '"""\nReturn ``None`` as\n`of\nold`.\n\nBy a door of the house.\n"""\n'
    (tmp_path / "module.py").write_text(f"def f():\n    {docstring}")
    with pytest.raises(SystemExit, match=r"module\.py:7: 'door', say interface"):
        words.main(tmp_path)
