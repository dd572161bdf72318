"""The monitoring function: the profile of each window in S3, its drift in metrics, and nothing that it raises."""

import io
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import numpy as np
import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from stream_consumer.errors import ModelError, NotAKinesisEvent, SettingsError
from stream_consumer.local.mapping.config import MappingConfig
from stream_consumer.local.mapping.event_source_mapping import EventSourceMapping
from stream_consumer.local.mapping.tumbling_windows import STATE_LIMIT
from stream_consumer.local.runtime.functions import Invocation
from stream_consumer.monitor.drift import WEEK
from stream_consumer.monitor.lambda_function import Handler, build_handler
from stream_consumer.monitor.profile_archive import ProfileArchive, WindowProfile
from stream_consumer.profiling.reference import MOST_BYTES, reference_of, samples_of
from stream_consumer.telemetry import Telemetry
from tests.fakes import DENIED, INTERNAL_FAILURE, FakeS3, FakeTime, Fault
from tests.local.fakes import FakeKinesis, ScriptedFunction
from tests.rides import (
    RIDE_COLUMNS,
    SHARD,
    STREAM_ARN,
    FakeContext,
    FakeModel,
    kinesis_event,
    minutes_of,
    ride_event,
)

BUCKET = "profiles-bucket"
KEY = f"profiles/2026-11-21/{SHARD}-20261121T010000Z.json"
REFERENCE_RIDES = 20_000

_names = itertools.count()

Ride = tuple[int, int, float]


def rides(count: int, *, seed: int = 1, kilometres: bool = False) -> list[Ride]:
    generator = np.random.default_rng(seed)
    distances = generator.gamma(2.0, 1.5, count) * (1.609 if kilometres else 1.0)
    zones = generator.integers(1, 9, (count, 2))
    return [(int(pickup), int(dropoff), float(d)) for (pickup, dropoff), d in zip(zones, distances, strict=True)]


def model_of(reference: Sequence[Ride], row: Callable[..., float] = minutes_of, *, healthy: bool = True) -> FakeModel:
    """Return a model that carries the profile of the *reference*."""
    model = FakeModel(row, healthy=healthy)
    columns = [list(column) for column in zip(*reference, strict=True)]
    profile = reference_of(samples_of(RIDE_COLUMNS, columns, [minutes_of(*ride) for ride in reference], {}))
    model.__dict__["reference"] = profile.encode().decode()
    return model


MODEL = model_of(rides(REFERENCE_RIDES, seed=0))


def windowed(datas: Iterable[bytes] = (), state: Any = None, **flags: bool) -> dict[str, Any]:
    """Return Lambda's event for a batch of a window, or its final one."""
    return {
        **kinesis_event(datas),
        "window": {"start": "2026-11-21T01:00:00Z", "end": "2026-11-21T01:15:00Z"},
        "state": {} if state is None else state,
        "shardId": SHARD,
        "eventSourceARN": STREAM_ARN,
        "isFinalInvokeForWindow": False,
        "isWindowTerminatedEarly": False,
    } | flags


def events(some: Iterable[Ride]) -> list[bytes]:
    return [ride_event(at, *ride) for at, ride in enumerate(some)]


class Monitor:
    """One environment of the function on fakes; its metrics go to standard output."""

    def __init__(self, *faults: Fault | None, model: FakeModel = MODEL) -> None:
        self.time = FakeTime()
        self.s3 = FakeS3(self.time, faults, [BUCKET])
        self._log = io.StringIO()
        self.report = Telemetry(
            Logger(service=f"monitor-{next(_names)}", stream=self._log, level="INFO"),
            lambda: EphemeralMetrics(namespace="StreamConsumer", service="monitor"),
        )
        self.handler = Handler(
            model,
            ProfileArchive(self.s3.client, BUCKET, "profiles", retry=self.time.retry()),
            self.report,
            margin_seconds=1,
            monotonic=self.time.clock,
        )

    def invoke(self, datas: Iterable[bytes] = (), state: Any = None, **flags: bool) -> Any:
        """Return the state that the function returns, as Lambda hands it on."""
        answer = json.loads(json.dumps(self.handler(windowed(datas, state, **flags), FakeContext())))
        assert answer.pop("batchItemFailures") == []
        return answer.pop("state")

    def close(self, state: Any) -> WindowProfile:
        """Close the window and return what S3 has of it."""
        assert self.invoke(state=state, isFinalInvokeForWindow=True) == {}
        return WindowProfile.decode(self.s3.objects[KEY])

    @property
    def warnings(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._log.getvalue().splitlines()]
        return [{name: line[name] for name in ("message", "cause", "error") if name in line} for line in lines]


Metrics = Callable[[], dict[str, dict[str, float]]]


@pytest.fixture
def metrics(capsys: pytest.CaptureFixture[str]) -> Metrics:
    """Return what gives the metrics that were emitted, by column; those of no column under an empty name."""

    def emitted() -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {}
        for line in map(json.loads, capsys.readouterr().out.splitlines()):
            [directive] = line["_aws"]["CloudWatchMetrics"]
            assert directive["Dimensions"] == [["column", "service"] if "column" in line else ["service"]]
            values = {metric["Name"]: line[metric["Name"]][0] for metric in directive["Metrics"]}
            found.setdefault(line.get("column", ""), {}).update(values)
        return found

    return emitted


