"""
Give a share of the batches to a new image first, and all batches after it passes.

The rule: a canary passes if no alarm went off, both versions got enough batches, and the new version's predictions,
dead letters and unseen categories are within bounds (:mod:`infra.canary_bounds`). Otherwise the earlier versions are
live again before the command fails. The first deployment has no version to fall back on and is released at once. The
batch and web interfaces have no canary, and get a new image last.

A share has a time limit, which the record names. Then a schedule of EventBridge takes the share away, so a canary also
ends if its driver died (infra/modules/canary).

Source: AWS Lambda developer guide, "Implement Lambda canary deployments using a weighted alias".
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.canary_bounds import FEWEST, Bound
from infra.canary_metrics import MetricLines
from infra.canary_report import Side, progress, table
from infra.clients import Aws, clients
from infra.environment import Environment, NotConfirmed, doors_held
from infra.publish import ReleaseFailed

_LOOK_SECONDS = 30
_MORE_MINUTES = 20  # with an hour of canary, and a build, within the two hours of a workflow's credentials
_TO_APPLY = timedelta(minutes=30)
"""Time for the two applies around a canary. With SnapStart, Lambda takes minutes to publish a version."""
_TO_GO_BACK = timedelta(minutes=10)
"""Time between going back and the share's own end, so that no canary passes without its share."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Challenger:
    """The model that was live. The new version of a consumer asks it about each batch."""

    location: str
    digest: str | None = None
    consumer: str | None = None
    """None means the only consumer."""


