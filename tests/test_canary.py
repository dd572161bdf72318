"""The canary of a deployment: what it applies, in order, and what makes it go back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra.canary import Canary
from infra.environment import Environment

RELEASE = {"image_digest": "sha256:1234", "architecture": "arm64", "releases": {}}
WITH_DOORS = {**RELEASE, "doors_image_digest": "sha256:1234"}


@dataclass
class Account:
    """Terraform and CloudWatch of an account: each apply is kept and publishes, and alarms go off at the n-th look."""

    live: str | None = "7"
    newest: str = "8"
    doors: str | None = None
    batches: float = 3.0
    alarm_at: int | None = None
    applied: list[Mapping[str, Any]] = field(default_factory=list)
    asked: list[Mapping[str, str]] = field(default_factory=list)
    looks: int = 0
    slept: float = 0.0

    def outputs(self) -> dict[str, Any]:
        newest = self.newest if self.applied else self.live
        consumer = {"function_name": "rides-dev", "alias": "live", "live_version": self.live, "newest_version": newest}
        return {"consumers": {"rides": consumer}, "region": "eu-west-1", "doors_image_digest": self.doors}

    def get_paginator(self, name: str) -> "Account":
        assert name == "describe_alarms"
        return self

    def paginate(self, **wanted: str) -> Iterator[Any]:
        assert wanted == {"StateValue": "ALARM", "AlarmNamePrefix": "rides-dev-"}
        self.looks += 1
        yield {"MetricAlarms": [{"AlarmName": "rides-dev-known"}]}
        yield {"MetricAlarms": [{"AlarmName": "rides-dev-errors"}] if self.looks == self.alarm_at else []}

    def get_metric_statistics(self, *, Dimensions: list[Mapping[str, str]], **wanted: Any) -> Any:  # noqa: N803 (CloudWatch's name)
        assert (wanted["Namespace"], wanted["MetricName"], wanted["Statistics"]) == (
            "AWS/Lambda",
            "Invocations",
            ["Sum"],
        )
        assert wanted["StartTime"] <= wanted["EndTime"]
        self.asked.append({item["Name"]: item["Value"] for item in Dimensions})
        return {"Datapoints": [{"Sum": self.batches}] if self.batches else []}

    def sleep(self, seconds: float) -> None:
        self.slept += seconds

    def roll_out(self, release: Mapping[str, Any], percent: int = 10) -> str | None:
        canary = Canary(percent, 10, connect=lambda region: {"eu-west-1": self}[region], sleep=self.sleep)
        return canary.roll_out(Root(account=self), release)

    @property
    def releases(self) -> list[Any]:
        return [release["releases"] for release in self.applied]

    @property
    def doors_applied(self) -> list[str | None]:
        return [release.get("doors_image_digest") for release in self.applied]


@dataclass(frozen=True, slots=True, kw_only=True)
class Root(Environment):
    """The environment in that account."""

    root: Path = Path()
    approve: bool = True
    account: Account

    def outputs(self) -> dict[str, Any]:
        return self.account.outputs() if self.account.live else {}

    def apply(self, release: Mapping[str, Any]) -> None:
        self.account.applied.append(release)


def test_the_first_deployment_is_released_at_once() -> None:
    account = Account(live=None)
    assert account.roll_out(RELEASE) is None
    assert account.applied == [RELEASE]


def test_some_of_the_batches_first_then_all() -> None:
    """Ten minutes without an alarm that did not ring before, looked at twice a minute."""
    account = Account()
    assert account.roll_out(RELEASE) is None
    assert account.releases == [{"rides": {"version": "7", "canary_weight": 0.1}}, {}]
    assert (account.looks, account.slept) == (1 + 20, 600)


def test_an_alarm_brings_the_live_version_back() -> None:
    account = Account(alarm_at=3)
    assert account.roll_out(RELEASE, 25) == "rolled back, rides on version 7: rides-dev-errors went off"
    assert account.releases == [{"rides": {"version": "7", "canary_weight": 0.25}}, {"rides": {"version": "7"}}]
    assert account.looks == 3


def test_a_version_that_was_given_no_batch_does_not_pass() -> None:
    """Without a batch no alarm of it can go off; only invocations of that version through the alias count."""
    account = Account(batches=0)
    reason = account.roll_out(RELEASE)
    assert reason == (
        "rolled back, rides on version 7: the new version of rides was given no batch in 10 minutes, so it proved "
        "nothing: give it more minutes or a larger share, or deploy without a canary"
    )
    assert account.releases[-1] == {"rides": {"version": "7"}}
    assert account.asked == [{"FunctionName": "rides-dev", "Resource": "rides-dev:live", "ExecutedVersion": "8"}]


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), RuntimeError("the token expired")])
def test_a_canary_that_nobody_watches_any_more_is_taken_back(
    fault: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account()

    def sleep(_: float) -> None:
        raise fault

    monkeypatch.setattr(account, "sleep", sleep)
    with pytest.raises(type(fault)):
        account.roll_out(RELEASE)
    assert account.releases[-1] == {"rides": {"version": "7"}}


def test_without_a_new_version_there_is_nothing_to_wait_for() -> None:
    """The same image again: the alias cannot share the batches between a version and itself."""
    account = Account(newest="7", batches=0)
    assert account.roll_out(RELEASE) is None
    assert (account.releases[-1], account.slept) == ({}, 0)


def test_the_doors_keep_their_image() -> None:
    """A record without it would take the image of doors that run."""
    account = Account(doors="sha256:abcd")
    account.roll_out({**RELEASE, "doors_image_digest": "sha256:abcd"})
    assert account.doors_applied == ["sha256:abcd", "sha256:abcd"]


def test_an_image_for_the_doors_reaches_them_last() -> None:
    account = Account(doors="sha256:abcd")
    account.roll_out(WITH_DOORS)
    assert account.doors_applied == ["sha256:abcd", "sha256:1234"]


@pytest.mark.parametrize("fault", [{"alarm_at": 2}, {"batches": 0.0}])
def test_a_canary_that_fails_leaves_the_doors_theirs(fault: dict[str, Any]) -> None:
    account = Account(doors="sha256:abcd", **fault)
    assert account.roll_out(WITH_DOORS)
    assert account.doors_applied == ["sha256:abcd", "sha256:abcd"]


def test_the_first_doors_have_no_other_image() -> None:
    """Terraform refuses a door without one, the canary's plan too."""
    account = Account()
    account.roll_out(WITH_DOORS)
    assert account.doors_applied == ["sha256:1234", "sha256:1234"]
