"""
Mutations of skops files, and a process that tries them: ``python -m tests.models.mutated FOLDER FIRST COUNT``.

A mutated file may be refused, fail in Python or predict something else. It may not end the process or hang it.
"""

import faulthandler
import io
import json
import random
import resource
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from stream_consumer.errors import ModelError
from stream_consumer.models.skops_file import load_skops
from tests.models.estimators import outputs

NUMBERS = (-1, -2, 0, 1, 2, 3, 7, 255, 2**20, 2**31 - 1, -(2**31), 2**40)
VALUES = (*map(str, NUMBERS), "null", "true", '"euclidean"', '"precomputed"', "1e300", "NaN", "[]")
SECONDS = 20
MEMORY = 6 << 30


def mutated(data: bytes, choices: random.Random) -> bytes:
    """Return a skops file with one to three mutations, of its arrays or of its schema."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for _ in range(choices.randint(1, 3)):
        arrays = [name for name in members if name.endswith(".npy")]
        if arrays and choices.random() < 0.6:
            name = choices.choice(arrays)
            members[name] = _mutated_array(members[name], choices)
        else:
            members["schema.json"] = _mutated_schema(members["schema.json"], choices)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _mutated_array(content: bytes, choices: random.Random) -> bytes:
    array = np.load(io.BytesIO(content))
    if array.dtype.kind == "U":
        return content
    kind = choices.random()
    if kind < 0.2 and array.ndim:
        array = np.concatenate([array, array[:1]]) if choices.random() < 0.5 else array[: len(array) // 2]
    elif kind < 0.3 and array.ndim > 1:
        array = array[..., : array.shape[-1] // 2].copy() if choices.random() < 0.5 else array.T.copy()
    elif kind < 0.4 and array.dtype.names is None:
        array = array.astype(choices.choice(["f8", "f4", "i8", "i4", "u1"]))
    elif array.size:
        field = array if array.dtype.names is None else array[choices.choice(array.dtype.names)]
        at = tuple(choices.randrange(length) for length in array.shape)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            number = np.array(choices.choice(NUMBERS))
            field[at] = number.astype(field.dtype)
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _mutated_schema(content: bytes, choices: random.Random) -> bytes:
    schema = json.loads(content)
    places = list(_places(schema))
    holder, key = choices.choice(places)
    node = holder[key]
    kind = choices.random()
    if node["__loader__"] == "JsonNode" and kind < 0.7:
        node["content"] = choices.choice(VALUES)
    elif kind < 0.85:
        other, other_key = choices.choice(places)
        holder[key] = json.loads(json.dumps(other[other_key]))
    elif kind < 0.95 and isinstance(node.get("content"), dict) and node["content"]:
        del node["content"][choices.choice(list(node["content"]))]
    else:
        node["__loader__"] = choices.choice(["ObjectNode", "TupleNode", "ListNode", "TypeNode", "LossNode"])
    return json.dumps(schema).encode()


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if isinstance(item, dict) and "__loader__" in item:
            yield value, key
        yield from _places(item)


def main(folder: Path, first: int, count: int) -> None:
    """Print each seed before it is tried, and at the end how many were loaded and how many of those predicted."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    files = sorted(folder.glob("*.skops"))
    rows = {file.stem: np.load(file.with_suffix(".npy"), allow_pickle=False) for file in files}
    loaded = predicted = 0
    for seed in range(first, first + count):
        choices = random.Random(seed)  # noqa: S311 (no secret)
        file = choices.choice(files)
        print(f"seed {seed} of {file.name}", flush=True)  # noqa: T201 (a command prints)
        path = folder / "mutated"
        path.write_bytes(mutated(file.read_bytes(), choices))
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        try:
            estimator = load_skops(path, "here", pinned=False)
        except ModelError:
            continue
        loaded += 1
        try:
            outputs(estimator, rows[file.stem])
        except Exception:  # noqa: BLE001, S112 (a model may raise anything)
            continue
        predicted += 1
    faulthandler.cancel_dump_traceback_later()
    print(json.dumps({"tried": count, "loaded": loaded, "predicted": predicted}))  # noqa: T201 (a command prints)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
