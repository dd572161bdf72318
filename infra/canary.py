"""
Give a new image to a share of the batches first, and to all of them if it proves itself.

The rule: a canary passes if no alarm went off, both versions were given enough batches, and the new one's predictions,
dead letters and unseen categories are within bounds (:mod:`infra.canary_bounds`). Otherwise the versions that were live
are live again before the command fails. The first deployment has no version to fall back on and is released at once.
The batch and web interfaces have no canary: a new image reaches them last.

A share is given for a limited time, which the record names. A schedule of EventBridge takes the share away then, so a
canary whose driver died ends all the same (infra/modules/canary).

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
"""How long the two applies around a canary may take: with SnapStart Lambda publishes a version for minutes."""
_TO_GO_BACK = timedelta(minutes=10)
"""How long before the share ends by itself the canary goes back, so that no canary passes without its share."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Challenger:
    """The model that was live, which the new version of a consumer is to ask about each batch."""

    location: str
    digest: str | None = None
    consumer: str | None = None
    """None: the only one."""


@dataclass(frozen=True, slots=True)
class Canary:
    """How much of the batches a new version gets, for how long, and what it must show meanwhile."""

    percent: int
    minutes: float
    batches: int = 20
    """Each version must be given so many at least."""
    longest: float | None = None
    """Minutes that are waited for *batches* at most; None: 20 more than *minutes*."""
    bounds: Mapping[str, Bound] = field(default_factory=dict)
    challenger: Challenger | None = None
    connect: Callable[[Mapping[str, Any]], Aws] = clients
    """Makes the clients, for the outputs of modules/system."""
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = _now

    def __post_init__(self) -> None:
        if self.batches < FEWEST:
            raise ReleaseFailed(f"BATCHES={self.batches}: a canary compares {FEWEST} batches of each version at least")

    def roll_out(self, environment: Environment, release: Mapping[str, Any]) -> str | None:
        """
        Apply *release* to a share of the batches, and to all of them if the canary passes.

        Returns:
            Why the versions before are live again; None: *release* is applied.

        Raises:
            ReleaseFailed: The challenger is for no consumer, or for one of several.
        """
        before = environment.outputs()
        if before.get("consumers"):
            return self._tried(environment, release, before)
        environment.apply(release)
        return None

    def _tried(self, environment: Environment, release: Mapping[str, Any], before: Mapping[str, Any]) -> str | None:
        """Apply *release* to a share of the batches, then to all; return why the versions *before* are live again."""
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
        except BaseException as fault:  # nobody watches the share any more, and the schedule may have lost its end
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
                f"CHALLENGER={self.challenger.location}: CHALLENGER_OF names the consumer that it was live in, one of "
                f"{', '.join(consumers)}"
            )
        digest = {"digest": self.challenger.digest} if self.challenger.digest else {}
        return {name: {"location": self.challenger.location, **digest}}

    def _sides(self, logs: Any, outputs: Mapping[str, Any], challengers: Mapping[str, Any]) -> list[Side]:
        """Return the consumers that have a new version."""
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
        """Return what speaks against the new versions; None: nothing, or no consumer has a new version."""
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
                    "share ends by itself: the plan waited too long to be applied"
                )
        return None


class _Alarms:
    """The alarms of the consumers that went off since this was made."""

    def __init__(self, cloudwatch: Any, consumers: Mapping[str, Mapping[str, str]]) -> None:
        self._cloudwatch = cloudwatch
        self._functions = [consumer["function_name"] for consumer in consumers.values()]
        self._known = self._ringing()  # an alarm that rings already says nothing of the new image
        self.new: set[str] = set()

    def look(self) -> set[str]:
        """Return the alarms that ring now and did not before."""
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
