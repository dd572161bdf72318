"""The judgement of a day and of a week: from the profiles in S3 to metrics, a sentence and the answer."""

import io
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec
import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from stream_consumer.errors import UsageError
from stream_consumer.monitor.judgement import day_of
from stream_consumer.monitor.lambda_function import Handler
from stream_consumer.monitor.profile_archive import ProfileArchive, ProfileUnreadable, WindowProfile
from stream_consumer.telemetry import Telemetry
from tests.fakes import FakeTime, client_error
from tests.monitor.test_lambda_function import MODEL, Ride, rides
from tests.operate.bucket import BUCKET, ReadableS3
from tests.reporting import days
from tests.rides import FakeContext

TODAY = date(2026, 11, 27)
YESTERDAY = date(2026, 11, 26)
COLUMNS = ["PULocationID", "DOLocationID", "trip_distance", "prediction"]
WHOLE = (0, 8, 23)
"""Hours whose windows span a whole day."""

_names = itertools.count()


def window(day: date, hour: int, some: Sequence[Ride], **changes: Any) -> WindowProfile:
    return msgspec.structs.replace(days.window(day, hour, days.profile_of(some), len(some)), **changes)


class FlakyS3(ReadableS3):
    """Readable S3 whose first reads can be told to fail."""

    failing = 0

    def get_object(self, **request: Any) -> dict[str, Any]:
        if self.failing:
            self.failing -= 1
            raise client_error("InternalError", 500)("GetObject")
        return super().get_object(**request)


class Monitor:
    """One environment of the function on fakes, at half past one in the morning."""

    def __init__(self, windows: Iterable[WindowProfile] = ()) -> None:
        self.time = FakeTime()
        self.s3 = FlakyS3(self.time)
        self.s3.objects = {f"profiles/{one.key}": one.encode() for one in windows}
        self.log = io.StringIO()
        self.handler = Handler(
            MODEL,
            ProfileArchive(self.s3.client, BUCKET, "profiles", retry=self.time.retry()),
            Telemetry(
                Logger(service=f"judge-{next(_names)}", stream=self.log, level="INFO"),
                lambda: EphemeralMetrics(namespace="StreamConsumer", service="monitor"),
            ),
            margin_seconds=1,
            monotonic=self.time.clock,
            now=lambda: datetime.combine(TODAY, time(1, 30), UTC),
        )

    def judge(self, what: str = "yesterday", **more: str) -> Any:
        return json.loads(json.dumps(self.handler({"judge": what, **more}, FakeContext())))

    @property
    def warnings(self) -> list[str]:
        return [json.loads(line)["message"] for line in self.log.getvalue().splitlines()]


def a_day(day: date, count: int = 1_200, hours: Sequence[int] = WHOLE, **how: Any) -> list[WindowProfile]:
    """Return windows of *count* rides in all."""
    some = rides(count, seed=day.day, **how)
    return [window(day, hour, some[at :: len(hours)]) for at, hour in enumerate(hours)]


def days_before(count: int) -> list[date]:
    """Return *count* days of which yesterday is the last."""
    return [YESTERDAY - timedelta(days=back) for back in range(count)]


Metrics = Callable[[], dict[tuple[str, ...], dict[str, float]]]


@pytest.fixture
def metrics(capsys: pytest.CaptureFixture[str]) -> Metrics:
    """Return what gives the metrics that were emitted, by horizon and column."""

    def emitted() -> dict[tuple[str, ...], dict[str, float]]:
        found = {}
        for line in map(json.loads, capsys.readouterr().out.splitlines()):
            [directive] = line["_aws"]["CloudWatchMetrics"]
            names = [name for name in ("horizon", "column") if name in line]
            assert sorted(directive["Dimensions"][0]) == sorted([*names, "service"])
            values = {metric["Name"]: line[metric["Name"]][0] for metric in directive["Metrics"]}
            found[tuple(line[name] for name in names)] = values
        return found

    return emitted


def test_a_day_like_the_reference_rings_nothing_and_logs_nothing(metrics: Metrics) -> None:
    monitor = Monitor(a_day(YESTERDAY))

    assert monitor.judge() == {"day": "2026-11-26", "rings": {"day": [], "week": []}}

    found = metrics()
    assert found["day",] == found["week",] == {"MonitorWindows": 3, "MonitorWindowsOthers": 0, "DriftRings": 0}
    assert [key for key in found if len(key) == 2] == [(one, name) for one in ("day", "week") for name in COLUMNS]
    assert {found["day", name]["DriftRings"] for name in COLUMNS} == {0}
    assert {abs(found["day", name]["DriftSize"]) < 0.03 for name in COLUMNS} == {True}
    assert monitor.warnings == []