def test_the_profile_of_a_window_is_that_of_its_records_whatever_the_batches(metrics: Metrics) -> None:
    datas = events(rides(90))
    whole, halves = Monitor(), Monitor()

    one = whole.close(whole.invoke(datas))
    other = halves.close(halves.invoke(datas[40:], halves.invoke(datas[:40])))

    assert one == other
    assert one.counts().bins == other.counts().bins
    assert {int(column.sum()) for column in one.counts().counts} == {90}
    metrics()


def test_the_object_says_which_window_model_and_records_it_is_of(metrics: Metrics) -> None:
    monitor = Monitor()
    invalid = [b"not JSON", ride_event(1, pickup=0), ride_event(2, distance="far")]

    monitor.close(monitor.invoke([*events(rides(5)), *invalid]))

    assert list(monitor.s3.objects) == [KEY]
    kept = json.loads(monitor.s3.objects[KEY])
    profile = kept.pop("profile")
    assert kept == {
        "stream": STREAM_ARN,
        "shard": SHARD,
        "start": "2026-11-21T01:00:00Z",
        "end": "2026-11-21T01:15:00Z",
        "model": "ride_duration_prediction_model",
        "version": "Test123",
        "digest": "d" * 64,
        "records": 8,
        "invalid": 3,
        "skipped": 0,
        "drift": [],
    }
    assert [sum(column) for column in profile["counts"]] == [5] * 4
    assert metrics() == {"": {"MonitorRecords": 8, "MonitorInvalid": 3, "MonitorSkipped": 0}}


def test_rides_like_those_of_the_reference_do_not_ring_and_kilometres_for_miles_do(metrics: Metrics) -> None:
    """A line of metrics for each column and the prediction; the object has the same numbers."""
    rings: dict[bool, set[str]] = {}
    for kilometres in (False, True):
        monitor = Monitor()
        kept = monitor.close(monitor.invoke(events(rides(2_000, seed=2, kilometres=kilometres))))
        found = metrics()
        found.pop("")
        assert found == {one.column: {"DriftZ": one.z, "DriftSize": one.size} for one in kept.drift}
        assert list(found) == ["PULocationID", "DOLocationID", "trip_distance", "prediction"]
        rings[kilometres] = {one.column for one in kept.drift if one.z >= WEEK.z and one.size >= WEEK.size}
    assert rings == {False: set(), True: {"trip_distance", "prediction"}}


@pytest.mark.parametrize(("count", "lines"), [(499, 1), (500, 5)])
def test_a_window_of_too_few_rows_has_no_drift(count: int, lines: int, metrics: Metrics) -> None:
    monitor = Monitor()
    monitor.close(monitor.invoke(events(rides(count))))
    assert len(metrics()) == lines


def test_a_window_that_nothing_came_of_is_kept_too(metrics: Metrics) -> None:
    monitor = Monitor()
    assert monitor.close({}).records == 0
    metrics()


def test_the_state_is_small(metrics: Metrics) -> None:
    state = Monitor().invoke(events(rides(5_000)))
    assert len(json.dumps(state)) < 2 * MOST_BYTES < STATE_LIMIT
    metrics()


# --- whatever goes wrong ----------------------------------------------------------------------------------------------


def broken(*_: float) -> float:
    raise ZeroDivisionError


def test_a_model_that_fails_loses_the_batch_and_not_the_window(metrics: Metrics) -> None:
    state = Monitor().invoke(events(rides(7)))
    monitor = Monitor(model=model_of(rides(REFERENCE_RIDES, seed=0), broken, healthy=False))

    kept = monitor.close(monitor.invoke(events(rides(5)), state))

    assert (kept.records, kept.skipped) == (12, 5)
    assert {int(column.sum()) for column in kept.counts().counts} == {7}
    assert monitor.warnings == [{"message": "batch not profiled", "error": "ModelError"}]
    assert metrics()[""]["MonitorSkipped"] == 5


def test_what_is_not_predicted_in_time_is_skipped(metrics: Metrics) -> None:
    """The model refuses a row, and isolating it takes all of the time."""

    def slow(pickup: int, dropoff: int, distance: float) -> float:
        monitor.time.now += 100
        return broken() if pickup == 265 else minutes_of(pickup, dropoff, distance)

    monitor = Monitor(model=model_of(rides(REFERENCE_RIDES, seed=0), slow))
    state = monitor.invoke([*events(rides(3)), ride_event(9, pickup=265)])

    assert (state["records"], state["skipped"] > 0) == (4, True)
    metrics()


def test_a_profile_that_s3_does_not_take_is_a_lost_window_that_is_said(metrics: Metrics) -> None:
    monitor = Monitor(DENIED)

    assert monitor.invoke(events(rides(600)), isFinalInvokeForWindow=True) == {}

    assert monitor.s3.objects == {}
    found = metrics()
    assert found[""]["MonitorWindowsLost"] == 1
    assert "DriftZ" in found["prediction"]
    [warning] = monitor.warnings
    assert (warning["message"], "AccessDenied" in warning["cause"]) == ("window lost", True)


