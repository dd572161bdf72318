"""A day's predictions against what came true: what is counted, and how."""

import gzip
import json
import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stream_consumer.archive.layout import archive_at
from stream_consumer.batch.locations import Location
from stream_consumer.batch.storage import Stores
from stream_consumer.contract.envelope import Envelope
from stream_consumer.errors import UsageError
from stream_consumer.quality import daily
from stream_consumer.quality.daily import NothingPredicted, Sources, judge
from stream_consumer.quality.result import DayQuality, Errors, Registered, ResultUnreadable, decode_day

DAY = date(2026, 11, 21)
MIDNIGHT = datetime(2026, 11, 21, tzinfo=UTC)


def line(value: Any, ride_id: Any, event_id: str | None = "", *, version: str = "3") -> dict[str, Any]:
    return {
        "model": "rides",
        "version": version,
        "prediction": {"ride_duration": value, "ride_id": ride_id},
        "event_id": f"shardId-0:{ride_id}" if event_id == "" else event_id,
    }


def outcome(value: Any, ride_id: Any) -> dict[str, Any]:
    return {"ride_id": ride_id, "ride_duration": value}


class World:
    """Archives in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0
        (folder / "scratch").mkdir()

    def put(self, archive: str, hours: int, *records: Any) -> None:
        """Archive *records* so many hours after the day has begun."""
        hour = MIDNIGHT + timedelta(hours=hours)
        folder = self.folder / archive / f"{hour:%Y/%m/%d/%H}"
        folder.mkdir(parents=True, exist_ok=True)
        self._count += 1
        text = "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in records)
        (folder / f"{self._count:06}.gz").write_bytes(gzip.compress(text.encode()))

    def judge(self, registered: Registered | None = None, *, outcomes: str = "outcomes", **sources: Any) -> DayQuality:
        events = archive_at(str(self.folder / "events")) if "group" in sources else None
        where = Sources(
            archive_at(str(self.folder / "predictions")),
            Location.parse(str(self.folder / outcomes)),
            events,
            **sources,
        )
        return judge(Stores(scratch=self.folder / "scratch"), where, DAY, lambda _model, _version: registered)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_errors_are_those_of_predictions_and_outcomes_of_one_identifier(world: World) -> None:
    """Errors of 3, -1 and 2 minutes: their squares add up to 14, their sizes to 6."""
    world.put("predictions", 3, line(13.0, 1), line(9.0, 2))
    world.put("predictions", 4, line(12, "x"))
    world.put("outcomes", 5, outcome(10.0, "x"), outcome(10, 2), outcome(10.0, 1), outcome(1.0, 99))
    found = world.judge()
    assert found.errors == Errors(
        predictions=3, judged=3, missing=0, late=0, rmse=(14 / 3) ** 0.5, mae=2.0, bias=4 / 3, accuracy=0.0
    )
    assert (found.duplicate_predictions, found.duplicate_outcomes, found.malformed_outcomes) == (0, 0, 0)


def test_a_number_and_its_digits_are_two_identifiers(world: World) -> None:
    world.put("predictions", 3, line(13.0, 1), line(9.0, "1"))
    world.put("outcomes", 5, outcome(10.0, "1"))
    found = world.judge().errors
    assert (found.judged, found.missing, found.bias) == (1, 1, -1.0)


def test_of_what_came_twice_the_first_counts(world: World) -> None:
    world.put("predictions", 3, line(13.0, 1), line(50.0, 1))
    world.put("predictions", 9, line(60.0, 1), line(13.5, 1, "shardId-0:another"))
    world.put("outcomes", 5, outcome(10.0, 1), outcome(11.0, 1))
    world.put("outcomes", 6, outcome(12.0, 1))
    found = world.judge()
    assert (found.errors.predictions, found.duplicate_predictions) == (2, 2)
    assert (found.errors.bias, found.duplicate_outcomes) == (3.25, 2)


def test_a_prediction_that_came_again_after_midnight_is_of_the_day_before(world: World) -> None:
    world.put("predictions", -1, line(13.0, 1))
    world.put("predictions", 0, line(13.0, 1), line(12.0, 2))
    world.put("predictions", 24, line(12.0, 3))
    found = world.judge()
    assert (found.errors.predictions, found.duplicate_predictions) == (1, 1)


def test_predictions_without_event_id_are_each_their_own(world: World) -> None:
    world.put("predictions", 0, line(13.0, 1, None), line(13.0, 1, None))
    assert world.judge().errors.predictions == 2


def test_missing_late_and_malformed_outcomes_are_counted_and_not_judged(world: World) -> None:
    world.put("predictions", 23, line(13.0, 1), line(13.0, 2), line(13.0, 3), line(13.0, 4), "{", '{"a": 1}')
    world.put("outcomes", 47, outcome(10.0, 1), outcome(None, 4), outcome([1], 4), "not JSON", {"ride_id": 4})
    world.put("outcomes", 48, outcome(10.0, 2), outcome(99.0, 1))
    found = world.judge()
    assert found.errors == Errors(
        predictions=4, judged=1, missing=2, late=1, rmse=3.0, mae=3.0, bias=3.0, accuracy=None
    )
    assert found.errors.coverage == 0.25
    assert (found.malformed_predictions, found.malformed_outcomes, found.duplicate_outcomes) == (2, 4, 1)


def test_the_result_does_not_depend_on_when_it_is_asked_for(world: World) -> None:
    world.put("predictions", 23, line(13.0, 1), line(13.0, 2))
    world.put("outcomes", 25, outcome(10.0, 1))
    in_time = world.judge()
    world.put("outcomes", 50, outcome(0.0, 1), outcome(0.0, 2))
    later = world.judge()
    assert (later.errors.rmse, later.errors.judged) == (in_time.errors.rmse, in_time.errors.judged)
    assert (in_time.errors.late, later.errors.late) == (0, 1)


def test_outcomes_may_be_a_file(world: World) -> None:
    world.put("predictions", 3, line(13.0, 1))
    (world.folder / "outcomes.ndjson").write_text(json.dumps(outcome(10.0, 1)) + "\n")
    assert world.judge(outcomes="outcomes.ndjson").errors.rmse == 3.0


def test_labels_are_right_or_wrong(world: World) -> None:
    churn = Envelope(entity="", id="customer", prediction="churned")
    values = [("yes", "yes"), ("yes", "no"), (True, True), (1, 1.0), (0, 1), ("1", 1)]
    predictions = [
        {"model": "churn", "version": "1", "prediction": {"churned": one, "customer": at}, "event_id": str(at)}
        for at, (one, _) in enumerate(values)
    ]
    world.put("predictions", 3, *predictions)
    world.put("outcomes", 3, *({"customer": at, "churned": true} for at, (_, true) in enumerate(values)))
    found = world.judge(envelope=churn).errors
    assert (found.accuracy, found.judged) == (0.5, 6)


def test_events_without_an_identifier_are_known_by_their_event_id(world: World) -> None:
    nameless = Envelope(id="")
    world.put("predictions", 3, {"model": "m", "version": "1", "prediction": {"ride_duration": 3.0}, "event_id": "a:1"})
    world.put("outcomes", 3, {"event_id": "a:1", "ride_duration": 1.0})
    assert world.judge(envelope=nameless).errors.bias == 2.0


def test_groups_are_those_of_the_events(world: World) -> None:
    world.put("predictions", 3, line(13.0, 1), line(9.0, 2), line(12.0, 3), line(12.0, 4))
    world.put("outcomes", 3, outcome(10.0, 1), outcome(10.0, 2))
    rides = [{"ride": {"PULocationID": zone}, "ride_id": at} for at, zone in ((1, 74), (2, 41), (3, 74))]
    world.put("events", 2, *rides, "[]", "{", {"ride": None, "ride_id": 4})
    found = {one.group: one.errors for one in world.judge(group="PULocationID").groups}
    assert list(found) == ["74", "", "41"]
    assert (found["74"].predictions, found["74"].coverage, found["74"].rmse) == (2, 0.5, 3.0)
    assert (found["41"].coverage, found["41"].bias) == (1.0, -1.0)
    assert (found[""].coverage, found[""].rmse) == (0.0, None)


def test_groups_without_end_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily, "MOST_GROUPS", 5)
    world.put("predictions", 3, *(line(1.0, at) for at in range(6)))
    world.put("events", 3, *({"ride": {"fare": at / 7}, "ride_id": at} for at in range(6)))
    with pytest.raises(UsageError, match="--group fare makes more than 5 groups; name a column of few values"):
        world.judge(group="fare")


def test_each_version_is_compared_with_what_it_was_registered_with(world: World) -> None:
    world.put("predictions", 3, line(13.0, 1), line(16.0, 2, version="4"))
    world.put("outcomes", 3, outcome(10.0, 1), outcome(10.0, 2))
    versions = world.judge(Registered(rmse=4.0)).versions
    assert [(one.name, one.excess) for one in versions] == [("rides 3", 0.75), ("rides 4", 1.5)]
    assert not any(one.is_too_large for one in versions), "one prediction says nothing"


def test_a_day_without_predictions_is_no_result(world: World) -> None:
    world.put("predictions", -2, line(13.0, 1))
    with pytest.raises(NothingPredicted, match="has no prediction of 2026-11-21"):
        world.judge()


@pytest.mark.parametrize(
    ("today", "before", "rings"), [(5.8, 5.8, ["rides 3"]), (5.8, 5.7, []), (5.7, 5.8, []), (5.8, None, [])]
)
def test_a_version_rings_on_the_second_day_above_115_percent(
    world: World, today: float, before: float | None, rings: list[str]
) -> None:
    """The registered RMSE is 5, so more than 5.75 is too large."""

    def day(error: float) -> DayQuality:
        world.put("predictions", 3, *(line(error, f"{error} {at}", f"{world} {at} {error}") for at in range(500)))
        world.put("outcomes", 3, *(outcome(0.0, f"{error} {at}") for at in range(500)))
        found = world.judge(Registered(rmse=5.0))
        for path in world.folder.glob("*/2026/*/*/*/*.gz"):
            path.unlink()
        return found

    yesterday = day(before) if before else None
    assert day(today).ringing(yesterday).rings == tuple(rings)


def test_labels_ring_by_the_share_that_did_not_come_true() -> None:
    errors = Errors(predictions=1, judged=1, missing=0, late=0, rmse=None, mae=None, bias=None, accuracy=0.88)
    assert Registered(accuracy=0.9).excess(errors) == pytest.approx(1.2)
    assert Registered(accuracy=1.0).excess(errors) is None
    assert Registered(rmse=5.0).excess(errors) is None


def test_predictions_as_large_as_floats_can_be_are_no_exception(world: World) -> None:
    """JSON cannot say an infinity: the file has null, and is read as no error."""
    world.put("predictions", 3, *(line(sign * 1.7e308, at) for at, sign in enumerate((1, 1, -1, -1))))
    world.put("outcomes", 3, *(outcome(-sign * 1.7e308, at) for at, sign in enumerate((1, 1, -1, -1))))
    found = world.judge(Registered(rmse=5.0))
    assert (found.errors.judged, found.errors.rmse) == (4, math.inf)
    assert decode_day(found.encode(), "memory").errors.rmse is None


def test_a_day_of_an_infinite_error_is_followed_by_a_ring(world: World) -> None:
    """One absurd outcome makes it. The day after has its result from the file."""
    world.put("predictions", 3, *(line(20.0, at) for at in range(500)))
    world.put("outcomes", 3, *(outcome(1e200 if at == 7 else 10.0, at) for at in range(500)))
    found = world.judge(Registered(rmse=5.0))
    assert found.ringing(decode_day(found.encode(), "memory")).rings == ("rides 3",)


def test_an_outcome_of_another_kind_than_its_prediction_is_not_judged(world: World) -> None:
    world.put("predictions", 3, line(13.0, 1))
    world.put("outcomes", 3, outcome("late", 1))
    found = world.judge().errors
    assert (found.judged, found.missing, found.late, found.rmse, found.accuracy) == (0, 0, 0, None, None)


def test_what_is_no_result_is_named() -> None:
    with pytest.raises(ResultUnreadable, match=r"x is not a result of `monitor quality`: .*; remove it"):
        decode_day(b"{}", "x")
