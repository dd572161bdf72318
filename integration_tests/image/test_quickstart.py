"""``compose.yaml`` as docs/installation.md walks through it: its commands, typed as they stand, and their output."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.container.__main__ import ROOT
from infra.container.engine import Engine
from tests.worker.sqs import eventually

IMAGE = "stream-consumer:quickstart"
PAGE = (ROOT / "docs" / "installation.md").read_text(encoding="utf-8")
SECONDS = 120


@pytest.fixture(scope="module")
def compose(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The command that runs compose.yaml here, with its image built."""
    base = os.environ.get("PYTHON_IMAGE")
    engine.build(ROOT, IMAGE, {"PYTHON_IMAGE": base} if base else {}, None, "quickstart")
    command = shlex.join(_compose(engine, tmp_path_factory.mktemp("compose")))
    try:
        yield command
    finally:
        subprocess.run(f"{command} down", shell=True, cwd=ROOT, check=True, timeout=SECONDS)  # noqa: S602 (ours)


def _compose(engine: Engine, folder: Path) -> list[str]:
    if engine.tool == "docker":
        return ["docker", "compose"]
    # A machine whose containers are on its own network has its flags for them, which podman-compose takes in two ways.
    flags = [flag for flag in engine.run_flags if flag not in {"--network", "host"}]
    here = folder / "here.yaml"
    services = {"aws": {"network_mode": "host"}} if "host" in engine.run_flags else {}
    here.write_text(json.dumps({"services": services}))
    options = ["--in-pod=false", f"--podman-run-args={shlex.join(flags)}"]
    files = ["--file", "compose.yaml", "--file", str(here)]
    return [str(Path(sys.executable).with_name("podman-compose")), *options, *files]


def said(command: str) -> str:
    """Return what *command* printed on standard output, its columns one space apart, or nothing if it failed."""
    done = subprocess.run(  # noqa: S602 (the page's own)
        command, shell=True, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False, timeout=SECONDS
    )
    return re.sub(" +", " ", done.stdout) if done.returncode == 0 else ""


def test_a_ride_becomes_a_prediction_and_one_without_its_fields_a_dead_letter(compose: str, tmp_path: Path) -> None:
    section = PAGE.partition("## Containers")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    lines = [line for language, text in blocks if language == "sh" for line in text.splitlines()]
    up, ride, no_ride, put, tail, dead_letters = [
        line.replace("docker compose", compose).replace("rides.ndjson", str(tmp_path / "rides.ndjson"))
        for line in lines
        if line != "docker compose down"  # the fixture's
    ]
    for line in (up, ride, no_ride):
        subprocess.run(line, shell=True, cwd=ROOT, check=True, timeout=SECONDS)  # noqa: S602
    [expected] = [text for language, text in blocks if language == "text"]
    first, *others = [re.escape(line).replace("…", ".*") for line in re.sub(" +", " ", expected).splitlines()]
    # Old versions of Podman do not wait until the streams are there.
    eventually(lambda: re.search(first, said(put)), SECONDS)
    eventually(lambda: re.search("\n".join(others), said(tail) + said(dead_letters), re.DOTALL), SECONDS)
