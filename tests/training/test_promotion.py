"""Who becomes champion."""

import math

import numpy as np
import pytest

from stream_consumer.errors import ModelError
from stream_consumer.training.fit import FloatArray, Predict
from stream_consumer.training.promotion import Champion, Rival, Verdict, judge, meet
from tests.training.trips import rides_of

TEST = rides_of([(1, 2)] * 2, [1.0, 2.0], [10.0, 20.0])
CHAMPION = Champion("3", "models:/ride-duration/3")


def predicting(*minutes: float) -> Predict:
    def predict(matrix: FloatArray) -> FloatArray:
        assert matrix.tolist() == [[1.0, 2.0, 1.0], [1.0, 2.0, 2.0]]
        return np.array(minutes)

    return predict


def test_the_champion_is_tested_on_the_rides_of_the_test() -> None:
    asked = []

    def load(uri: str) -> Predict:
        asked.append(uri)
        return predicting(15.0, 15.0)

    assert meet(CHAMPION, TEST, load) == Rival("3", 5.0)
    assert asked == ["models:/ride-duration/3"]


def test_a_champion_that_cannot_be_loaded_is_at_fault() -> None:
    def load(uri: str) -> Predict:
        raise ModelError(f"{uri} is broken")

    assert meet(CHAMPION, TEST, load) == Rival("3", None, "ModelError: models:/ride-duration/3 is broken")


@pytest.mark.parametrize("minutes", [math.nan, math.inf])
def test_a_champion_whose_predictions_are_not_finite_is_at_fault(minutes: float) -> None:
    assert meet(CHAMPION, TEST, lambda _: predicting(10.0, minutes)) == Rival(
        "3", None, "its predictions are not finite"
    )


def test_the_first_model_becomes_champion() -> None:
    assert judge(9.9, None) == Verdict(promoted=True, reason="there was no champion")


def test_a_better_model_becomes_champion() -> None:
    assert judge(5.9, Rival("3", 6.1)) == Verdict(
        promoted=True, reason="RMSE 5.9000 beats the 6.1000 of champion version 3 on the same rides"
    )


@pytest.mark.parametrize("rmse", [5.9, 6.1])
def test_a_model_that_is_worse_or_just_as_good_does_not(rmse: float) -> None:
    assert judge(rmse, Rival("3", 5.9)) == Verdict(
        promoted=False, reason=f"RMSE {rmse:.4f} does not beat the 5.9000 of champion version 3 on the same rides"
    )


def test_a_champion_that_could_not_be_tested_is_replaced_and_named() -> None:
    assert judge(9.9, Rival("3", None, "ModelError: broken")) == Verdict(
        promoted=True,
        reason="champion version 3 could not be tested and was replaced uncompared: ModelError: broken",
    )