def test_a_day_in_kilometres_rings_and_says_which_columns_by_how_much(metrics: Metrics) -> None:
    monitor = Monitor(a_day(YESTERDAY, kilometres=True))

    assert monitor.judge()["rings"]["day"] == ["trip_distance", "prediction"]

    found = metrics()
    assert found["day",]["DriftRings"] == 2
    assert [found["day", name]["DriftRings"] for name in COLUMNS] == [0, 0, 1, 1]
    size, other = found["day", "trip_distance"]["DriftSize"], found["day", "prediction"]["DriftSize"]
    assert min(size, other) > 0.2
    assert monitor.warnings[0] == (
        f"in the day 2026-11-26 these columns drift: trip_distance (size {size:.3f}), prediction (size {other:.3f})"
    )


def test_a_week_has_narrower_limits_than_its_days(metrics: Metrics) -> None:
    """Half of the rides are in kilometres: too small a difference for any day."""
    windows = []
    for day in days_before(7):
        windows += [*a_day(day), window(day, 12, rides(1_200, seed=day.day + 50, kilometres=True))]
    monitor = Monitor(windows)

    assert monitor.judge()["rings"] == {"day": [], "week": ["trip_distance", "prediction"]}

    found = metrics()
    assert 0.025 < found["week", "trip_distance"]["DriftSize"] < 0.2
    assert found["week",]["MonitorWindows"] == 4 * 7
    [warning] = monitor.warnings
    assert warning.startswith("in the week to 2026-11-26 these columns drift: trip_distance (size 0.")


@pytest.mark.parametrize(("last", "rings"), [(16, []), (17, []), (18, ["trip_distance", "prediction"])])
def test_the_first_day_of_a_model_does_not_ring_if_it_is_less_than_18_hours(
    last: int, rings: list[str], metrics: Metrics
) -> None:
    """A window alone would ring at night. The last one begins at *last* and lasts a quarter of an hour."""
    monitor = Monitor(a_day(YESTERDAY, hours=(0, last), kilometres=True))
    assert monitor.judge()["rings"] == {"day": rings, "week": rings}
    assert metrics()["day", "trip_distance"]["DriftSize"] > 0.2


def test_a_stream_that_is_silent_at_night_is_judged_from_the_second_day_on(metrics: Metrics) -> None:
    windows = [one for day in days_before(2) for one in a_day(day, hours=(9, 17), kilometres=True)]
    assert Monitor(windows).judge()["rings"]["day"] == ["trip_distance", "prediction"]
    metrics()


def test_a_stream_that_is_silent_on_sundays_is_judged_on_monday(metrics: Metrics) -> None:
    windows = [one for back in (0, 2) for one in a_day(days_before(3)[back], hours=(9, 17), kilometres=True)]
    assert Monitor(windows).judge()["rings"]["day"] == ["trip_distance", "prediction"]
    metrics()


def test_today_does_not_ring_before_it_has_18_hours(metrics: Metrics) -> None:
    """An operator may ask before the day is over. Of the TLC's days up to 9, 10 or 11 h in UTC 2 in 95 would ring."""
    windows = [*a_day(YESTERDAY), *a_day(TODAY, hours=(0, 1), kilometres=True)]
    assert Monitor(windows).judge(str(TODAY))["rings"]["day"] == []
    metrics()


def test_windows_of_another_model_are_counted_and_not_added(metrics: Metrics) -> None:
    """Also one of the same bins: another version may predict otherwise."""
    others = [window(YESTERDAY, 5, rides(2_000, kilometres=True), digest="e" * 64, version="2")]
    monitor = Monitor([*a_day(YESTERDAY), *others])
    assert monitor.judge()["rings"]["day"] == []
    assert metrics()["day",] == {"MonitorWindows": 3, "MonitorWindowsOthers": 1, "DriftRings": 0}


def test_a_day_without_windows_is_said_and_is_a_zero(metrics: Metrics) -> None:
    monitor = Monitor([window(YESTERDAY, 5, rides(20), digest="e" * 64)])
    assert monitor.judge() == {"day": "2026-11-26", "rings": {"day": [], "week": []}}
    assert metrics() == {
        (one,): {"MonitorWindows": 0, "MonitorWindowsOthers": 1, "DriftRings": 0} for one in ("day", "week")
    }
    assert monitor.warnings == [
        "the day 2026-11-26 has no window of the model, and 1 of others",
        "the week to 2026-11-26 has no window of the model, and 1 of others",
    ]


def test_a_judgement_can_be_made_again_and_writes_nothing(metrics: Metrics) -> None:
    monitor = Monitor(a_day(YESTERDAY, kilometres=True))
    before = dict(monitor.s3.objects)
    first, seen = monitor.judge(), metrics()
    assert (monitor.judge(str(YESTERDAY)), metrics()) == (first, seen)
    assert (monitor.s3.objects, monitor.s3.requests) == (before, [])


