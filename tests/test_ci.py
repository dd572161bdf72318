"""``.ci/install.sh``: what the stages of ``.ci/run`` install before they begin."""

import shutil
import subprocess
from pathlib import Path

import pytest

CI = Path(__file__).parent.parent / ".ci"


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
