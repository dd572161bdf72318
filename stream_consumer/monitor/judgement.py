"""
The judgement of a day, and of the seven days up to and including this day, by the profiles of their windows.

The rule: only the sum of a day or a week rings, never a single window. A judgement changes nothing, so a day can be
judged again. An unreadable profile is raised. Then Lambda retries, and ``Errors`` counts the failure.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from operator import add
from typing import Any

import msgspec

from stream_consumer.contract.printable import printable
from stream_consumer.errors import UsageError
from stream_consumer.model import Model
from stream_consumer.monitor.day_profile import DAYS_OF_A_WEEK, DayProfile, days_to, ends_whole, limits_of
from stream_consumer.monitor.drift import Drift, Limits, drifts
from stream_consumer.monitor.profile_archive import ProfileArchive
from stream_consumer.profiling.profile import Profile
from stream_consumer.telemetry import Metric, Telemetry

YESTERDAY = "yesterday"
HORIZONS: Mapping[str, int] = {"day": 1, "week": DAYS_OF_A_WEEK}
"""The values of the dimension ``horizon``, each with its number of days."""


class _Asked(msgspec.Struct):
    """The event of a judgement."""

    judge: str
    scheduled_time: datetime | None = None


def asks_for_judgement(event: Any) -> bool:
    """Whether *event* is ``{"judge": …}``, not the event of a mapping."""
    return isinstance(event, Mapping) and "judge" in event


def day_of(event: Mapping[str, Any], now: datetime) -> date:
    """
    Return the day to judge, in UTC.

    ``{"judge": "2026-11-26"}`` names the day. ``{"judge": "yesterday"}`` is the day before ``scheduled_time`` of
    EventBridge Scheduler, or else before *now*. So a late retry of an invocation judges the same day.

    Raises:
        UsageError: *event* has another shape.
    """
    try:
        asked = msgspec.convert(event, _Asked)
        if asked.judge == YESTERDAY:
            return (asked.scheduled_time or now).astimezone(UTC).date() - timedelta(days=1)
        return date.fromisoformat(asked.judge)
    except (ValueError, OverflowError) as error:
        raise UsageError(f'no day to judge: {error}; wanted {{"judge": "2026-11-26"}} or "{YESTERDAY}"') from None


class Judge:
    """Judges the days of one model."""

    def __init__(self, model: Model, reference: Profile, archive: ProfileArchive, report: Telemetry) -> None:
        self._model = model
        self._reference = reference
        self._archive = archive
        self._report = report

    def judge(self, day: date, today: date, deadline: float) -> dict[str, Any]:
        """
        Report *day* and the week up to *day*, as of *today*. Return the ringing columns by horizon.

        Raises:
            ProfileUnreadable: The windows of a day could not be read by *deadline*. Then there is no report.
        """
        # Day by day: the windows of a week need not be in memory at once.
        days = [
            DayProfile.of(one, self._archive.read(one, deadline), self._reference.bins, self._model.digest)
            for one in days_to(day, max(HORIZONS.values()))
        ]
        whole = ends_whole(days, today)
        rings = {}
        for horizon, count in HORIZONS.items():
            its = days[-count:]
            rings[horizon] = self._judged(horizon, its, limits_of(its, whole=whole))
        return {"day": f"{day}", "rings": rings}

    def _judged(self, horizon: str, days: Sequence[DayProfile], limits: Limits) -> list[str]:
        windows, others = sum(one.windows for one in days), sum(one.others for one in days)
        found = drifts(self._reference, reduce(add, (one.profile for one in days)))
        rings = [one for one in found if one.rings(limits)]
        self._measure(horizon, found, limits)
        values = [(Metric.MONITOR_WINDOWS, windows), (Metric.MONITOR_WINDOWS_OTHERS, others)]
        self._report.measured([*values, (Metric.DRIFT_RINGS, len(rings))], horizon=horizon)
        period = f"the {horizon} to {days[-1].day}" if len(days) > 1 else f"the {horizon} {days[-1].day}"
        if rings:
            told = ", ".join(f"{printable(one.bins.title)} (size {one.size:.3f})" for one in rings)
            self._report.warned(f"in {period} these columns drift: {told}", horizon=horizon)
        if not windows:
            self._report.warned(f"{period} has no window of the model, and {others} of others", horizon=horizon)
        return [one.bins.title for one in rings]

    def _measure(self, horizon: str, found: Sequence[Drift], limits: Limits) -> None:
        for one in found:
            if one.judged:
                sizes = [(Metric.DRIFT_Z, one.z), (Metric.DRIFT_SIZE, one.size)]
                rings = (Metric.DRIFT_RINGS, int(one.rings(limits)))
                self._report.measured([*sizes, rings], column=one.bins.title, horizon=horizon)
