"""The deploy workflow's canary: what it applies, in order, and what makes it go back."""

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

IMAGE = {"image_digest": "sha256:1234", "architecture": "arm64"}
LIVE = {"rides": {"live_version": "7", "function_name": "rides-dev"}}


def canary() -> ModuleType:
    """The script, which is no part of a package."""
    path = Path(__file__).parent.parent / ".ci" / "canary.py"
    spec = importlib.util.spec_from_file_location("canary", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Account:
    """Terraform and CloudWatch of an account: what is applied is kept, and alarms go off at the n-th look."""

    def __init__(self, root: Path, consumers: dict[str, Any], alarm_at: int | None = None) -> None:
        self.root = root
        self.consumers = consumers
        self.alarm_at = alarm_at
        self.doors: str | None = None
        self.doors_applied: list[str | None] = []
        self.releases: list[Any] = []
        self.looks = 0
        self.slept = 0.0

    def run(self, command: Sequence[str]) -> str:
        match command:
            case ["terraform", _, "output", "-json"]:
                system = {"consumers": self.consumers, "doors_image_digest": self.doors}
                return json.dumps({"system": {"value": system}} if self.consumers else {})
            case ["terraform", _, "apply", *_]:
                record = json.loads((self.root / "release.auto.tfvars.json").read_text())
                assert {name: record[name] for name in IMAGE} == IMAGE
                self.releases.append(record["releases"])
                self.doors_applied.append(record.get("doors_image_digest"))
                return "applied"
            case ["aws", "cloudwatch", *_]:
                assert "rides-dev-" in command
                self.looks += 1
                ringing = ["rides-dev-known", *(["rides-dev-errors"] if self.looks == self.alarm_at else [])]
                return json.dumps(ringing)
        return "a plan"

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


def test_the_first_deployment_is_released_at_once(tmp_path: Path) -> None:
    account = Account(tmp_path, {})
    canary().release(tmp_path, IMAGE, 10, 10, account.run, account.sleep)
    assert account.releases == [{}]


def test_some_of_the_batches_first_then_all(tmp_path: Path) -> None:
    """Ten minutes without an alarm that did not ring before, looked at twice a minute."""
    account = Account(tmp_path, LIVE)
    canary().release(tmp_path, IMAGE, 10, 10, account.run, account.sleep)
    assert account.releases == [{"rides": {"version": "7", "canary_weight": 0.1}}, {}]
    assert (account.looks, account.slept) == (1 + 20, 600)


def test_an_alarm_brings_the_live_version_back(tmp_path: Path) -> None:
    account = Account(tmp_path, LIVE, alarm_at=3)
    module = canary()
    with pytest.raises(module.Alarmed, match=r"rolled back to \{'rides': '7'\}: rides-dev-errors went off"):
        module.release(tmp_path, IMAGE, 25, 10, account.run, account.sleep)
    assert account.releases == [{"rides": {"version": "7", "canary_weight": 0.25}}, {"rides": {"version": "7"}}]
    assert account.looks == 3


def test_the_doors_keep_their_image(tmp_path: Path) -> None:
    """A record without it would take the image of doors that run."""
    account = Account(tmp_path, LIVE)
    account.doors = "sha256:abcd"
    canary().release(tmp_path, IMAGE, 10, 10, account.run, account.sleep)
    assert account.doors_applied == ["sha256:abcd", "sha256:abcd"]


def test_an_image_for_the_doors_reaches_them_last(tmp_path: Path) -> None:
    account = Account(tmp_path, LIVE)
    account.doors = "sha256:abcd"
    for_doors = {**IMAGE, "doors_image_digest": "sha256:1234"}
    canary().release(tmp_path, for_doors, 10, 10, account.run, account.sleep)
    assert account.doors_applied == ["sha256:abcd", "sha256:1234"]


def test_an_alarm_leaves_the_doors_theirs(tmp_path: Path) -> None:
    account = Account(tmp_path, LIVE, alarm_at=2)
    account.doors = "sha256:abcd"
    module = canary()
    with pytest.raises(module.Alarmed):
        module.release(tmp_path, {**IMAGE, "doors_image_digest": "sha256:1234"}, 10, 10, account.run, account.sleep)
    assert account.doors_applied == ["sha256:abcd", "sha256:abcd"]


def test_the_first_doors_have_no_other_image(tmp_path: Path) -> None:
    """Terraform refuses a door without one, the canary's plan too."""
    account = Account(tmp_path, LIVE)
    for_doors = {**IMAGE, "doors_image_digest": "sha256:1234"}
    canary().release(tmp_path, for_doors, 10, 10, account.run, account.sleep)
    assert account.doors_applied == ["sha256:1234", "sha256:1234"]
