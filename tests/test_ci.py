"""The stages of ``.ci/run``: what they install before they begin, and that the workflow runs them all."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CI = Path(__file__).parent.parent / ".ci"
WORKFLOW = CI.parent / ".github" / "workflows" / "ci.yml"

# What a job of the workflow runs in another way: on more versions or processors, or with Docker.
ELSEWHERE = {
    **dict.fromkeys(["lint", "types", "imports", "test"], ("make check",)),
    "newest-python": ("make check", "make coverage"),
    "workflows": ("make workflows",),
    "image": ("make image-test",),
    "infra": ("make infra-test", "make infra-apply-local"),
    "integration": ("make integration-local",),
}


def installed(wanted: str, *, here: list[str], tmp_path: Path) -> list[str]:
    """Return what apt-get is asked for on a machine with the commands *here*."""
    bash, log = shutil.which("bash"), tmp_path / "log"
    assert bash
    scripts = {
        "apt-get": f'echo "$@" >> {log}',
        "env": 'shift; exec "$@"',
        "sudo": 'exec "$@"',
        **dict.fromkeys(here, ""),
    }
    for name, script in scripts.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    program = f"set -euo pipefail; . {CI}/install.sh; install {wanted}"
    subprocess.run([bash, "-c", program], check=True, env={"PATH": str(tmp_path)})  # noqa: S603 (our own script)
    return log.read_text().splitlines() if log.exists() else []


def test_one_command_that_is_here_does_not_stand_for_the_others(tmp_path: Path) -> None:
    """``command -v`` of several names is content with any."""
    asked = installed("buildah podman runc", here=["podman"], tmp_path=tmp_path)
    assert asked == ["update -qq", "install -qq --yes --no-install-recommends buildah runc"]


@pytest.mark.parametrize(("here", "asked"), [(["node", "npm"], []), (["npm"], ["nodejs"])])
def test_a_package_is_known_by_its_command(here: list[str], asked: list[str], tmp_path: Path) -> None:
    """Nothing that is here costs a look at the packages."""
    lines = installed("nodejs:node npm", here=here, tmp_path=tmp_path)
    assert [line.split()[4:] for line in lines if line.startswith("install")] == ([asked] if asked else [])
    assert bool(lines) == bool(asked)


def test_the_workflow_runs_every_stage() -> None:
    """One that nobody names there would be checked on nobody's push."""
    workflow = WORKFLOW.read_text(encoding="utf-8")
    declared = re.search(r"^STAGES=\((.*?)\)", (CI / "run").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    named = re.search(r"bash \.ci/run ([a-z -]+)$", workflow, re.MULTILINE)
    assert declared
    assert named
    elsewhere = [
        stage for stage, commands in ELSEWHERE.items() if all(f"- run: {command}\n" in workflow for command in commands)
    ]
    assert sorted([*named[1].split(), *elsewhere]) == sorted(declared[1].split())
