"""Preflight as a whole: every fault at once, before anything is initialised."""

import shutil
from pathlib import Path

import boto3
import pytest

from infra.preflight.inspection import Deployment, findings, passes
from tests.preflight.tools import install


def tools(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have podman, and the real Terraform."""
    real = shutil.which("terraform")
    if not real:
        pytest.skip("terraform is not installed")
    (folder / "terraform").symlink_to(real)
    install(folder, "podman", """echo '{"host": {"arch": "amd64"}}'""")
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.usefixtures("keys")
def test_all_is_looked_at_before_anything_is_initialised(
    root: Path, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tools(tmp_path, monkeypatch)
    (root / "terraform.tfvars").write_text(
        'account_id = "123456789012"\nregion = "us-east-1"\nconsumers = { ride-duration = {} }\n'
    )
    (root / "backend.hcl").write_text('bucket = "a-state"\nregion = "us-east-1"\n')
    boto3.client("s3", "us-east-1").create_bucket(Bucket="a-state")
    assert passes(Deployment(root, None, str(model)), {"PATH": str(tmp_path)})
    said = capsys.readouterr().out.splitlines()
    assert [line[:17].split() for line in said] == [
        ["ok", subject] for subject in ("terraform", "container", "region", "identity", "concurrency", "state", "model")
    ]


def test_the_region_of_the_environment_is_taken(
    root: Path, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The remedy for a missing region is AWS_REGION, so this variable must help."""
    tools(tmp_path, monkeypatch)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    passes(Deployment(root, None, str(model)), {"PATH": str(tmp_path)})
    assert "ok   region       eu-west-1" in capsys.readouterr().out.splitlines()


def test_every_fault_is_named_at_once(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tools(tmp_path, monkeypatch)
    (tmp_path / "podman").unlink()
    (root / "terraform.tfvars").write_text("consumers = { ride-duration = {} }\n")
    assert not passes(Deployment(root, None, ""), {"PATH": str(tmp_path)})
    stops = [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("STOP")]
    assert stops == ["container", "region", "identity", "state", "model"]


def test_a_typo_in_the_tfvars_is_reported_where_it_stands(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools(tmp_path, monkeypatch)
    (root / "terraform.tfvars").write_text('region = "eu-west-1\n')
    [last] = [str(found) for found in findings(Deployment(root, None, ""), {"PATH": str(tmp_path)})][2:]
    assert last.startswith("STOP variables    Invalid multi-line string on terraform.tfvars line 1")
    assert last.endswith("correct the values in dev's tfvars")


def test_a_profile_that_there_is_not_is_named(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools(tmp_path, monkeypatch)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    [last] = [str(found) for found in findings(Deployment(root, None, ""), {"PATH": str(tmp_path)})][2:]
    assert last.startswith("STOP identity     AWS_PROFILE='nobody'")
