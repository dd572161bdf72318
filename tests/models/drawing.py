"""Which estimators of scikit-learn draw random numbers when they predict, by a search in its source."""

import ast
import functools
import inspect
import textwrap
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from sklearn.utils import all_estimators

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform")


def drawing() -> set[str]:
    """Return the estimators whose code gets from one of :data:`METHODS` to ``check_random_state``."""
    return {
        name
        for name, kind in all_estimators()
        for method in METHODS
        if hasattr(kind, method) and _draws(kind, getattr(kind, method), set())
    }


def _draws(kind: Any, function: Any, seen: set[Any]) -> bool:
    function = inspect.unwrap(function)
    if function in seen or not isinstance(function, FunctionType) or not function.__module__.startswith("sklearn."):
        return False
    seen.add(function)
    called = set(_called(kind, function))
    return "check_random_state" in {one.__name__ for one in called} or any(_draws(kind, one, seen) for one in called)


def _called(kind: Any, function: FunctionType) -> Iterator[Any]:
    """Yield the functions of the module, and the methods of *kind* but for training, that *function* calls."""
    own, others = _names_called(function)
    found = [getattr(kind, name, None) for name in own if not name.startswith("fit")]
    yield from filter(inspect.isfunction, [*found, *map(function.__globals__.get, others)])


@functools.cache
def _names_called(function: FunctionType) -> tuple[set[str], set[str]]:
    """Return the names of methods of ``self`` and of functions that *function* calls."""
    own, others = set[str](), set[str]()
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        match node:
            case ast.Call(func=ast.Name(id=name)):
                others.add(name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name)):
                own.add(name)
    return own, others
