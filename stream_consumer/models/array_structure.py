"""
Check the shapes of arrays that scikit-learn and scipy pass to C code, except trees.

The rule: every assumption of C code about the length of an array, or about indices in an array, is checked here. An
unfitted estimator has nothing to check.
"""

import re
from typing import Any

import numpy as np

from stream_consumer.models.malformed import demand

_METRIC_PARAMETERS = {"p", "w", "V", "VI"}
_STATE_WORDS = 624
_MOST_HASHED_FEATURES = 2**31 - 1
_REPEATS = re.compile(r"[*+?{]")
_PREFIX = re.compile(r"\(\?[aiLmsux]+\)")


def check_sparse(matrix: Any) -> None:
    demand(matrix, matrix.format in {"csc", "csr"}, "is sparse in another format than csc and csr")
    matrix.check_format(full_check=True)


def check_random_state(generator: Any) -> None:
    state = generator.get_state(legacy=False)
    if state["bit_generator"] == "MT19937":
        demand(generator, 0 <= state["state"]["pos"] <= _STATE_WORDS, "is outside of its words")


def check_spline(spline: Any) -> None:
    type(spline)(spline.t, spline.c, spline.k)  # the constructor checks their sizes
    demand(spline, spline.t.dtype == spline.c.dtype == np.float64, "has other numbers than float64")


def check_clusters(clusters: Any) -> None:
    centers = vars(clusters).get("cluster_centers_")
    if centers is not None:
        demand(clusters, centers.shape[1:] == (clusters.n_features_in_,) and len(centers), "has other centers")


def check_neighbours(estimator: Any) -> None:
    fitted = vars(estimator).get("_fit_X")
    if fitted is None:
        return
    rows, columns = fitted.shape
    demand(
        estimator, (rows, columns) == (estimator.n_samples_fit_, estimator.n_features_in_), "has rows of another size"
    )
    tree = estimator._tree  # noqa: SLF001
    if tree is not None:
        demand(estimator, tree.__getstate__()[0].shape == (rows, columns), "has a tree of other rows")
    demand(estimator, {type(estimator.metric), type(estimator.effective_metric_)} == {str}, "has a metric of its own")
    for parameters in (estimator.effective_metric_params_, estimator.metric_params or {}):
        demand(estimator, parameters.keys() <= _METRIC_PARAMETERS, "gives its metric more than it takes")
    if "classes_" in vars(estimator) and not estimator.outputs_2d_:
        labels, known = estimator._y, len(estimator.classes_)  # noqa: SLF001
        demand(estimator, labels.shape == (rows,) and _within(labels, known), "has labels that are no classes")
        demand(estimator, 0 < (estimator.n_neighbors or 1) <= rows, "asks for more neighbours than rows")


def check_support_vectors(estimator: Any) -> None:
    if "support_" not in vars(estimator):
        return
    state = vars(estimator)
    demand(estimator, not state["_sparse"], "was fitted on a sparse matrix")
    demand(estimator, isinstance(state["kernel"], str), "has a kernel of its own")
    counts, vectors = state["_n_support"], len(state["support_"])
    classes = len(state["classes_"]) if "classes_" in state else 2
    pairs = classes * (classes - 1) // 2
    demand(estimator, classes == len(counts) > 1 and (counts >= 0).all(), "counts vectors of other classes")
    demand(estimator, "classes_" not in state or counts.sum() == vectors, "counts vectors that it does not have")
    demand(estimator, state["_dual_coef_"].shape == (classes - 1, vectors), "has coefficients of another size")
    demand(estimator, state["_intercept_"].shape == (pairs,), "has intercepts of another size")
    sizes = {state["_probA"].size, state["_probB"].size}
    demand(estimator, sizes <= {0, pairs} and len(sizes) == 1, "has probabilities of another size")
    if state["kernel"] == "precomputed":
        demand(estimator, _within(state["support_"], state["shape_fit_"][0]), "names rows that were not fitted")
    else:
        shape = (vectors, state["n_features_in_"])
        demand(estimator, state["support_vectors_"].shape == shape, "has support vectors of another size")


def check_encoder(encoder: Any) -> None:
    """Check that each value maps to an existing column, since the encoder makes a sparse matrix of them."""
    if "categories_" not in vars(encoder):
        return
    state = vars(encoder)
    widths = state["_n_features_outs"]
    demand(encoder, widths == encoder._compute_n_features_outs(), "has other columns than categories")  # noqa: SLF001
    infrequent = state["_default_to_infrequent_mappings"] if state["_infrequent_enabled"] else [None] * len(widths)
    dropped = state["_drop_idx_after_grouping"]
    for at, (categories, mapping) in enumerate(zip(state["categories_"], infrequent, strict=True)):
        codes = np.arange(len(categories)) if mapping is None else np.asarray(mapping)
        drop = None if dropped is None else dropped[at]
        demand(encoder, len(codes) == len(categories), "maps other categories")
        demand(encoder, drop is None or drop in codes, "drops a category that it does not have")
        demand(encoder, _within(codes, widths[at] + (drop is not None)), "maps to columns it does not have")


def check_vocabulary(encoder: Any) -> None:
    """Check that each term maps to an existing column, since the encoder makes a sparse matrix of them."""
    for name in ("vocabulary_", "_cached_dict"):
        columns = vars(encoder).get(name)
        if columns is not None:
            demand(encoder, sorted(columns.values()) == list(range(len(columns))), "names columns it does not have")


def check_hasher(hasher: Any) -> None:
    demand(hasher, 0 < hasher.n_features <= _MOST_HASHED_FEATURES, "hashes to no number of features")


def check_texts(vectorizer: Any) -> None:
    """Check that the rows hold the texts themselves, and that splitting a text cannot take forever."""
    demand(vectorizer, vectorizer.input == "content", "opens files that its rows name")
    pattern = vectorizer.token_pattern
    if pattern is not None:
        repeats = _REPEATS.findall(_PREFIX.sub("", pattern))
        demand(vectorizer, len(repeats) <= 1, f"has the pattern {pattern!r}, of more than one repetition")


def _within(indices: Any, length: int) -> bool:
    indices = np.asarray(indices)
    return bool(((indices >= 0) & (indices < length)).all())
