"""Days of a model for the tests: profiles of windows and results, in folders as the monitor writes them."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import msgspec

from stream_consumer.batch.locations import Location
from stream_consumer.batch.storage import Stores
from stream_consumer.monitor.profile_archive import WindowProfile
from stream_consumer.profiling.profile import Profile
from stream_consumer.profiling.reference import carried_by
from stream_consumer.quality.result import DayQuality, Errors, GroupErrors, VersionErrors
from stream_consumer.quality.results import Results
from tests.monitor.test_lambda_function import MODEL

REFERENCE, PROFILER = carried_by(MODEL)
TODAY = date(2026, 11, 21)


def days(count: int) -> list[date]:
    return [TODAY - timedelta(days=back) for back in reversed(range(count))]


def profile_of(rides: Sequence[Sequence[Any]]) -> Profile:
    """Return the profile of rides of pick-up, drop-off and miles."""
    columns = list(map(list, zip(*rides, strict=True)))
    return PROFILER.profile(columns, MODEL.values(columns))


def window(day: date, hour: int, profile: Profile, records: int) -> WindowProfile:
    """Return the window of a quarter of an hour that begins with the *hour*."""
    start = datetime.combine(day, time(hour), UTC)
    return WindowProfile(
        stream="arn:aws:kinesis:eu-west-1:123456789012:stream/ride_events",
        shard="shardId-000000000000",
        start=start,
        end=start + timedelta(minutes=15),
        model=MODEL.name,
        version=MODEL.version,
        digest=MODEL.digest,
        records=records,
        invalid=1,
        skipped=2,
        drift=(),
        profile=msgspec.Raw(profile.encode()),
    )


def put_window(folder: Path, day: date, hour: int, profile: Profile, records: int) -> None:
    kept = window(day, hour, profile, records)
    path = folder / kept.key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(kept.encode())


def errors(rmse: float, judged: int = 600) -> Errors:
    return Errors(
        predictions=judged * 2,
        judged=judged,
        missing=judged,
        late=0,
        rmse=rmse,
        mae=rmse / 2,
        bias=-0.5,
        accuracy=None,
    )


def put_result(folder: Path, day: date, rmse: float, groups: dict[str, Errors], *, rings: tuple[str, ...] = ()) -> None:
    result = DayQuality(
        day=day,
        errors=errors(rmse),
        versions=(VersionErrors("rides", "3", errors(rmse)),),
        groups=tuple(GroupErrors(name, one) for name, one in groups.items()),
        duplicate_predictions=0,
        duplicate_outcomes=0,
        malformed_predictions=0,
        malformed_outcomes=0,
        rings=rings,
    )
    Results(Stores(), Location.parse(str(folder))).keep(result)


def another_profile() -> bytes:
    """Return the JSON of a window of another model."""
    other = {"bins": [{"name": "tenure", "kind": "presence"}], "counts": [[3, 0]]}
    return json.dumps(other).encode()
