"""
The types and functions that a skops file may name without a pin.

The rule: classes that only hold data, and functions that only compute. skops calls any trusted type with arguments from
the file (as the class of a list, as the type of a key). Therefore each kind of node has its own list. A decision
imports nothing except two experimental modules of scikit-learn. skops has imported the rest of scikit-learn, and a type
outside the imported modules is refused.
"""

import functools
import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Node = Mapping[str, Any]

# Modules of scikit-learn that no model needs: they read files, reach the network or exist to be broken.
_APART = ("sklearn.datasets.", "sklearn.externals.", "sklearn.utils.", "sklearn.experimental.", "sklearn.callback.")

# scikit-learn's bases of classes that hold data. Whatever is derived from them inside scikit-learn holds data too.
_BASES = (
    "sklearn.base.BaseEstimator",
    "sklearn._loss.link.BaseLink",
    "sklearn._loss.loss.BaseLoss",
    "sklearn.gaussian_process.kernels.Kernel",
    "sklearn.metrics._dist_metrics.DistanceMetric",
    "sklearn.metrics._scorer._BaseScorer",
    "sklearn.model_selection._split.BaseCrossValidator",
    "sklearn.model_selection._split.BaseShuffleSplit",
    "sklearn.neural_network._stochastic_optimizers.BaseOptimizer",
)
_CLASSES = frozenset(
    {
        "scipy.interpolate._bsplines.BSpline",
        "scipy.interpolate._bsplines._BSpline",
        "sklearn._loss.link.Interval",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.compose._column_transformer.make_column_selector",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.metrics._scorer._PassthroughScorer",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._ball_tree.BallTree32",
        "sklearn.neighbors._ball_tree.BallTree64",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neighbors._kd_tree.KDTree32",
        "sklearn.neighbors._kd_tree.KDTree64",
        "sklearn.utils._metadata_requests.MetadataRequest",
        "sklearn.utils._metadata_requests.MethodMetadataRequest",
    }
)
# A user's distance function, called from C, and a tree with norms that C code reads and skops does not save.
_REFUSED = ("sklearn.metrics._dist_metrics.PyFuncDistance", "sklearn.cluster._birch.")

_FUNCTIONS = frozenset(
    {
        "scipy._lib.array_api_compat.numpy._aliases.asarray",
        "sklearn.feature_selection._mutual_info.mutual_info_classif",
        "sklearn.feature_selection._mutual_info.mutual_info_regression",
        "sklearn.feature_selection._univariate_selection.chi2",
        "sklearn.feature_selection._univariate_selection.f_classif",
        "sklearn.feature_selection._univariate_selection.f_regression",
        "sklearn.feature_selection._univariate_selection.r_regression",
        "sklearn.utils.validation.check_array",
    }
    | {f"numpy.{name}" for name in ("clip", "max", "mean", "median", "min", "nan_to_num", "round", "sum")}
)
# The last two tell a selector its columns.
_PLAIN_TYPES = frozenset(
    {"builtins.bool", "builtins.float", "builtins.int", "builtins.str", "builtins.object", "numpy.object_"}
)
# The universal functions of scipy without a loop whose length depends on the argument.
_SPECIAL = frozenset(
    {"boxcox", "boxcox1p", "cbrt", "exp10", "exp2", "expit", "inv_boxcox", "inv_boxcox1p", "log_expit", "logit"}
)
_METRICS = ("sklearn.metrics._classification", "sklearn.metrics._ranking", "sklearn.metrics._regression")


def foreign_types(nodes: Iterable[Node]) -> set[str]:
    """Return the names in *nodes*, each the state of a node, that are not allowed at their position."""
    return {f"{module}.{name}" for loader, module, name in _named(nodes) if not _is_allowed(loader, module, name)}


def named_types(nodes: Iterable[Node]) -> list[str]:
    """Return every name in *nodes*, in the form of skops' list of trusted types."""
    return sorted({f"{module}.{name}" for _, module, name in _named(nodes)})


