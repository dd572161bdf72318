"""
Check the shapes of trees: decision trees, boosted trees, and trees for finding neighbours.

The rule: a child comes after its parent and before the end, so every walk ends inside the tree. A feature is one of the
estimator's input features.
"""

from typing import Any

import numpy as np

from stream_consumer.models.malformed import Malformed, demand

_NO_CHILD = -1
_STAGE_AND_OUTPUT = 2
_WORDS_OF_A_BITSET = 8
_CORNERS = {"KDTree": 2, "BallTree": 1}
"""A box has two corners. The center of a ball counts as one."""


def check_decision_tree(estimator: Any) -> None:
    tree = vars(estimator).get("tree_")
    if "tree_" not in vars(estimator):
        return
    demand(estimator, type(tree).__name__ == "Tree", "has no tree")
    demand(tree, 0 < tree.node_count <= tree.capacity, "counts nodes that it does not have")
    demand(tree, tree.n_features == estimator.n_features_in_, "was fitted on another number of features")
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    inner = left != _NO_CHILD
    _check_walk(tree, left[inner], right[inner], inner)
    demand(tree, _within(feature[inner], tree.n_features), "splits by features that no row has")
    demand(tree, tree.max_depth + 1 >= tree.compute_node_depths().max(), "is deeper than it says")


def check_boosting(estimator: Any) -> None:
    if "estimators_" not in vars(estimator):
        return
    stages = estimator.estimators_
    demand(estimator, len(stages.shape) == _STAGE_AND_OUTPUT and stages.size, "has no table of trees")
    for stage in stages.ravel().tolist():
        check_decision_tree(stage)
        demand(stage, stage.tree_.n_features == estimator.n_features_in_, "was fitted on another number of features")
    # The first guess is the array to which C code adds. A user's own estimator could return any array.
    kind = "dummy" if estimator.init_ == "zero" else type(estimator.init_).__module__.rpartition(".")[2]
    demand(estimator, kind == "dummy", "has an init that is no dummy")
    for rows in (1, 3):
        guess = estimator._raw_predict_init(np.zeros((rows, estimator.n_features_in_), np.float32))  # noqa: SLF001
        demand(estimator, guess.shape == (rows, stages.shape[1]), "guesses another number of values than it has trees")


def check_histogram_boosting(estimator: Any) -> None:
    if "_predictors" not in vars(estimator):
        return
    attributes = vars(estimator)
    features, bins = attributes["n_features_in_"], attributes["_bin_mapper"]
    categorical = np.asarray(bins.is_categorical_)
    demand(bins, type(bins).__name__ == "_BinMapper" and categorical.shape == (features,), "maps other features")
    _check_preprocessor(attributes["_preprocessor"], features)
    for predictor in [predictor for iteration in attributes["_predictors"] for predictor in iteration]:
        demand(predictor, type(predictor).__name__ == "TreePredictor", "is no tree")
        _check_predictor(predictor, categorical.astype(bool))


def _check_predictor(predictor: Any, categorical: Any) -> None:
    nodes, bitsets = predictor.nodes, predictor.raw_left_cat_bitsets
    demand(predictor, isinstance(nodes, np.ndarray) and nodes.ndim == 1 and nodes.size, "has no nodes")
    inner = nodes["is_leaf"] == 0
    splits = nodes[inner]
    _check_walk(predictor, splits["left"], splits["right"], inner)
    demand(predictor, _within(splits["feature_idx"], len(categorical)), "splits by features that no row has")
    choices = splits[splits["is_categorical"] != 0]
    demand(predictor, categorical[choices["feature_idx"]].all(), "takes a number for a category")
    if choices.size:
        demand(predictor, bitsets.shape[1:] == (_WORDS_OF_A_BITSET,), "has bitsets of another size")
        demand(predictor, _within(choices["bitset_idx"], len(bitsets)), "names bitsets that it does not have")


def _check_preprocessor(preprocessor: Any, features: int) -> None:
    """Check that the trees receive a column for each of the *features*. The fit chooses the columns by two masks."""
    if preprocessor is None:
        return
    chosen = np.zeros(features, dtype=int)
    for _, transformer, mask in preprocessor.transformers_:
        if isinstance(transformer, str):  # drop
            continue
        kept = type(transformer).__name__ == "OrdinalEncoder" or _only_checks(transformer)
        demand(transformer, kept, "gives trees other columns than it takes")
        demand(transformer, mask.dtype == bool, "chooses columns by another way than a mask")
        chosen += mask
    demand(preprocessor, (chosen == 1).all() and preprocessor.n_features_in_ == features, "drops features")
    demand(preprocessor, preprocessor.transformer_weights is None, "weighs its columns")


def _only_checks(transformer: Any) -> bool:
    """Whether *transformer* is a function that returns its numbers unchanged."""
    function = vars(transformer)["func"]
    plain = not function.args and function.keywords.keys() <= {"dtype", "ensure_all_finite"}
    return plain and function.func.__qualname__ == "check_array" and not transformer.kw_args


def check_binary_tree(tree: Any) -> None:
    """Check a KD- or ball tree. The state has the data, the order of the rows, the nodes and their bounds."""
    data, order, nodes, bounds, leaf_size, levels, count, *_, metric, weights = tree.__getstate__()
    rows, columns = data.shape
    demand(tree, leaf_size > 0 and count == len(nodes) > 0, "counts nodes that it does not have")
    demand(tree, levels == count.bit_length() and count & (count + 1) == 0, "has an incomplete level")
    corners = _CORNERS[type(tree).__name__.rstrip("3264")]
    demand(tree, bounds.shape == (corners, count, columns), "has bounds of another size")
    demand(tree, len(order) == rows > 0 and _within(order, rows), "names rows that it does not have")
    demand(tree, (nodes["idx_start"] >= 0).all() and (nodes["idx_end"] <= rows).all(), "has nodes outside of its rows")
    demand(tree, (nodes["idx_start"] <= nodes["idx_end"]).all(), "has nodes of negative size")
    demand(tree, nodes["is_leaf"][count // 2 :].all(), "has nodes below its leaves")
    demand(tree, weights is None or len(weights) == rows, "weighs other rows")
    demand(tree, metric is not None, "has no metric")
    _check_metric(metric, data)


def _check_metric(metric: Any, data: Any) -> None:
    metric._validate_data(data)  # noqa: SLF001 (what its constructor calls)
    if type(metric).__name__.startswith("Mahalanobis"):
        demand(metric, metric.__getstate__()[2].shape == (data.shape[1],) * 2, "has another number of features")


def _check_walk(tree: Any, left: Any, right: Any, inner: Any) -> None:
    """Check that the children of the *inner* nodes, a mask of all nodes, come after their parents."""
    parents = np.flatnonzero(inner)
    children = np.stack([left, right]).astype(np.int64)
    if not ((children > parents).all() and (children < len(inner)).all()):
        raise Malformed(type(tree), "has nodes whose children are not nodes behind them")


def _within(indices: Any, length: int) -> bool:
    return bool(((indices >= 0) & (indices < length)).all())
