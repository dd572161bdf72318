"""
Check that the predictions of a loaded estimator stay inside its arrays.

The rule: numpy checks its own indices, C code does not. Therefore all data that scikit-learn passes to C code is
checked here (trees, neighbours, support vectors, sparse matrices, …). Any way around a check is refused: an attribute
that hides a method, or a tree outside its estimator. The time and memory of a prediction are not bounded, but the
self-check reveals them.
"""

import functools
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from stream_consumer.models.array_structure import (
    check_clusters,
    check_encoder,
    check_hasher,
    check_neighbours,
    check_random_state,
    check_sparse,
    check_spline,
    check_support_vectors,
    check_texts,
    check_vocabulary,
)
from stream_consumer.models.malformed import Malformed
from stream_consumer.models.tree_structure import (
    check_binary_tree,
    check_boosting,
    check_decision_tree,
    check_histogram_boosting,
)

_DECISION_TREE = "sklearn.tree._classes.BaseDecisionTree"
_TREE = "sklearn.tree._tree.Tree"
# The name of a class → the check for its instances and those of derived classes.
_CHECKS: dict[str, Callable[[Any], None]] = {
    "numpy.random.mtrand.RandomState": check_random_state,
    "scipy.interpolate._bsplines.BSpline": check_spline,
    "scipy.interpolate._bsplines._BSpline": check_spline,  # inside the former since SciPy 1.18
    "scipy.sparse._base._spbase": check_sparse,
    "sklearn.cluster._kmeans._BaseKMeans": check_clusters,
    "sklearn.ensemble._gb.BaseGradientBoosting": check_boosting,
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.BaseHistGradientBoosting": check_histogram_boosting,
    "sklearn.feature_extraction._dict_vectorizer.DictVectorizer": check_vocabulary,
    "sklearn.feature_extraction._hash.FeatureHasher": check_hasher,
    "sklearn.feature_extraction.text.CountVectorizer": check_vocabulary,
    "sklearn.feature_extraction.text.HashingVectorizer": check_hasher,
    "sklearn.feature_extraction.text._VectorizerMixin": check_texts,
    "sklearn.neighbors._ball_tree.BinaryTree64": check_binary_tree,
    "sklearn.neighbors._ball_tree.BinaryTree32": check_binary_tree,
    "sklearn.neighbors._base.NeighborsBase": check_neighbours,
    "sklearn.neighbors._kd_tree.BinaryTree64": check_binary_tree,
    "sklearn.neighbors._kd_tree.BinaryTree32": check_binary_tree,
    "sklearn.preprocessing._encoders.OneHotEncoder": check_encoder,
    "sklearn.preprocessing._label.MultiLabelBinarizer": check_vocabulary,
    "sklearn.svm._base.BaseLibSVM": check_support_vectors,
    _DECISION_TREE: check_decision_tree,
}
_SCALARS = (str, bytes, int, float, complex, type(None), np.generic, np.dtype, slice)
_CODE = (type, types.FunctionType, types.ModuleType, np.ufunc, type(np.mean))


def check_structure(estimator: Any) -> None:
    """
    Check *estimator* and all objects in it.

    Raises:
        Malformed: A part would make a prediction read or write outside an array.
    """
    for value in _reachable(estimator):
        for base in _bases_of(value):
            check = _CHECKS.get(base)
            if check is None:
                continue
            try:
                check(value)
            except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
                if isinstance(error, Malformed):
                    raise
                raise Malformed(type(value), f"has no valid shape: {type(error).__name__}: {error}") from error


def _bases_of(value: object) -> tuple[str, ...]:
    kind: Any = type(value)
    return _bases(kind)


@functools.cache
def _bases(kind: Any) -> tuple[str, ...]:
    return tuple(f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__)


def _reachable(estimator: Any) -> Iterator[Any]:
    """Yield *estimator* and all objects in it, each once."""
    seen: dict[int, Any] = {}
    waiting = [estimator]
    while waiting:
        value = waiting.pop()
        if isinstance(value, (*_SCALARS, *_CODE)) or id(value) in seen:
            continue
        seen[id(value)] = value
        yield value
        children = list(_children(value))
        if _DECISION_TREE not in _bases_of(value) and any(_TREE in _bases_of(child) for child in children):
            raise Malformed(type(value), "holds a tree and is no tree estimator")
        waiting.extend(children)


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, list | tuple | set):
        return value
    if isinstance(value, np.ndarray):
        return _items(value)
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values(), vars(value)]
    return _attributes(value)


def _items(array: Any) -> Iterable[Any]:
    if array.dtype.itemsize == 0:
        raise Malformed(type(array), "has items of no size")
    if isinstance(array, np.ma.MaskedArray):
        return [array.data, array.mask]
    return array.ravel().tolist() if array.dtype.hasobject else ()


@functools.cache
def _class_attributes(kind: Any) -> frozenset[str]:
    # A class may hold the default of an option, such as LassoLars.positive. Other kinds of attributes decide nothing.
    return frozenset(name for name in dir(kind) if not isinstance(getattr(kind, name, None), bool))


def _attributes(value: Any) -> Iterable[Any]:
    attributes = getattr(value, "__dict__", {})
    kind: Any = type(value)
    if hidden := sorted(attributes.keys() & _class_attributes(kind)):
        raise Malformed(kind, f"hides what its class defines: {', '.join(hidden)}")
    return attributes.values()
