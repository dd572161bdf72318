"""The model and its baseline: what they take, what they know, and how errors are measured."""

import numpy as np
import pytest

from stream_consumer.training.fit import evaluate, fit, fit_baseline
from stream_consumer.training.rides import Rides
from stream_consumer.training.synthetic import synthetic_rides
from tests.training.trips import rides_of


def all_zones() -> Rides:
    """Rides from every zone: one each from zones 1 to 12, of 30 minutes, and twenty shorter ones from every other."""
    zones = [zone for zone in range(1, 266) for _ in range(1 if zone <= 12 else 20)]
    minutes = [30.0 if zone <= 12 else float(zone % 7) for zone in zones]
    return rides_of([(zone, 1) for zone in zones], [1.0] * len(zones), minutes)


def test_more_zones_than_categories_leave_the_rarest_unknown() -> None:
    fitted = fit(all_zones(), seed=1)
    assert len(fitted.categories["PULocationID"]) == 255
    assert fitted.categories["PULocationID"][2:] == list(range(13, 266))
    assert fitted.categories["DOLocationID"] == [1]


def test_an_unknown_zone_is_predicted_as_the_rarest_are_and_is_no_error() -> None:
    model = fit(all_zones(), seed=1).model
    rarest, unknown, missing = model.predict([[12.0, 1.0, 1.0], [999.0, 1.0, 1.0], [np.nan, 1.0, 1.0]])
    assert rarest == unknown == missing


def test_zones_are_categories_so_neighbouring_numbers_say_nothing() -> None:
    """Twenty zones whose durations alternate: what one threshold on the number cannot tell apart."""
    zones = np.tile(np.arange(1, 21), 200)
    rides = rides_of([(zone, 1) for zone in zones], [1.0] * 4000, np.where(zones % 2, 10.0, 40.0).tolist())
    predicted = fit(rides, seed=1).model.predict([[7.0, 1.0, 1.0], [8.0, 1.0, 1.0]])
    assert predicted.tolist() == pytest.approx([10.0, 40.0], abs=0.01)


def test_the_same_seed_gives_the_same_model() -> None:
    rides = synthetic_rides(2_000, seed=3)
    once, again = (fit(rides, seed=42).model.predict(rides.matrix()) for _ in range(2))
    assert once.tolist() == again.tolist()


def test_the_baseline_is_one_effect_a_pair_and_one_slope_for_the_distance() -> None:
    zones = [(1, 2), (2, 1), (1, 1), (2, 2)] * 25
    effect = {(1, 2): 5.0, (2, 1): 8.0, (1, 1): 2.0, (2, 2): 11.0}
    distance = np.linspace(0.5, 5.0, 100)
    rides = rides_of(
        zones, distance.tolist(), [effect[pair] + 3 * miles for pair, miles in zip(zones, distance, strict=True)]
    )
    predict = fit_baseline(rides)
    assert predict(np.array([[1.0, 2.0, 10.0], [2.0, 1.0, 0.0]])).tolist() == pytest.approx([35.0, 8.0], abs=1e-3)


def test_the_baseline_takes_a_pair_that_it_has_not_seen() -> None:
    predict = fit_baseline(rides_of([(1, 2), (2, 1)] * 5, [1.0, 2.0] * 5, [5.0, 9.0] * 5))
    assert np.isfinite(predict(np.array([[7.0, 7.0, 1.0]]))).all()


def test_errors_are_measured_in_minutes() -> None:
    rides = rides_of([(1, 2)] * 4, [1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0])
    measured = evaluate(lambda matrix: matrix[:, 2] * 10 + [3.0, -3.0, 5.0, -5.0], rides)
    assert measured.rmse == pytest.approx(4.123105625617661)
    assert measured.mae == 4.0
    assert measured.r2 == pytest.approx(0.864)
