"""
Give a new image to a share of the batches first, and to all of them if it proves itself.

The rule: a canary passes if no alarm went off and each new version was given a batch. Otherwise the versions that were
live are live again before the command fails. The first deployment has no version to fall back on and is released at
once. The batch and web interfaces have no canary: a new image reaches them last.

Sources: AWS Lambda developer guide, "Implement Lambda canary deployments using a weighted alias"; "Types of metrics for
Lambda functions" for the dimension ExecutedVersion, which invocations through a weighted alias have.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3

from infra.environment import Environment, doors_held

_LOOK_SECONDS = 30


def _cloudwatch(region: str) -> Any:
    return boto3.client("cloudwatch", region_name=region)


@dataclass(frozen=True, slots=True)
class Canary:
    """How much of the batches a new version gets, and for how long."""

    percent: int
    minutes: float
    connect: Callable[[str], Any] = _cloudwatch
    sleep: Callable[[float], None] = time.sleep

    def roll_out(self, environment: Environment, release: Mapping[str, Any]) -> str | None:
        """
        Apply *release* to a share of the batches, and to all of them if the canary passes.

        Returns:
            Why the versions before are live again; None: *release* is applied.
        """
        before = environment.outputs()
        if before.get("consumers"):
            doors = {"doors_image_digest": before["doors_image_digest"]} if before.get("doors_image_digest") else {}
            trial = {**release, **doors}
            live = {name: {"version": consumer["live_version"]} for name, consumer in before["consumers"].items()}
            shares = {name: {**version, "canary_weight": self.percent / 100} for name, version in live.items()}
            watch = _Watch(self.connect(before["region"]), before["consumers"])
            held = doors_held(before)
            environment.apply({**trial, "releases": {**held, **shares}})
            back = {**trial, "releases": {**held, **live}}
            try:
                reason = self._fault(watch, environment.outputs()["consumers"])
            except BaseException:  # nobody would watch the canary any more
                environment.apply(back)
                raise
            if reason:
                environment.apply(back)
                versions = ", ".join(f"{name} on version {release['version']}" for name, release in live.items())
                return f"rolled back, {versions}: {reason}"
        environment.apply(release)
        return None

    def _fault(self, watch: "_Watch", consumers: Mapping[str, Mapping[str, str]]) -> str | None:
        """Return what speaks against the new versions; None: nothing, or no consumer has a new version."""
        new = {name: item for name, item in consumers.items() if item["newest_version"] != item["live_version"]}
        if not new:
            return None
        for _ in range(max(1, round(self.minutes * 60 / _LOOK_SECONDS))):
            self.sleep(_LOOK_SECONDS)
            if alarms := watch.new_alarms():
                return f"{', '.join(sorted(alarms))} went off"
        if idle := [name for name, consumer in new.items() if not watch.batches(consumer)]:
            return (
                f"the new version of {', '.join(idle)} was given no batch in {self.minutes:g} minutes, so it proved "
                "nothing: give it more minutes or a larger share, or deploy without a canary"
            )
        return None


class _Watch:
    """What CloudWatch knows of the consumers since this was made."""

    def __init__(self, cloudwatch: Any, consumers: Mapping[str, Mapping[str, str]]) -> None:
        self._cloudwatch = cloudwatch
        self._functions = [consumer["function_name"] for consumer in consumers.values()]
        self._began = datetime.now(UTC)
        self._known = self._alarms()  # an alarm that rings already says nothing of the new image

    def new_alarms(self) -> set[str]:
        return self._alarms() - self._known

    def batches(self, consumer: Mapping[str, str]) -> float:
        """Return how many batches the newest version of *consumer* was given through the alias."""
        function = consumer["function_name"]
        dimensions = {
            "FunctionName": function,
            "Resource": f"{function}:{consumer['alias']}",
            "ExecutedVersion": consumer["newest_version"],
        }
        found = self._cloudwatch.get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName="Invocations",
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            StartTime=self._began,
            EndTime=datetime.now(UTC),
            Period=60,
            Statistics=["Sum"],
        )
        total: float = sum(point["Sum"] for point in found["Datapoints"])
        return total

    def _alarms(self) -> set[str]:
        pages = self._cloudwatch.get_paginator("describe_alarms")
        return {
            alarm["AlarmName"]
            for function in self._functions
            for page in pages.paginate(StateValue="ALARM", AlarmNamePrefix=f"{function}-")
            for alarm in page["MetricAlarms"]
        }
