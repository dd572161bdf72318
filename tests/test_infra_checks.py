"""``make infra-test`` judges the code, not what an operator keeps beside it."""

from pathlib import Path

import pytest

from infra.tests import terraform

OWN = ["backend.hcl.example", "doors.tfvars.example", "main.tf"]
OPERATORS = ["doors.auto.tfvars", "release.auto.tfvars.json", "terraform.tfstate", "terraform.tfvars"]


def test_an_operators_variables_and_state_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Terraform would load them, and plan the operator's environment instead of the examples."""
    root = tmp_path / "infra" / "envs" / "prod"
    root.mkdir(parents=True)
    for name in (*OWN, *OPERATORS):
        (root / name).touch()
    monkeypatch.setattr(terraform, "INFRA", tmp_path / "infra")
    copied = terraform.copy_of_infra(tmp_path / "copy") / "envs" / "prod"
    assert sorted(path.name for path in copied.iterdir()) == OWN