def test_only_the_seven_days_that_end_with_the_day_are_read(metrics: Metrics) -> None:
    windows = [window(day, 1, rides(9)) for day in (TODAY, *days_before(9))]
    monitor = Monitor(windows)
    monitor.s3.objects["profiles/2026-11-26/note.txt"] = b"of an operator"
    monitor.judge()
    found = metrics()
    assert (found["day",]["MonitorWindows"], found["week",]["MonitorWindows"]) == (1, 7)


# --- whatever goes wrong ----------------------------------------------------------------------------------------------


def test_s3_is_asked_again_while_there_is_time(metrics: Metrics) -> None:
    monitor = Monitor(a_day(YESTERDAY))
    monitor.s3.failing = 5
    monitor.judge()
    assert metrics()["day",]["MonitorWindows"] == 3


def test_what_s3_does_not_give_in_time_is_raised_and_no_metric_says_otherwise(metrics: Metrics) -> None:
    monitor = Monitor(a_day(YESTERDAY))
    monitor.s3.failing = 1_000_000
    with pytest.raises(
        ProfileUnreadable, match=r"s3://.*/profiles/2026-11-26/ cannot be read: GetObject .*InternalErr"
    ):
        monitor.judge()
    assert metrics() == {}
    assert monitor.time.now <= 1_000 + FakeContext().get_remaining_time_in_millis() / 1_000


def test_what_is_denied_is_raised_at_once(metrics: Metrics) -> None:
    monitor = Monitor(a_day(YESTERDAY))
    denied = client_error("AccessDenied", 403)("GetObject")
    monitor.s3.unreadable = dict.fromkeys(monitor.s3.objects, denied)
    with pytest.raises(ProfileUnreadable, match="AccessDenied"):
        monitor.judge()
    assert monitor.time.slept == []
    metrics()


def test_an_object_that_is_no_profile_is_named_with_the_remedy(metrics: Metrics) -> None:
    monitor = Monitor(a_day(YESTERDAY))
    monitor.s3.objects["profiles/2026-11-22/x.json"] = b"{}"
    with pytest.raises(
        ProfileUnreadable, match=r"profiles/2026-11-22/x\.json is not a profile.*; move it out of the fold"
    ):
        monitor.judge()
    assert metrics() == {}


@pytest.mark.parametrize("end", ["2026-11-26T00:15:00", "2026-11-26T00:15:00Zulu"])
def test_a_window_whose_times_have_no_zone_is_no_profile(end: str, metrics: Metrics) -> None:
    monitor = Monitor(a_day(YESTERDAY))
    key, content = next(iter(monitor.s3.objects.items()))
    monitor.s3.objects[key] = json.dumps(json.loads(content) | {"end": end}).encode()
    with pytest.raises(ProfileUnreadable, match=r"is not a profile of a window: .* at `\$\.end`"):
        monitor.judge()
    metrics()


@pytest.mark.parametrize("name", ["2026-11-26/copy.json", "2026-11-25/{name}", "2026-11-26/backup/{name}"])
def test_a_copy_of_a_window_is_not_counted_again(name: str, metrics: Metrics) -> None:
    monitor = Monitor(a_day(YESTERDAY))
    key, content = next(iter(monitor.s3.objects.items()))
    copy = f"profiles/{name.format(name=key.rsplit('/', 1)[1])}"
    monitor.s3.objects[copy] = content
    with pytest.raises(ProfileUnreadable, match=rf"{copy} is a copy of the window 2026-11-26/shardId-.*; move it out"):
        monitor.judge()
    metrics()


# --- which day --------------------------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 27, 0, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("event", "day"),
    [
        ({"judge": "2026-11-20"}, date(2026, 11, 20)),
        ({"judge": "2026-11-20", "scheduled_time": "2026-11-27T01:30:00Z"}, date(2026, 11, 20)),
        ({"judge": "yesterday"}, date(2026, 11, 26)),
        ({"judge": "yesterday", "scheduled_time": "2026-11-26T23:50:00Z"}, date(2026, 11, 25)),
        ({"judge": "yesterday", "scheduled_time": "2026-11-27T01:30:00+02:00"}, date(2026, 11, 25)),
    ],
)
def test_the_day_is_that_of_the_event_or_the_one_before_the_schedule(event: dict[str, str], day: date) -> None:
    assert day_of(event, NOW) == day


@pytest.mark.parametrize(
    "event",
    [
        {"judge": "the day before"},
        {"judge": 5},
        {"judge": None},
        {"judge": "yesterday", "scheduled_time": "soon"},
        {"judge": "yesterday", "scheduled_time": "0001-01-01T00:00:00Z"},
        {"judge": "yesterday", "scheduled_time": "0001-01-01T00:00:00+14:00"},
    ],
)
def test_an_event_that_names_no_day_is_refused_with_what_is_wanted(event: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r'no day to judge: .*; wanted {"judge": "2026-11-26"} or "yesterday"'):
        day_of(event, NOW)
