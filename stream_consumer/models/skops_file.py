"""
Load the estimator in a ``.skops`` file.

The rule: without a pin the file decides nothing. Its sizes are checked before unpacking, its names before constructing
any object, and its arrays before any prediction. With a pin, only the sizes are checked.

skops receives a rebuilt archive: the schema without the ids of its nodes, and the members that the schema names.
"""

import importlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

from stream_consumer.errors import ModelError
from stream_consumer.models.concurrency import on_one_thread
from stream_consumer.models.malformed import Malformed
from stream_consumer.models.skops_nodes import is_as_written, nodes_of
from stream_consumer.models.skops_types import foreign_types, named_types
from stream_consumer.models.structure import check_structure

_SCHEMA = "schema.json"
_MOST_SCHEMA_BYTES = 32 << 20
"""A boosted model of 10,000 trees has a schema of 26 MiB, and ten times as much when parsed."""
_ANY_ARCHIVE_BYTES = 64 << 20
_MOST_TIMES_ITS_SIZE = 16
_PLAIN_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_PROTOCOLS = (1, 2)
_NPY = b"\x93NUMPY"


def load_skops(path: Path, location: str, *, pinned: bool) -> Any:
    """
    Load the estimator in the skops file at *path*, to predict on a single thread.

    Args:
        path: The file.
        location: Location of the model, for messages.
        pinned: Whether the settings pin the file's digest. If so, the names in the file are trusted.

    Raises:
        ModelError: The file unpacks to more than its size allows, names an untrusted type, or holds numbers that would
            make a prediction read outside its arrays. The message has the remedy.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            bound = max(_ANY_ARCHIVE_BYTES, _MOST_TIMES_ITS_SIZE * path.stat().st_size)
            _check_sizes(archive, bound)
            estimator = _load_trusted(path) if pinned else _load_untrusted(archive, bound)
            return on_one_thread(estimator)
    except (Malformed, _Refused) as error:
        raise ModelError(f"{path.name} of the model at {location} {error}") from error
    except Exception as error:  # (what a broken archive raises is not skops' contract)
        raise ModelError(
            f"{path.name} of the model at {location} cannot be loaded: {type(error).__name__}: {error}"
        ) from error


class _Refused(ValueError):
    """A file is refused. The message is the rest of a sentence about the file."""


def _load_trusted(path: Path) -> Any:
    skops = importlib.import_module("skops.io")
    return skops.load(path, trusted=skops.get_untrusted_types(file=path))


def _load_untrusted(archive: zipfile.ZipFile, bound: int) -> Any:
    skops = importlib.import_module("skops.io")
    schema = _schema(archive)
    if schema["protocol"] not in _PROTOCOLS:
        raise _Refused(f"has protocol {schema['protocol']!r}, wanted one of {_PROTOCOLS}; save it with skops again")
    nodes = list(nodes_of(schema))
    if foreign := foreign_types(nodes):
        raise _Refused(
            f"holds types that are not trusted: {', '.join(sorted(foreign))}; train it without them, or, if you trust "
            "the file, pin it with MODEL_DIGEST"
        )
    for node in nodes:
        if not is_as_written(node):
            raise _Refused(f"has a node of {node['__class__']} that skops does not write; save it with skops again")
    estimator = skops.loads(_packed_again(archive, schema, nodes, bound), trusted=named_types(nodes))
    check_structure(estimator)
    return estimator


def _check_sizes(archive: zipfile.ZipFile, bound: int) -> None:
    """Refuse an archive before unpacking, so that the size of the download bounds memory."""
    for member in archive.infolist():
        if member.compress_type not in _PLAIN_METHODS:
            raise _Refused(f"packs {member.filename} by another method than deflate; save it without compression")
    unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > bound:
        raise _Refused(f"unpacks to {unpacked} bytes, more than the {bound} allowed; save it without compression")


def _schema(archive: zipfile.ZipFile) -> Any:
    if archive.getinfo(_SCHEMA).file_size > _MOST_SCHEMA_BYTES:
        raise _Refused(f"needs more than {_MOST_SCHEMA_BYTES} bytes of {_SCHEMA}; train a smaller model")
    return json.loads(_member(archive, _SCHEMA))


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Unpack a member, but no more bytes than its header announces."""
    info = archive.getinfo(name)
    with archive.open(info) as file:
        return file.read(info.file_size)


def _packed_again(archive: zipfile.ZipFile, schema: Any, nodes: list[dict[str, Any]], bound: int) -> bytes:
    """Return an archive of the schema and of the members that nodes name."""
    files = [(node["file"], node["__loader__"]) for node in nodes if "file" in node]
    # skops unpacks a member as often as the schema names the member.
    if sum(archive.getinfo(name).file_size for name, _ in files) > bound:
        raise _Refused(
            f"names the same members again and again: they unpack to more than {bound} bytes; pin it with MODEL_DIGEST"
        )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr(_SCHEMA, json.dumps(schema))
        for name, loader in dict.fromkeys(files):
            content = _member(archive, name)
            if loader == "NdArrayNode" and not content.startswith(_NPY):
                raise _Refused(f"has no array in {name}; save it with skops again")
            if loader == "SparseMatrixNode":
                with zipfile.ZipFile(io.BytesIO(content)) as matrix:
                    _check_sizes(matrix, bound)
            if name not in packed.NameToInfo:
                packed.writestr(name, content)
    return buffer.getvalue()
