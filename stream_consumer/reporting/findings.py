"""The content of the page as values: the drift by day and in all, the errors by day, and the worst groups."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, reduce
from operator import add

from stream_consumer.monitor.day_profile import DayProfile, ends_whole, limits_of
from stream_consumer.monitor.drift import NO_LIMITS, Drift, Limits, drifts
from stream_consumer.profiling.profile import Profile
from stream_consumer.quality.result import DayQuality, Errors

LEAST_JUDGED = 100
"""Least number of judged predictions of a worst group. The error of a smaller group is mostly chance."""


@dataclass(frozen=True)
class Findings:
    """The findings about some days of one model."""

    model: str
    reference: Profile
    days: Sequence[DayProfile]
    """Every day of the period, also those without a window."""
    results: Sequence[DayQuality]
    """Results of the days that have a result."""
    today: date
    """The day that is not over yet."""

    @property
    def first(self) -> date:
        return self.days[0].day

    @property
    def last(self) -> date:
        return self.days[-1].day

    @cached_property
    def profile(self) -> Profile:
        """Profile of all days."""
        return reduce(add, (one.profile for one in self.days))

    @cached_property
    def limits(self) -> Limits:
        """Limits for the days with windows: seven days are a week, and fewer are judged like a day."""
        return limits_of(self.days, whole=ends_whole(self.days, self.today))

    @cached_property
    def daily_limits(self) -> list[Limits]:
        """Limits for each day."""
        return [limits_of([one], whole=ends_whole(self.days[: at + 1], self.today)) for at, one in enumerate(self.days)]

    @cached_property
    def drifts(self) -> list[Drift]:
        """Drift of all days, by column."""
        return drifts(self.reference, self.profile)

    @cached_property
    def daily(self) -> list[list[Drift]]:
        """Drift of each day, by column."""
        return [drifts(self.reference, one.profile) for one in self.days]

    @property
    def rings(self) -> list[str]:
        """Everything that rings, in sentences."""
        columns = [one.bins.title for one in self.drifts if one.rings(self.limits)]
        said = [f"{column} drifts over the period." for column in columns]
        for day, found, limits in zip(self.days, self.daily, self.daily_limits, strict=True):
            said += [f"{one.bins.title} drifts on {day.day}." for one in found if one.rings(limits)]
        for result in self.results:
            said += [f"The error of {name} is too large on {result.day} and the day before." for name in result.rings]
        return said

    @property
    def are_judged(self) -> bool:
        """Whether there is enough data for a verdict. Otherwise silence has no meaning."""
        return bool(self.results) or (self.limits != NO_LIMITS and any(one.judged for one in self.drifts))

    @property
    def worst(self) -> list[tuple[str, Errors]]:
        """The groups with the largest errors first, over all days."""
        found: dict[str, list[Errors]] = defaultdict(list)
        for result in self.results:
            for one in result.groups:
                found[one.group].append(one.errors)
        groups = [(name, together(errors)) for name, errors in found.items()]
        judged = [(name, errors) for name, errors in groups if errors.judged >= LEAST_JUDGED]
        return sorted(judged, key=lambda one: (-size_of(one[1]), one[0]))


def size_of(errors: Errors) -> float:
    """Return the RMSE or, for labels, the share of wrong labels. 0 without either."""
    if errors.rmse is not None:
        return errors.rmse
    return 1 - errors.accuracy if errors.accuracy is not None else 0.0


def together(parts: Sequence[Errors]) -> Errors:
    """Return the sum of the errors of several days."""

    def mean(values: Sequence[float | None]) -> float | None:
        weighted = [(value, one.judged) for value, one in zip(values, parts, strict=True) if value is not None]
        judged = sum(weight for _, weight in weighted)
        return sum(value * weight for value, weight in weighted) / judged if judged else None

    square = mean([None if one.rmse is None else one.rmse * one.rmse for one in parts])
    return Errors(
        predictions=sum(one.predictions for one in parts),
        judged=sum(one.judged for one in parts),
        missing=sum(one.missing for one in parts),
        late=sum(one.late for one in parts),
        rmse=None if square is None else math.sqrt(square),
        mae=mean([one.mae for one in parts]),
        bias=mean([one.bias for one in parts]),
        accuracy=mean([one.accuracy for one in parts]),
    )
