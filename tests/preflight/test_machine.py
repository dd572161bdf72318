"""Preflight, this machine: Terraform, and a container tool for the function's architecture."""

import json
from pathlib import Path

import pytest

from infra.container import platforms
from infra.preflight import machine
from tests.preflight.tools import install


@pytest.mark.parametrize(
    ("version", "line"),
    [
        ("1.11.0", "ok   terraform    1.11.0"),
        ("2.0.0-beta1", "ok   terraform    2.0.0-beta1"),
        ("1.9.8", "STOP terraform    1.9.8 is too old: install Terraform 1.11 or newer"),
        ("", "STOP terraform    not installed: install Terraform 1.11 or newer"),
    ],
)
def test_terraform_is_as_new_as_the_environment_requires(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, line: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if version:
        install(tmp_path, "terraform", f"""echo '{{"terraform_version": "{version}"}}'""")
    assert str(machine.terraform(root)) == line


def test_the_container_tool_builds_for_what_is_asked_for_or_runs(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(platforms, "emulated", lambda _: frozenset())
    install(tmp_path, "podman", """echo '{"host": {"arch": "amd64"}}'""")
    own = "ok   container    podman builds for x86_64"
    refused = "STOP container    podman builds for linux/amd64 here, not for linux/arm64: install qemu-user-static"
    assert str(machine.container(root, None, {})) == own
    (root / "release.auto.tfvars.json").write_text(json.dumps({"architecture": "arm64"}))
    assert str(machine.container(root, None, {})).startswith(refused)
    assert str(machine.container(root, "x86_64", {})) == own
    (root / "release.auto.tfvars.json").write_text(json.dumps({"architecture": "x86_64"}))
    assert str(machine.container(root, None, {})) == own
    assert str(machine.container(root, "arm64", {})).startswith(refused)


def test_without_a_container_tool_each_ones_own_reason_is_said(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = machine.container(root, None, {})
    assert found.blocks
    assert "docker: not installed; podman: not installed; buildah: not installed" in str(found)
    assert "install docker, podman or buildah" in str(found)
