"""What C code would take on trust is checked after loading."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from stream_consumer.models.malformed import Malformed
from stream_consumer.models.structure import check_structure
from tests.models.estimators import ROWS, TARGETS
from tests.models.touching_c import estimators_touching_c

FITTED = {name: estimator for name, estimator, _ in estimators_touching_c()}
MANY = 1 << 40


def fault(estimator: Any, change: Callable[[Any], object]) -> str:
    changed = copy.deepcopy(estimator)
    check_structure(changed)
    change(changed)
    with pytest.raises(Malformed) as caught:
        check_structure(changed)
    return str(caught.value)


def tree_state(**values: Any) -> Callable[[Any], None]:
    """Return a change of a tree's state: of a field of its nodes, at a node, or of one of its counts."""

    def change(estimator: Any) -> None:
        state = estimator.tree_.__getstate__()
        for name, value in values.items():
            if name in state:
                state[name] = value
            else:
                state["nodes"][name][value[0]] = value[1]
        estimator.tree_.__setstate__(state)

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (tree_state(left_child=(0, MANY)), "has nodes whose children are not nodes behind them"),
        (tree_state(right_child=(0, -7)), "has nodes whose children are not nodes behind them"),
        (tree_state(left_child=(1, 0)), "has nodes whose children are not nodes behind them"),  # a circle
        (tree_state(feature=(0, 4)), "splits by features that no row has"),
        (tree_state(feature=(0, -1)), "splits by features that no row has"),
        (tree_state(node_count=MANY), "counts nodes that it does not have"),
        (tree_state(node_count=0), "counts nodes that it does not have"),
        (tree_state(max_depth=0), "is deeper than it says"),
        (lambda tree: setattr(tree, "n_features_in_", 5), "was fitted on another number of features"),
        (lambda tree: setattr(tree, "tree_", None), "has no tree"),
        (lambda tree: setattr(tree, "predict", np.mean), "hides what its class defines: predict"),
    ],
)
def test_a_decision_tree_is_walked_inside_of_its_nodes(change: Callable[[Any], object], says: str) -> None:
    message = fault(FITTED["tree"], change)
    assert f"that {says}" in message or f"tor that {says}" in message
    assert message.endswith("train the model again, or, if you trust the file, pin it with MODEL_DIGEST")


def first_predictor(estimator: Any) -> Any:
    return estimator._predictors[0][0]  # noqa: SLF001


def node(field: str, value: int, kind: str = "is_leaf", of: int = 0) -> Callable[[Any], None]:
    """Return a change of a field of the first node of a *kind*."""

    def change(estimator: Any) -> None:
        nodes = first_predictor(estimator).nodes
        nodes[field][np.flatnonzero(nodes[kind] == of)[0]] = value

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (node("left", 10**6), "whose children are not nodes behind them"),
        (node("right", 0), "whose children are not nodes behind them"),
        (node("feature_idx", MANY), "splits by features that no row has"),
        (node("bitset_idx", 10**6, "is_categorical", 1), "names bitsets that it does not have"),
        (node("is_categorical", 1, "is_categorical", 0), "takes a number for a category"),
        (lambda e: setattr(first_predictor(e), "nodes", first_predictor(e).nodes[:0]), "has no nodes"),
        (lambda e: e._bin_mapper.__dict__.update(is_categorical_=np.zeros(2)), "maps other features"),  # noqa: SLF001
        (lambda e: e._preprocessor.__dict__.update(transformer_weights={}), "weighs its columns"),  # noqa: SLF001
        (lambda e: e._preprocessor.transformers_.pop(0), "drops features"),  # noqa: SLF001
    ],
)
def test_a_histogram_tree_is_walked_inside_of_its_nodes(change: Callable[[Any], object], says: str) -> None:
    assert says in fault(FITTED["categories"], change)


def test_a_first_guess_is_an_array_of_as_many_values_as_there_are_trees() -> None:
    def change(boosting: Any) -> None:
        boosting.estimators_ = np.repeat(boosting.estimators_, 2, axis=1)

    assert "guesses another number of values" in fault(FITTED["boosting"], change)
    own = GradientBoostingRegressor(init=LinearRegression(), n_estimators=2).fit(ROWS, TARGETS[0])
    with pytest.raises(Malformed, match="has an init that is no dummy"):
        check_structure(own)


def neighbour_state(place: int, change: Callable[[Any], Any]) -> Callable[[Any], None]:
    def changed(estimator: Any) -> None:
        state = list(estimator._tree.__getstate__())  # noqa: SLF001
        state[place] = change(copy.deepcopy(state[place]))
        estimator._tree.__setstate__(tuple(state))  # noqa: SLF001

    return changed


def put(array: Any, value: Any, field: str | None = None) -> Any:
    (array if field is None else array[field])[0] = value
    return array


