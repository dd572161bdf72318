"""Which estimators several threads may ask at once: those get the same from several as from one."""

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor, VotingRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 (lets it be imported)
from sklearn.impute import IterativeImputer
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from stream_consumer.models.concurrency import is_concurrent, on_one_thread
from tests.models.estimators import ROWS, TARGETS, fitted_estimators, outputs
from tests.models.test_skops_file import NOT_OF_NUMBERS, PARTS, dense


@pytest.mark.filterwarnings("ignore::FutureWarning")  # some of them will go
@pytest.mark.parametrize(
    "part", [pytest.param(part, marks=[pytest.mark.zoo] * (part < PARTS - 1)) for part in range(PARTS)]
)
def test_every_estimator_of_scikit_learn_gives_several_threads_what_it_gives_one(part: int) -> None:
    alone = []
    for name, estimator in fitted_estimators(part, PARTS):
        if not is_concurrent(on_one_thread(estimator)):
            alone.append(name)
        if name in {*NOT_OF_NUMBERS, *alone}:
            continue
        wanted = outputs(estimator)
        with ThreadPoolExecutor(4) as pool:
            for found in pool.map(outputs, [estimator] * 8):
                for method, value in wanted.items():
                    assert same(dense(found[method]), dense(value)), f"{name}.{method}"
    assert set(alone) <= {"IterativeImputer", "LatentDirichletAllocation", "NeighborhoodComponentsAnalysis"}


def same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return all(map(same, found, wanted))
    return np.array_equal(found, wanted, equal_nan=wanted.dtype.kind == "f")


class Own(LinearRegression):  # type: ignore[misc]
    """Code of others."""


def identity(values: Any) -> Any:
    return values


OF_OTHERS = {
    "a class": Own(),
    "a step": make_pipeline(FunctionTransformer(np.log1p), Own()),
    "a function": make_pipeline(FunctionTransformer(identity), LinearRegression()),
    "a partial function": make_pipeline(FunctionTransformer(functools.partial(identity)), LinearRegression()),
    "what is called": TransformedTargetRegressor(LinearRegression(), func=identity, inverse_func=identity),
    "a metric": KNeighborsRegressor(metric=lambda one, other: abs(one - other).sum()),
    "one of several": VotingRegressor([("one", LinearRegression()), ("other", Own())]),
    "in an array of objects": GradientBoostingRegressor(n_estimators=2, init=Own()),
}


@pytest.mark.parametrize("name", OF_OTHERS)
@pytest.mark.filterwarnings("ignore")
def test_code_of_others_is_asked_by_one_thread(name: str) -> None:
    assert not is_concurrent(OF_OTHERS[name].fit(ROWS, TARGETS[0]))


def test_continued_random_numbers_are_drawn_by_one_thread() -> None:
    assert not is_concurrent(IterativeImputer(sample_posterior=True).fit(ROWS))


def test_the_threads_of_training_are_not_those_of_predicting() -> None:
    """Trees that several threads add up differ in the last digit from call to call."""
    voting = VotingRegressor([("forest", RandomForestRegressor(2, random_state=1))]).fit(ROWS, TARGETS[0])
    voting.n_jobs = voting.estimators_[0].n_jobs = 8
    on_one_thread(make_pipeline(FunctionTransformer(), voting))
    assert (voting.n_jobs, voting.estimators_[0].n_jobs) == (None, None)