def test_s3_is_asked_again_while_there_is_time(metrics: Metrics) -> None:
    monitor = Monitor(INTERNAL_FAILURE, INTERNAL_FAILURE)
    monitor.close(monitor.invoke(events(rides(5))))
    assert len(monitor.s3.requests) == 3
    assert "MonitorWindowsLost" not in metrics()[""]


def test_a_final_invocation_that_comes_again_overwrites_its_object(metrics: Metrics) -> None:
    monitor = Monitor()
    state = monitor.invoke(events(rides(5)))
    assert monitor.close(state) == monitor.close(state)
    assert len(monitor.s3.objects) == 1
    metrics()


@pytest.mark.parametrize(
    "state",
    [
        None,
        {"records": 1},
        {"records": 1, "invalid": 0, "skipped": 0, "profile": "no JSON"},
        Monitor(model=model_of([(1, 1, 1.0)])).invoke(events([(1, 1, 1.0)])),
    ],
    ids=["null", "incomplete", "no profile", "of another model"],
)
def test_a_state_that_is_not_this_model_s_is_a_lost_window_and_the_rest_is_profiled(
    state: Any, metrics: Metrics
) -> None:
    monitor = Monitor()
    answer = monitor.handler(windowed(events(rides(5))) | {"state": state}, FakeContext())["state"]
    assert answer["records"] == 5
    assert metrics()[""] == {"MonitorWindowsLost": 1}
    assert [warning["message"] for warning in monitor.warnings] == ["window lost"]


def test_a_window_that_is_terminated_early_is_closed(metrics: Metrics) -> None:
    monitor = Monitor()
    state = monitor.invoke(events(rides(5)))
    assert monitor.invoke(state=state, isWindowTerminatedEarly=True) == {}
    assert list(monitor.s3.objects) == [KEY]
    metrics()


@pytest.mark.parametrize("event", [{}, kinesis_event([ride_event()]), {"Records": []}])
def test_a_mapping_without_a_window_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(NotAKinesisEvent, match="set TumblingWindowInSeconds"):
        Monitor().handler(event, FakeContext())


# --- how it is composed -----------------------------------------------------------------------------------------------


def test_a_model_without_a_reference_is_refused_at_init() -> None:
    with pytest.raises(ModelError, match="has no reference profile"):
        Monitor(model=FakeModel())


def test_every_fault_of_the_environment_is_named() -> None:
    with pytest.raises(SettingsError, match=r"MODEL_LOCATION is not set.*PROFILE_PREFIX='/x'.*PROFILE_BUCKET is not"):
        build_handler({"PROFILE_PREFIX": "/x"}, cast("Telemetry", None))
    with pytest.raises(SettingsError, match="PROFILE_BUCKET is not set"):
        build_handler({"MODEL_LOCATION": "/opt/model"}, cast("Telemetry", None))


def test_a_misspelt_setting_is_named_in_the_log() -> None:
    log = io.StringIO()
    report = Telemetry(
        Logger(service=f"monitor-{next(_names)}", stream=log), lambda: EphemeralMetrics(namespace="n", service="s")
    )
    environ = {"MODEL_LOCATION": "/nonexistent", "PROFILE_BUCKET": BUCKET, "PROFILES_PREFIX": "mine"}
    with pytest.raises(ModelError, match="/nonexistent"):
        build_handler(environ, report)
    line = json.loads(log.getvalue())
    assert (line["message"], line["variable"], line["meant"]) == (
        "unknown setting",
        "PROFILES_PREFIX",
        "PROFILE_PREFIX",
    )


# --- under the mapping ------------------------------------------------------------------------------------------------


def test_under_the_mapping_each_window_of_a_shard_has_an_object_with_its_records(metrics: Metrics) -> None:
    """Batches, states and final invocations come from the local event source mapping."""
    kinesis, monitor = FakeKinesis(), Monitor()
    for at, data in enumerate(events(rides(120))):
        kinesis.put("key", data=data, age=-15.0 * at)

    class Function:
        arn = ScriptedFunction.arn

        def invoke(self, payload: bytes) -> Invocation:
            answer = monitor.handler(json.loads(payload), FakeContext())
            return Invocation("request", json.dumps(answer).encode())

    config = MappingConfig(stream_name="rides", tumbling_window_in_seconds=900, batch_size=7)
    mapping = EventSourceMapping(cast("Any", kinesis), Function(), config, clock=kinesis.clock)
    mapping.drain()
    mapping.run()

    kept = {key: WindowProfile.decode(body) for key, body in monitor.s3.objects.items()}
    assert {key.rpartition("-")[2]: window.records for key, window in kept.items()} == {
        "20231114T220000Z.json": 7,
        "20231114T221500Z.json": 60,
        "20231114T223000Z.json": 53,
    }
    for window in kept.values():
        assert {int(column.sum()) for column in window.counts().counts} == {window.records}
    metrics()
