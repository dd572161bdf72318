"""Which estimators several threads may ask at once: those get the same from several as from one."""

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import NMF, LatentDirichletAllocation
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor, VotingRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 (lets it be imported)
from sklearn.impute import IterativeImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from stream_consumer.models.concurrency import _DRAWING, is_concurrent, on_one_thread
from tests.models.drawing import drawing
from tests.models.estimators import ROWS, TARGETS, fitted_estimators, outputs
from tests.models.test_skops_file import NOT_OF_NUMBERS, PARTS, dense


@pytest.mark.zoo
@pytest.mark.filterwarnings("ignore::FutureWarning")  # some of them will go
@pytest.mark.parametrize("part", range(PARTS))
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


GENERATOR = np.random.default_rng(7)
DRAWING = {
    "labels drawn evenly": DummyClassifier(strategy="uniform"),
    "labels drawn by their share": DummyClassifier(strategy="stratified"),
    "topics in any order": NMF(2, solver="cd", shuffle=True, max_iter=5),
    "a step": make_pipeline(NMF(2, shuffle=True, max_iter=5), LinearRegression()),
    "a function": make_pipeline(FunctionTransformer(np.random.permutation), LinearRegression()),
    "a method of a generator": make_pipeline(FunctionTransformer(GENERATOR.permutation), LinearRegression()),
    "a partial method": make_pipeline(FunctionTransformer(functools.partial(GENERATOR.normal, 0)), LinearRegression()),
    "a method of an estimator": make_pipeline(
        FunctionTransformer(LatentDirichletAllocation(2, max_iter=1).fit(ROWS).transform), LinearRegression()
    ),
}


@pytest.mark.parametrize("name", DRAWING)
@pytest.mark.filterwarnings("ignore")
def test_random_numbers_are_drawn_by_one_thread(name: str) -> None:
    """What is drawn depends on what other threads drew before."""
    assert not is_concurrent(DRAWING[name].fit(ROWS, TARGETS[1]))


@pytest.mark.parametrize("state", [None, np.random.RandomState(7), 7, np.int64(7)])
def test_a_seed_gives_each_call_the_same_random_numbers(state: Any) -> None:
    guess = DummyClassifier(strategy="uniform", random_state=state).fit(ROWS, TARGETS[1])
    once, again = guess.predict(np.zeros((1_000, 4))), guess.predict(np.zeros((1_000, 4)))
    assert is_concurrent(guess) == np.array_equal(once, again)


@pytest.mark.parametrize(
    "estimator",
    [DummyClassifier(), DummyClassifier(strategy="constant", constant=1), NMF(2, max_iter=5), LogisticRegression()],
)
@pytest.mark.filterwarnings("ignore")
def test_what_only_training_drew_is_asked_by_several_threads(estimator: Any) -> None:
    assert is_concurrent(estimator.fit(ROWS, TARGETS[1]))


def test_every_estimator_that_draws_when_it_predicts_is_known() -> None:
    """Sparse PCA solves by Cholesky and does not get to the random order of the other solvers."""
    assert drawing() - {"SparsePCA", "MiniBatchSparsePCA"} == set(_DRAWING)


def test_the_threads_of_training_are_not_those_of_predicting() -> None:
    """Trees that several threads add up differ in the last digit from call to call."""
    voting = VotingRegressor([("forest", RandomForestRegressor(2, random_state=1))]).fit(ROWS, TARGETS[0])
    voting.n_jobs = voting.estimators_[0].n_jobs = 8
    on_one_thread(make_pipeline(FunctionTransformer(), voting))
    assert (voting.n_jobs, voting.estimators_[0].n_jobs) == (None, None)
