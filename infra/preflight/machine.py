"""Checks of this machine: Terraform, and a container tool for the function's architecture."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from infra.container.engine import ContainerError, find_engine
from infra.container.platforms import ARCHITECTURES, own_architecture, own_platform, refuse_unbuildable
from infra.preflight.finding import Finding, stop

_REQUIRED = re.compile(r'required_version = ">= ([\d.]+)"')


def terraform(root: Path) -> Finding:
    """Compare the version of Terraform with the required version of the environment."""
    [required] = _REQUIRED.findall((root / "main.tf").read_text(encoding="utf-8"))
    try:
        said = subprocess.run(["terraform", "version", "-json"], capture_output=True, text=True, check=True).stdout  # noqa: S607 (the user's own)
    except (OSError, subprocess.CalledProcessError):
        return stop("terraform", "not installed", f"install Terraform {required} or newer")
    version = json.loads(said)["terraform_version"]
    if _numbers(version) < _numbers(required):
        return stop("terraform", f"{version} is too old", f"install Terraform {required} or newer")
    return Finding("terraform", version)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version.partition("-")[0])]


def architecture_of(root: Path, wanted: str | None) -> str:
    """
    Return the architecture of the image: *wanted*, or the deployed one, or this machine's own.

    Raises:
        ContainerError: Lambda does not have this machine's architecture.
    """
    record = root / "release.auto.tfvars.json"
    running = json.loads(record.read_text(encoding="utf-8")).get("architecture") if record.exists() else None
    return wanted or running or own_architecture()


def container(root: Path, wanted: str | None, environ: Mapping[str, str]) -> Finding:
    """Look for a container tool that builds for the function's architecture."""
    try:
        engine, architecture = find_engine(environ), architecture_of(root, wanted)
        if ARCHITECTURES[architecture] != own_platform():
            refuse_unbuildable(engine, ARCHITECTURES[architecture])
    except ContainerError as fault:
        seen, _, remedy = str(fault).rpartition(": ")
        return stop("container", *((seen, remedy) if seen else (remedy, "see docs/image.md")))
    return Finding("container", f"{engine.tool} builds for {architecture}")
