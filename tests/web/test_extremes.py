"""Whatever a model predicts, a request gets its answer: what is counted or logged of it decides nothing."""

import logging
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_consumer.web.metrics import Metrics
from tests.extremes import FINITE, INTEGERS, NOT_FINITE
from tests.rides import ride_event
from tests.web.client import ServedModel, app, ask, post


class Extreme(ServedModel):
    """A model that predicts *values*, whatever they are, by the distance of a ride."""

    def __init__(self, values: Sequence[Any]) -> None:
        super().__init__()
        self.__dict__["_values"] = values

    def minutes(self, columns: Sequence[Sequence[Any]]) -> Any:
        return [self.__dict__["_values"][int(distance)] for distance in columns[2]]


@settings(max_examples=40)
@given(st.lists(st.one_of(FINITE, NOT_FINITE, st.sampled_from(INTEGERS)), min_size=1, max_size=6))
def test_every_event_is_predicted_or_unscorable_and_counted(values: list[Any]) -> None:
    application = app(Extreme(values))
    body = b"[%b]" % b",".join(ride_event(at, distance=float(at)) for at in range(len(values)))
    reply = post(application, body)
    finite = [value for value in values if math.isfinite(value)]
    assert reply.status == (200 if len(finite) == len(values) else 207)
    predicted = [one["prediction"]["ride_duration"] for one in reply.json if "prediction" in one]
    assert list(map(repr, predicted)) == list(map(repr, finite)), "to the last bit, and of the same type"
    assert [one["reason"] for one in reply.json if "reason" in one] == ["unscorable"] * (len(values) - len(finite))
    metrics = ask(application, "GET", "/metrics")
    assert metrics.status == 200
    assert f'stream_consumer_items_total{{outcome="prediction"}} {float(len(finite))}' in metrics.body.decode()
    assert ask(application, "GET", "/readyz").status == 200


def silent(error: type[Exception]) -> Exception:
    def refuse(_: object) -> str:
        raise RuntimeError

    silenced: type[Exception] = type("Silent", (error,), {"__str__": refuse})
    return silenced()


@pytest.mark.parametrize("error", [ValueError, TypeError])
def test_an_exception_that_cannot_be_read_is_the_fault_of_its_row_alone(error: type[Exception]) -> None:
    def row(_pickup: int, _dropoff: int, distance: float) -> float:
        if distance == 1.0:
            raise silent(error)
        return distance

    reply = post(app(ServedModel(row)), b"[%b, %b]" % (ride_event(1, distance=1.0), ride_event(2, distance=2.0)))
    assert [one.get("detail") for one in reply.json] == ["Silent, whose message cannot be read", None]


def test_a_model_that_fails_so_on_all_rows_is_said_to(caplog: pytest.LogCaptureFixture) -> None:
    def row(*_: object) -> float:
        raise silent(ValueError)

    with caplog.at_level(logging.ERROR):
        assert post(app(ServedModel(row, healthy=False)), ride_event(1)).status == 500
    assert "the fake model fails" in caplog.text


@pytest.mark.parametrize("metric", ["called", "answered"])
@pytest.mark.parametrize("body", [ride_event(1), b"bad"], ids=["a ride", "no JSON"])
def test_metrics_that_fail_cost_no_answer(monkeypatch: pytest.MonkeyPatch, metric: str, body: bytes) -> None:
    application = app()
    expected = post(application, body)

    def fail(*_: object) -> None:
        raise OverflowError

    monkeypatch.setattr(Metrics, metric, fail)
    for _ in range(2):
        assert post(application, body) == expected
