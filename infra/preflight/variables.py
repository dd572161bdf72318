"""
Reading the variables of an environment before a plan.

The rule: Terraform itself reads the variables. Its console runs in a folder with only the declarations and the values.
So it needs no provider, backend, credentials or init, and all sources of values count in Terraform's order.
"""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_DECLARED = re.compile(r'^variable "(\w+)"', re.MULTILINE)
_VALUES = ("*.tfvars", "*.tfvars.json")
_NAME = "stream-consumer"
WEB_RESERVED, STARTER_RESERVED = 10, 1
"""Defaults of modules/web and modules/batch. `make infra-test` compares their effects with its plans."""


_UNDECLARED = re.compile(r'does not declare a variable named "(\w+)"')


class VariablesUnreadable(Exception):
    """Terraform cannot read the variables. The message is Terraform's."""


@dataclass(frozen=True, slots=True)
class Model:
    """The model in a function's variables."""

    location: str | None = None
    digest: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    """Settings that may affect reading the model."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The needs of an environment."""

    account: str | None
    region: str | None
    concurrency: Mapping[str, int]
    """Reserved or else provisioned concurrency, by function."""
    models: Mapping[str, Model]
    """Models by consumer or interface. A challenger has an entry of its own."""


def asked(root: Path) -> Asked:
    """
    Return the needs of the environment in *root*.

    Raises:
        VariablesUnreadable: Terraform refuses a value.
    """
    values = read(root, "account_id", "region", "consumers", "web", "batch", "monitor")
    prefix = f"{_NAME}-{root.name}"
    interfaces = {name: values[name] for name in ("web", "batch") if values.get(name) is not None}
    return Asked(
        values.get("account_id"),
        values.get("region"),
        {f"{prefix}-{name}": taken for name, taken in _concurrency(values) if taken},
        dict(_models({**(values.get("consumers") or {}), **interfaces})),
    )


def _concurrency(values: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for name, consumer in (values.get("consumers") or {}).items():
        yield name, _taken(consumer)
    if values.get("web") is not None:
        yield "web", _taken(values["web"], WEB_RESERVED)
    if values.get("batch") is not None:
        yield "batch-starter", 0 if values["batch"].get("on_arrival") is False else STARTER_RESERVED
    if values.get("monitor") is not None:
        yield "monitor", _taken(values["monitor"])


def _taken(user: Mapping[str, Any], reserved: int = 0) -> int:
    """Return a function's concurrency. Provisioned concurrency is a part of reserved concurrency."""
    function = user.get("function") or {}
    return int(function.get("reserved_concurrency") or reserved or function.get("provisioned_concurrency") or 0)


def _models(users: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Model]]:
    for name, user in users.items():
        settings = user.get("environment") or {}
        model = user.get("model") or {}
        yield name, Model(model.get("location"), model.get("digest"), settings)
        if challenger := user.get("challenger"):
            yield f"the challenger of {name}", Model(challenger.get("location"), challenger.get("digest"), settings)


def read(root: Path, *names: str) -> dict[str, Any]:
    """
    Return the variables *names* of *root*, without undeclared variables and variables without a value.

    Raises:
        VariablesUnreadable: Terraform refuses a value.
    """
    declared = _DECLARED.findall((root / "variables.tf").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        for file in [root / "variables.tf", *(path for form in _VALUES for path in root.glob(form))]:
            shutil.copy(file, folder)
        _answer(f"length([{', '.join(f'var.{name}' for name in declared)}])", folder)  # Terraform looks at all values
        # One question per variable: an unknown part would hide the rest of an answer.
        answers = {name: _answer(f"jsonencode(var.{name})", folder) for name in names if name in declared}
    return {name: _value(text) for name, text in answers.items() if text.startswith('"')}


def _answer(question: str, folder: str) -> str:
    """Ask the console and return its last line, which comes after any warnings."""
    console = subprocess.run(
        ["terraform", "console"],  # noqa: S607 (the user's own Terraform)
        cwd=folder,
        input=question,
        capture_output=True,
        text=True,
        check=False,
    )
    if console.returncode:
        raise VariablesUnreadable(_plain(console.stderr))
    if unknown := _UNDECLARED.search(_unframed(console.stdout + console.stderr)):
        raise VariablesUnreadable(f'no variable is called "{unknown[1]}"')
    return console.stdout.splitlines()[-1]


def _value(text: str) -> Any:
    """Return the value of JSON in a quoted string of Terraform, which doubles the $ of ``${``."""
    return json.loads(json.loads(text.replace("$${", "${").replace("%%{", "%{")))


def _plain(said: str) -> str:
    """Return the first error of *said* on one line."""
    return _unframed(said.partition("Error: ")[2])


def _unframed(said: str) -> str:
    """Return *said* on one line, without frame and colours."""
    return " ".join(re.sub(r"\x1b\[[\d;]*m|[│╷╵]", "", said).split())
