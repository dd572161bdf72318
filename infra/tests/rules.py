"""
Take away each validation of each module in turn: a case of ``rules.tftest.hcl`` must fail, or the rule is not tested.

Validations need no provider, so a directory with nothing but the variables and the cases is judged in a second.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from infra.tests.terraform import CheckFailed, Terraform, runs

_VALIDATION = re.compile(r"^  validation \{\n.*?^  \}\n", re.MULTILINE | re.DOTALL)
_MESSAGE = re.compile(r'error_message = "(.*)"')
_MOCK = re.compile(r'^mock_provider "aws" \{\}\n', re.MULTILINE)


def hold(module: Path, scratch: Path) -> tuple[int, int]:
    """
    Return how many cases and how many rules *module* has, every rule held by a case.

    Raises:
        CheckFailed: Names the rules that nobody would miss.
    """
    text = (module / "variables.tf").read_text(encoding="utf-8")
    written = (module / "tests" / "rules.tftest.hcl").read_text(encoding="utf-8")
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / "tests").mkdir(parents=True)
    (scratch / "tests" / "rules.tftest.hcl").write_text(_MOCK.sub("", written), encoding="utf-8")
    terraform = Terraform(scratch, None)
    (scratch / "variables.tf").write_text(text, encoding="utf-8")
    cases = runs(terraform.run("test", "-no-color").stdout)  # else every case would fail, and no rule be missed
    unmissed, rules = [], 0
    for message, without in _mutants(text):
        rules += 1
        (scratch / "variables.tf").write_text(without, encoding="utf-8")
        if terraform.run("test", "-no-color", accepted=(0, 1)).returncode == 0:
            unmissed.append(f"{module.name}: {message}")
    if unmissed:
        raise CheckFailed("no case of rules.tftest.hcl needs:\n" + "\n".join(unmissed))
    return cases, rules


def _mutants(text: str) -> Iterator[tuple[str, str]]:
    for found in _VALIDATION.finditer(text):
        [message] = _MESSAGE.findall(found[0])
        yield message, text[: found.start()] + text[found.end() :]