@pytest.mark.parametrize("kind", ["ball tree", "k-d tree"])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (neighbour_state(1, lambda order: put(order, MANY)), "names rows that it does not have"),
        (neighbour_state(2, lambda nodes: put(nodes, MANY, "idx_end")), "has nodes outside of its rows"),
        (neighbour_state(2, lambda nodes: put(nodes, -1, "idx_start")), "has nodes outside of its rows"),
        (neighbour_state(3, lambda bounds: bounds[:, :1].copy()), "has bounds of another size"),
        (neighbour_state(5, lambda _levels: MANY), "has an incomplete level"),
        (neighbour_state(6, lambda _count: MANY), "counts nodes that it does not have"),
        (neighbour_state(11, lambda _metric: None), "has no metric"),
        (lambda e: setattr(e, "n_samples_fit_", MANY), "has rows of another size"),
        (lambda e: setattr(e, "_fit_X", e._fit_X[:9]), "has rows of another size"),  # noqa: SLF001
        (
            lambda e: setattr(e, "effective_metric_params_", {"Y_norm_squared": []}),
            "gives its metric more than it takes",
        ),
    ],
)
def test_neighbours_are_looked_for_inside_of_the_rows(kind: str, change: Callable[[Any], object], says: str) -> None:
    assert says in fault(FITTED[kind], change)


@pytest.mark.parametrize(
    ("kind", "attribute", "value", "says"),
    [
        ("brute force", "_y", np.full(60, 9), "has labels that are no classes"),
        ("brute force", "n_neighbors", 61, "asks for more neighbours than rows"),
        ("clusters", "cluster_centers_", np.zeros((3, 2)), "has other centers"),
        ("support", "_n_support", np.array([MANY, 1]), "counts vectors that it does not have"),
        ("support", "_dual_coef_", np.zeros((1, 1)), "has coefficients of another size"),
        ("support", "support_vectors_", np.zeros((1, 4)), "has support vectors of another size"),
        ("support", "_intercept_", np.zeros(0), "has intercepts of another size"),
        ("support", "_probA", np.zeros(9), "has probabilities of another size"),
        ("support", "_sparse", True, "was fitted on a sparse matrix"),
        ("support of numbers", "_impl", "c_svc", "hides what its class defines: _impl"),
    ],
)
def test_arrays_have_the_size_that_c_code_takes_for_granted(
    kind: str, attribute: str, value: object, says: str
) -> None:
    assert says in fault(FITTED[kind], lambda estimator: setattr(estimator, attribute, value))


@pytest.mark.parametrize(
    ("attribute", "value", "says"),
    [
        ("_n_features_outs", [1, 1, 1, 1], "has other columns than categories"),
        ("_drop_idx_after_grouping", np.array([99] * 4, dtype=object), "drops a category that it does not have"),
        ("_default_to_infrequent_mappings", [np.array([0, 1, 2, 99])] * 4, "maps to columns it does not have"),
    ],
)
def test_every_category_has_a_column(attribute: str, value: object, says: str) -> None:
    assert says in fault(FITTED["encoder"], lambda pipeline: setattr(pipeline[0], attribute, value))


def test_sparse_matrices_point_inside_of_themselves() -> None:
    def change(estimator: Any) -> None:
        estimator.coef_.indices[0] = 7

    estimator = LinearRegression()
    estimator.coef_ = csr_matrix(np.eye(3))
    assert "has no valid shape: ValueError" in fault(estimator, change)


@pytest.mark.parametrize(
    ("attribute", "value", "says"),
    [
        ("input", "filename", "opens files that its rows name"),
        ("token_pattern", "(a+)+$", "has the pattern '(a+)+$', of more than one repetition"),
        ("vocabulary_", {"red": 5}, "names columns it does not have"),
    ],
)
def test_texts_are_split_as_they_are_given(attribute: str, value: object, says: str) -> None:
    texts = CountVectorizer().fit(["red green", "blue"])
    assert says in fault(make_pipeline(texts), lambda pipeline: setattr(pipeline[0], attribute, value))


def test_texts_are_hashed_to_some_features() -> None:
    hashing = make_pipeline(HashingVectorizer())
    assert "hashes to no number of features" in fault(hashing, lambda pipeline: setattr(pipeline[0], "n_features", 0))


def test_a_random_state_draws_inside_of_its_words() -> None:
    def change(estimator: Any) -> None:
        state = estimator.random_state.get_state(legacy=False)
        state["state"]["pos"] = 10**6
        try:
            estimator.random_state.set_state(state)
        except ValueError:
            pytest.skip("this NumPy lets no such state be")

    estimator = LinearRegression()
    estimator.random_state = np.random.RandomState(1)
    assert "is outside of its words" in fault(estimator, change)


def test_a_spline_has_the_knots_that_its_degree_needs() -> None:
    def change(pipeline: Any) -> None:
        pipeline[0].bsplines_[0].k = 50

    assert "has no valid shape" in fault(FITTED["spline"], change)


def test_a_tree_is_no_step_of_a_pipeline() -> None:
    """A tree by itself does not ask how many features its rows have."""

    def change(pipeline: Any) -> None:
        pipeline.steps.append(("tree", FITTED["tree"].tree_))

    assert "holds a tree and is no tree estimator" in fault(make_pipeline(LinearRegression()), change)
