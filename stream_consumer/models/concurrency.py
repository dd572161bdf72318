"""
Find out whether several threads may call an estimator at once.

The rule: only code of scikit-learn, NumPy and SciPy is known to be safe. Other code may keep state between calls. An
estimator that draws random numbers gives other results in another order of calls.
"""

import functools
import types
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np

_SAFE_PACKAGES = frozenset({"builtins", "functools", "numpy", "scipy", "sklearn"})
_CODE = (type, types.FunctionType, types.MethodType, types.BuiltinFunctionType, np.ufunc)
# Imputing and topic models continue the random numbers of their training.
_CONTINUED = "random_state_"
# Classes that draw new random numbers: the responsible parameter, and its values without drawing. tests/models has the
# search through scikit-learn's source that found them.
_DRAWING: dict[str, tuple[str, Sequence[Any]]] = {
    "DummyClassifier": ("strategy", ("constant", "most_frequent", "prior")),
    "NMF": ("shuffle", (False,)),
    "PatchExtractor": ("max_patches", (None,)),
}
_GENERATORS = (np.random.RandomState, np.random.Generator)


def is_concurrent(estimator: Any) -> bool:
    """Return whether several threads may call *estimator* at once, with the same results as from a single thread."""
    return all(map(_is_safe, _reachable(estimator)))


def on_one_thread(estimator: Any) -> Any:
    """
    Return *estimator* without the threads that training asked for, since a file could ask for any number.

    A forest adds up its trees in the order in which its threads end, so the last digit would differ from call to call.
    """
    for part in _reachable(estimator):
        attributes = getattr(part, "__dict__", {})
        if _package(type(part)) != "sklearn":
            continue
        if attributes.get("n_jobs") is not None:
            attributes["n_jobs"] = None
        if "_n_threads" in attributes:
            attributes["_n_threads"] = 1
    return estimator


def _is_safe(part: Any) -> bool:
    kind = part if isinstance(part, _CODE) else type(part)
    if _package(kind) not in _SAFE_PACKAGES or isinstance(getattr(part, "__self__", None), _GENERATORS):
        return False
    return not _draws(type(part).__name__, getattr(part, "__dict__", {}))


def _draws(name: str, attributes: Mapping[str, Any]) -> bool:
    """Return whether predictions depend on random numbers drawn earlier. A seed restarts the sequence at each call."""
    if _CONTINUED in attributes:
        return True
    parameter, silent = _DRAWING.get(name, ("", (None,)))
    return attributes.get(parameter) not in silent and not isinstance(attributes.get("random_state"), Integral)


def _package(kind: Any) -> str:
    return str(getattr(kind, "__module__", None) or type(kind).__module__).partition(".")[0]


def _reachable(estimator: Any) -> Iterator[Any]:
    """Yield *estimator* and all objects in it, each once."""
    seen, waiting = dict[int, Any](), [estimator]
    while waiting:
        part = waiting.pop()
        if id(part) in seen or isinstance(part, (str, bytes, int, float, complex, type(None), np.generic)):
            continue
        seen[id(part)] = part  # keeps the object alive, so that no other object gets its id
        waiting += _held(part)
        yield part


def _held(part: Any) -> list[Any]:
    if isinstance(part, np.ndarray):
        return part.ravel().tolist() if part.dtype == object else []
    if isinstance(part, dict):
        return list(part.values())
    if isinstance(part, (list, tuple, set, frozenset)):
        return list(part)
    if isinstance(part, functools.partial):
        return [part.func, *part.args, *part.keywords.values()]
    if isinstance(part, types.MethodType):
        return [part.__self__]
    return [] if isinstance(part, _CODE) else list(getattr(part, "__dict__", {}).values())
