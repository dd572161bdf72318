"""
The code that a saved estimator needs: its modules, and whether they read DataFrames.

The rule: no code of the file runs. A pickle is read with inert objects instead of the classes and functions in it.
"""

import io
import json
import pickle
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from stream_consumer.errors import ModelError

_SCHEMA = "schema.json"
_SUBIMPORT = "subimport"
"""The function by which cloudpickle names a module that code in the pickle imports. Source: cloudpickle 3.1."""
_CONFIGURED = "_sklearn_output_config"
"""The attribute with the choice of ``set_output``. Source: sklearn.utils._set_output of 1.9."""
_NAMED = "feature_names_in_"


@dataclass(frozen=True, slots=True)
class SavedCode:
    """The references of an estimator's file."""

    modules: frozenset[str]
    """Top-level names of modules, without Python's own."""
    has_own_code: bool
    """Whether the user's functions or classes are in the file or beside it."""
    has_bytecode: bool
    """Whether functions are in the file itself. Only the Python version that saved them can run them."""
    wants_dataframes: bool
    """Whether ``set_output`` made a part return DataFrames of pandas."""
    knows_names: bool
    """Whether a part was fitted on a DataFrame."""


def saved_code(path: Path) -> SavedCode:
    """
    Read the references of the estimator in *path*, a pickle or a file of skops.

    Raises:
        ModelError: The file is neither.
    """
    found = _Found()
    try:
        content = path.read_bytes()
        if zipfile.is_zipfile(io.BytesIO(content)):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                _read_schema(json.loads(archive.read(_SCHEMA)), found)
        else:
            _Reader(content, found).load()
    except Exception as error:  # (a broken file may raise anything)
        raise ModelError(
            f"{path.name} is neither a pickle nor a file of skops: {error}; log the model again"
        ) from error
    roots = {module.partition(".")[0] for module in found.modules}
    return SavedCode(
        frozenset(roots - sys.stdlib_module_names - {"__main__"}),
        not roots.isdisjoint({"__main__", "cloudpickle"}),
        "cloudpickle" in roots,
        found.output == "pandas",
        _NAMED in found.attributes,
    )


class _Found:
    """The references so far."""

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self.attributes: set[str] = set()
        self.output: object = None

    def state(self, state: object) -> None:
        for each in state if isinstance(state, tuple) else (state,):
            if isinstance(each, dict):
                self.attributes.update(name for name in each if isinstance(name, str))
                output = each.get(_CONFIGURED)
                self.output = output.get("transform") or self.output if isinstance(output, dict) else self.output


class _Reader(pickle.Unpickler):
    """Reads a pickle whose classes and functions are all inert."""

    def __init__(self, content: bytes, found: _Found) -> None:
        super().__init__(io.BytesIO(content))
        self._found = found

    def find_class(self, module: str, name: str) -> type:
        self._found.modules.add(module)
        return type(name, (_Inert,), {"found": self._found})

    def persistent_load(self, pid: object) -> object:
        return pid


class _Inert:
    """Accepts every operation of a pickle, and only records it."""

    found: _Found

    def __new__(cls, *arguments: object, **_: object) -> Self:
        if cls.__name__ == _SUBIMPORT:
            cls.found.modules.update(argument for argument in arguments if isinstance(argument, str))
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __call__(self, *_: object, **__: object) -> "_Inert":
        return type(self)()

    def __setstate__(self, state: object) -> None:
        self.found.state(state)

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, value: object) -> None:
        pass

    extend = add = append


def _read_schema(schema: Any, found: _Found) -> None:
    """Read skops' tree of the objects beside the arrays."""
    for node in _nodes(schema):
        if isinstance(module := node.get("__module__"), str):
            found.modules.add(module)
        content = node.get("content")
        if isinstance(content, dict):
            found.attributes.update(content)
            output = content.get(_CONFIGURED)
            found.output = "pandas" if output and '"pandas\\"' in json.dumps(output) else found.output


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
