"""Builds that cannot succeed: a clear message and an exit code, with the real tool."""

import os
import shutil
import subprocess
import sys

import pytest

from infra.container.engine import Engine
from integration_tests.rie import ROOT


def built(*prefix: str, **environ: str) -> tuple[int, str]:
    """Build without the cache, and return the exit code and all that was said."""
    environment = {**os.environ, **environ}
    environment["CONTAINER_BUILD_FLAGS"] = f"{environ.get('CONTAINER_BUILD_FLAGS', '')} --no-cache"
    base = environment.get("PYTHON_IMAGE")
    command = [*prefix, sys.executable, "-m", "infra.container", "build", "--tag", "stream-consumer:unbuildable"]
    command += ["--base", base] if base else []
    answer = subprocess.run(  # noqa: S603 (our own arguments)
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return answer.returncode, answer.stdout


def test_without_a_network_the_build_says_so(engine: Engine, image: str) -> None:
    """The words of pip, and ours about what comes over the network."""
    del image  # its base is there, then
    if engine.tool == "docker" or shutil.which("unshare") is None or os.geteuid():
        pytest.skip("the network can only be taken from a tool without a daemon, by root")
    flags = os.environ.get("CONTAINER_BUILD_FLAGS", "")
    code, said = built("unshare", "--net", CONTAINER_BUILD_FLAGS=flags)
    assert code == 1
    assert "Failed to establish a new connection" in said
    assert said.rstrip().endswith("(the base image and the packages come over the network)")


def test_a_base_that_does_not_exist_is_named(engine: Engine) -> None:
    if engine.tool == "docker":
        pytest.skip("docker would ask a registry for it")
    code, said = built(PYTHON_IMAGE="localhost/nothing", CONTAINER_BUILD_FLAGS="--pull=never")
    assert code == 1
    assert "localhost/nothing" in said