@dataclass(frozen=True, slots=True)
class Canary:
    """The share and the time of a new version, and its test meanwhile."""

    percent: int
    minutes: float
    batches: int = 20
    """Least number of batches for each version."""
    longest: float | None = None
    """Longest wait for *batches*, in minutes. None means 20 more than *minutes*."""
    bounds: Mapping[str, Bound] = field(default_factory=dict)
    challenger: Challenger | None = None
    connect: Callable[[Mapping[str, Any]], Aws] = clients
    """Makes the clients for the outputs of modules/system."""
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = _now

    def __post_init__(self) -> None:
        if self.batches < FEWEST:
            raise ReleaseFailed(f"BATCHES={self.batches}: a canary compares at least {FEWEST} batches of each version")

    def roll_out(self, environment: Environment, release: Mapping[str, Any]) -> str | None:
        """
        Apply *release* to a share of the batches, and to all batches if the canary passes.

        Returns:
            None if *release* is applied. Otherwise the reason why the earlier versions are live again.

        Raises:
            ReleaseFailed: The challenger's consumer does not exist, or is not named although there are several.
        """
        before = environment.outputs()
        if before.get("consumers"):
            return self._tried(environment, release, before)
        environment.apply(release)
        return None

    def _tried(self, environment: Environment, release: Mapping[str, Any], before: Mapping[str, Any]) -> str | None:
        """Apply *release* to a share, then to all. Return the reason if the versions *before* are live again."""
        challengers = self._challengers(before["consumers"])
        doors = {"doors_image_digest": before["doors_image_digest"]} if before.get("doors_image_digest") else {}
        trial = {**release, **doors, **({"challengers": challengers} if challengers else {})}
        live = {name: {"version": consumer["live_version"]} for name, consumer in before["consumers"].items()}
        back = {**trial, "releases": {**doors_held(before), **live}}
        until = self.now() + timedelta(minutes=self._longest) + _TO_APPLY
        share = {"canary_weight": self.percent / 100, "canary_until": f"{until:%Y-%m-%dT%H:%M:%SZ}"}
        aws = self.connect(before)
        alarms = _Alarms(aws("cloudwatch"), before["consumers"])
        shared = {**trial, "releases": {**back["releases"], **{name: live[name] | share for name in live}}}
        sides = None
        try:
            environment.apply(shared)
            sides = self._sides(aws("logs"), environment.outputs(), challengers)
            reason = self._fault(alarms, sides, until)
            print(table(sides, alarms.new))
            if not reason:
                environment.apply(release)
                return None
        except BaseException as fault:  # nobody watches the share now, and the schedule may lack the end of the share
            if sides is not None or not isinstance(fault, NotConfirmed):
                environment.apply(back)
            raise
        environment.apply(back)
        versions = ", ".join(f"{name} on version {held['version']}" for name, held in live.items())
        return f"rolled back, {versions}: {reason}"

    @property
    def _longest(self) -> float:
        return max(self.minutes, self.minutes + _MORE_MINUTES if self.longest is None else self.longest)

    def _challengers(self, consumers: Mapping[str, Any]) -> dict[str, dict[str, str]]:
        """Return the record's ``challengers``."""
        if not self.challenger:
            return {}
        name = self.challenger.consumer or next(iter(consumers))
        if name not in consumers or (self.challenger.consumer is None and len(consumers) > 1):
            raise ReleaseFailed(
                f"CHALLENGER={self.challenger.location}: set CHALLENGER_OF to the model's consumer, one of "
                f"{', '.join(consumers)}"
            )
        digest = {"digest": self.challenger.digest} if self.challenger.digest else {}
        return {name: {"location": self.challenger.location, **digest}}

    def _sides(self, logs: Any, outputs: Mapping[str, Any], challengers: Mapping[str, Any]) -> list[Side]:
        """Return the consumers with a new version."""
        began = round(self.now().timestamp() * 1000)
        return [
            Side(
                name,
                MetricLines(logs, consumer["function_name"], began),
                consumer["newest_version"],
                consumer["live_version"],
                self.bounds,
                has_challenger=name in challengers,
                least=self.batches,
            )
            for name, consumer in outputs["consumers"].items()
            if consumer["newest_version"] != consumer["live_version"]
        ]

    def _fault(self, alarms: "_Alarms", sides: list[Side], until: datetime) -> str | None:
        """Return the fault of the new versions, or None if there is no fault or no new version."""
        began = self.now()
        passes, ends = began + timedelta(minutes=self.minutes), began + timedelta(minutes=self._longest)
        ends = min(ends, until - _TO_GO_BACK)
        while sides:
            self.sleep(_LOOK_SECONDS)
            if new := alarms.look():
                return f"{', '.join(sorted(new))} went off"
            for side in sides:
                side.lines.read()
                print(progress(side, self.now() - began))
                if exceeded := side.exceeded():
                    remedy = "" if exceeded[0].bound is None else "; BOUNDS sets it"
                    return f"{side.name}: {exceeded[0]} (version {side.new} and version {side.live}{remedy})"
            passed = (self.now() - began).total_seconds() / 60
            thin = [why for side in sides if (why := side.too_thin(passed))]
            if not thin and self.now() >= passes:
                return None
            if self.now() >= ends:
                return "; ".join(thin) or (
                    f"{passed:g} of {self.minutes:g} minutes had passed {_TO_GO_BACK.seconds // 60} minutes before the "
                    "share ends by itself: the plan was applied too late"
                )
        return None


class _Alarms:
    """The alarms of the consumers that went off since this object was made."""

    def __init__(self, cloudwatch: Any, consumers: Mapping[str, Mapping[str, str]]) -> None:
        self._cloudwatch = cloudwatch
        self._functions = [consumer["function_name"] for consumer in consumers.values()]
        self._known = self._ringing()  # an alarm that rings already is not the new image's fault
        self.new: set[str] = set()

    def look(self) -> set[str]:
        """Return the alarms that ring now and did not ring before."""
        self.new = self._ringing() - self._known
        return self.new

    def _ringing(self) -> set[str]:
        pages = self._cloudwatch.get_paginator("describe_alarms")
        return {
            alarm["AlarmName"]
            for function in self._functions
            for page in pages.paginate(StateValue="ALARM", AlarmNamePrefix=f"{function}-")
            for alarm in page["MetricAlarms"]
        }
