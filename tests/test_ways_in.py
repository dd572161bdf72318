"""The dev container, the hooks of git and the notebook, as they are kept."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def dev_container() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    return found


def test_the_dev_container_has_the_base_of_the_image() -> None:
    [base] = re.findall(
        r"^ARG PYTHON_IMAGE=(\S+@sha256:[0-9a-f]{64})$", (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    assert dev_container()["image"] == base


def test_the_dev_container_is_ready_for_make_check() -> None:
    """A slim base has neither make nor git, and .venv is made from the same lock as anywhere."""
    assert {"git", "make", "ca-certificates"} <= set(dev_container()["onCreateCommand"].split())
    assert dev_container()["updateContentCommand"] == "make .venv/.dev"
    assert "check: lint words types imports test " in MAKEFILE


def test_the_hooks_of_git_bring_no_version_of_their_own() -> None:
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    entries = {hook["id"]: hook["entry"] for hook in repository["hooks"]}
    assert entries == {
        **{target: f"make --silent {target}" for target in ("lint", "types", "imports", "words")},
        "hygiene": ".venv/bin/python .ci/hygiene.py",
    }


def test_the_notebook_is_kept_without_what_it_printed() -> None:
    notebook = json.loads((ROOT / "examples" / "own_model.ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(code) >= 8
    assert {(cell["execution_count"], *cell["outputs"]) for cell in code} == {(None,)}
