"""The help of the programs behind the targets of make, on a terminal of 80 columns."""

import re
import runpy
import sys

import pytest

PROGRAMS = [
    *("infra.commands", "infra.preflight", "infra.bootstrapping", "infra.teardown", "infra.tests.check"),
    *("infra.container", "infra.container build", "tests.campaign", "tests.soak", "tests.mutations"),
]
SLOW = [pytest.param(name, marks=pytest.mark.process) for name in ("benchmarks", "benchmarks.kafka")]
"""They import all the contestants."""


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize("command", [*PROGRAMS, *SLOW])
def test_every_option_has_a_sentence_and_its_default(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program, *arguments = command.split()
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "argv", [program, *arguments, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(program, run_name="__main__")
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert max(map(len, said.splitlines())) <= 80
    assert ";" not in said
    assert "``" not in said
    for option, text in re.findall(
        r"^  (--[^ ]+(?: [^ ]+)*)(?: {2,}|\n {20,})(\S.*(?:\n {20,}.*)*)", said, re.MULTILINE
    ):
        assert text.endswith("."), (option, text)
        assert " " not in option or "Default: " in " ".join(text.split()), (option, text)