def _named(nodes: Iterable[Node]) -> set[tuple[str, str, str]]:
    return {(str(node["__loader__"]), str(node["__module__"]), str(node["__class__"])) for node in nodes}


@functools.cache
def _is_allowed(loader: str, module: str, name: str) -> bool:
    allowed = _KINDS.get(loader)
    return allowed is not None and allowed(module, name)


def _one_of(*names: str) -> Callable[[str, str], bool]:
    return lambda module, name: f"{module}.{name}" in names


# Modules of scikit-learn that only sklearn.experimental imports.
_EXPERIMENTAL = frozenset({"sklearn.impute._iterative", "sklearn.model_selection._search_successive_halving"})


def _found(module: str, name: str) -> Any:
    """Return the definition of *name* in an imported *module*, or None."""
    if module in _EXPERIMENTAL:
        importlib.import_module(module)
    return vars(sys.modules[module]).get(name) if module in sys.modules else None


def _is_scalar(module: str, name: str) -> bool:
    numpy = sys.modules["numpy"]
    return f"{module}.{name}" in _PLAIN_TYPES or (
        module == "numpy"
        and isinstance(kind := _found(module, name), type)
        and issubclass(kind, (numpy.number, numpy.bool_, numpy.str_))
    )


def _is_array(module: str, name: str) -> bool:
    return f"{module}.{name}" == "numpy.ndarray" or (module == "numpy" and _is_scalar(module, name))


def _is_function(module: str, name: str) -> bool:
    function = _found(module, name)
    if isinstance(function, sys.modules["numpy"].ufunc):
        return module.partition(".")[0] == "numpy" or (module.startswith("scipy.special") and name in _SPECIAL)
    if module in _METRICS:
        return name in _found("sklearn.metrics", "__all__") and getattr(function, "__module__", None) == module
    return f"{module}.{name}" in _FUNCTIONS


def _is_loss(module: str, name: str) -> bool:
    losses = sys.modules["skops.io._sklearn"].ALLOWED_LOSSES
    return module in {"sklearn._loss._loss", "sklearn.linear_model._sgd_fast"} and _found(module, name) in losses


def _holds_data(module: str, name: str) -> bool:
    path = f"{module}.{name}"
    kind = _found(module, name)
    if not isinstance(kind, type) or kind.__module__ != module or path.startswith(_REFUSED):
        return False
    if path in _CLASSES:
        return True
    if not module.startswith("sklearn.") or path.startswith(_APART) or ".tests." in path:
        return False
    bases = {f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__}
    return not bases.isdisjoint(_BASES)


# The name of a node's loader → whether the loader may receive a class or function. Loaders that call methods, construct
# any named class or refer back to an earlier node are missing here.
_KINDS: dict[str, Callable[[str, str], bool]] = {
    "BytearrayNode": _one_of("builtins.bytearray"),
    "BytesNode": _one_of("builtins.bytes"),
    "DTypeNode": _one_of("numpy.dtype"),
    "DictNode": _one_of("builtins.dict", "collections.OrderedDict", "sklearn.utils._bunch.Bunch"),
    "FunctionNode": _is_function,
    "JsonNode": _one_of("builtins.str"),
    "ListNode": _one_of("builtins.list"),
    "LossNode": _is_loss,
    "MaskedArrayNode": _one_of("numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray"),
    "NdArrayNode": _is_array,
    "ObjectNode": _holds_data,
    "PartialNode": _one_of("functools.partial"),
    "RandomGeneratorNode": _one_of("numpy.random._generator.Generator"),
    "RandomStateNode": _one_of("numpy.random.mtrand.RandomState"),
    "SetNode": _one_of("builtins.set"),
    "SliceNode": _one_of("builtins.slice"),
    "SparseMatrixNode": _one_of(
        *(f"scipy.sparse._{kind}.{kind}_{shape}" for kind in ("csc", "csr") for shape in ("array", "matrix"))
    ),
    "TreeNode": _one_of("sklearn.tree._tree.Tree"),
    "TupleNode": _one_of("builtins.tuple", "sklearn.impute._iterative._ImputerTriplet"),
    "TypeNode": _is_scalar,
}
