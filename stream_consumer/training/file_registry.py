"""
A registry made of files: models by digest, the records beside them, and ``champion.json``.

The folder of a registered model has ``<digest>/`` with the model's files, ``<digest>.json`` with version and verdict,
``<digest>.npz`` with the fingerprints of the rides, ``<digest>.html`` with the report, and ``champion.json``.

The rule: only ``champion.json`` is ever changed, and only if unchanged since it was read. The record and report of a
version are written before the version becomes champion. They are written anew if another version became champion
meanwhile.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from stream_consumer.errors import ModelError, UsageError
from stream_consumer.models.champion import (
    CHAMPION_FILE,
    MOST_BYTES,
    Champion,
    ModelVersion,
    beside,
    decode_champion,
    encode_champion,
)
from stream_consumer.models.files import directory_digest, model_directory
from stream_consumer.models.loading import Choice, load_directory
from stream_consumer.training.model_store import Held, ModelStore, RegistryFailed, model_store
from stream_consumer.training.record import TrainingRecord, decode_record

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_RECORD = re.compile(r"[0-9a-f]{64}\.json")
_LONGEST_HISTORY = 10
_LEAST_PREFIX = 6
RIDES_SUFFIX = ".npz"
_NOTHING: Mapping[str, bytes] = MappingProxyType({})


class Entry(ModelVersion, frozen=True, kw_only=True):
    """A registered version, and the reason for the verdict on it."""

    reason: str = ""
    created: str = ""
    """Time of registration, in ISO 8601."""


class ChampionChanged(RegistryFailed):
    """Another version became champion since the champion was read. Nothing was overwritten."""


@dataclass(frozen=True, slots=True)
class Current:
    """The champion as read, or None if no champion existed."""

    champion: Champion | None
    tag: str | None


class FileRegistry:
    """The versions of a registered model."""

    def __init__(self, location: str, name: str, s3: "Callable[[], S3Client]") -> None:
        """*location* is a folder or ``s3://bucket/prefix``. The models go into the folder *name* below."""
        self._s3 = s3
        self._store: ModelStore = model_store(location, name, s3)
        self.champion_file = f"{self._store.root}/{CHAMPION_FILE}"

    def check(self) -> None:
        """
        Check that a version could be added, as far as possible without writing.

        Raises:
            RegistryFailed: No version could be added.
        """
        self._store.check()

    def current(self) -> Current:
        """
        Return the champion.

        Raises:
            RegistryFailed: The file cannot be read.
            ModelError: The file is not a valid ``champion.json``.
        """
        held = self._store.read(CHAMPION_FILE, MOST_BYTES)
        if held is None:
            return Current(None, None)
        return Current(decode_champion(held.content, self.champion_file), held.tag)

    def versions(self) -> list[Entry]:
        """Return all versions, oldest first."""
        found = (self._store.read(name, MOST_BYTES) for name in self._store.names() if _RECORD.fullmatch(name))
        return sorted((self._entry(held) for held in found if held), key=_age)

    def _entry(self, held: Held) -> Entry:
        try:
            return msgspec.json.decode(held.content, type=Entry)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise RegistryFailed(f"{self._store.root} holds a version that cannot be read: {error}") from error

    def find(self, version: str) -> Entry:
        """
        Return the version with the name *version*, or with a digest that begins with *version*.

        Raises:
            UsageError: No version matches, or several do.
        """
        entries = self.versions()
        found = [entry for entry in entries if entry.version == version]
        if len(version) >= _LEAST_PREFIX:
            found += [entry for entry in entries if entry.digest.startswith(version) and entry not in found]
        if len(found) != 1:
            known = ", ".join(dict.fromkeys(f"{entry.version}" for entry in entries)) or "no version"
            raise UsageError(
                f"{'more than one version' if found else 'no version'} in {self._store.root} is called {version!r} or "
                f"has a digest that begins so (at least {_LEAST_PREFIX} characters); there: {known}"
            )
        return found[0]

    def location(self, digest: str) -> str:
        """Return the location of a model's files."""
        return beside(self.champion_file, digest)

    def add_model(self, directory: Path, digest: str, beside_it: Mapping[str, bytes]) -> None:
        """
        Add a model's files, and further files beside them by suffix, such as ``.npz``.

        The model is not a version before :meth:`record`.

        Raises:
            RegistryFailed: A file cannot be written, or exists with other content.
        """
        for path in sorted(path for path in directory.rglob("*") if path.is_file()):
            self._create(f"{digest}/{path.relative_to(directory).as_posix()}", path.read_bytes())
        self._add_beside(digest, beside_it)

    def record(self, entry: Entry, beside_it: Mapping[str, bytes] = _NOTHING) -> None:
        """Add the version of a model whose files exist, after further files beside them, such as ``.html``."""
        self._add_beside(entry.digest, {**beside_it, ".json": _encoded(entry)})

    def amend(self, entry: Entry, beside_it: Mapping[str, bytes]) -> None:
        """
        Rewrite the record of a version and the files beside it, for a new verdict.

        The model's files never change.
        """
        for suffix, content in {**beside_it, ".json": _encoded(entry)}.items():
            held = self._store.read(f"{entry.digest}{suffix}")
            self._store.write(f"{entry.digest}{suffix}", content, over=held.tag if held else None)

    def _add_beside(self, digest: str, contents: Mapping[str, bytes]) -> None:
        for suffix, content in contents.items():
            self._create(f"{digest}{suffix}", content)

    def training_record(self, digest: str) -> TrainingRecord | None:
        """
        Return the record of a model's training rides. None if the model was added without a record.

        Raises:
            UsageError: The file holds no valid record.
        """
        held = self._store.read(f"{digest}{RIDES_SUFFIX}")
        return decode_record(held.content) if held else None

    def _create(self, name: str, content: bytes) -> None:
        if not self._store.write(name, content, over=None):
            there = self._store.read(name)
            if there is None or there.content != content:
                raise RegistryFailed(f"{self._store.root}/{name} holds other content; files of a version never change")

    def promote(self, version: ModelVersion, current: Current) -> None:
        """
        Make *version* champion, if *current* is still the champion.

        Raises:
            ChampionChanged: Another version is champion.
        """
        fields = {name: getattr(version, name) for name in ModelVersion.__struct_fields__}
        self._write(Champion(**fields, previous=_shortened(current.champion, _LONGEST_HISTORY - 1)), current)

    def champion_version(self) -> str | None:
        champion = self.current().champion
        return champion.version if champion else None

    def make_champion(self, entry: Entry) -> None:
        """See :class:`stream_consumer.training.registry.Registry`."""
        current = self.current()
        if current.champion is not None and current.champion.digest == entry.digest:
            raise UsageError(f"version {entry.version} is champion already, says {self.champion_file}")
        self.load(entry.digest)
        self.promote(entry, current)

    def rollback(self) -> tuple[str, str]:
        """See :class:`stream_consumer.training.registry.Registry`."""
        current = self.current()
        if current.champion is None or current.champion.previous is None:
            raise UsageError(f"{self.champion_file} names no champion before the present one")
        self.load(current.champion.previous.digest)
        self._write(current.champion.previous, current)
        return current.champion.previous.version, current.champion.version

    def _write(self, champion: Champion, current: Current) -> None:
        if self._store.write(CHAMPION_FILE, encode_champion(champion), over=current.tag):
            return
        now = self.current().champion
        if now != champion:  # botocore retries a request whose answer was lost, and then finds its own file
            raise ChampionChanged(
                f"{self.champion_file} was changed in the meantime, to version {now.version if now else 'none'}; "
                "nothing was overwritten"
            )

    def load(self, digest: str) -> None:
        """
        Load the model with this digest as serving does, and let it predict its example.

        Raises:
            ModelError: Loading or predicting fails, or the files have another digest.
        """
        location = self.location(digest)
        with model_directory(location, self._s3) as directory:
            refuse_other(directory, digest, location)
            load_directory(directory, location, Choice())


def _encoded(entry: Entry) -> bytes:
    return msgspec.json.format(msgspec.json.encode(entry)) + b"\n"


def refuse_other(directory: Path, digest: str, location: str) -> None:
    """
    Raise if the model in *directory*, fetched from *location*, does not have this digest.

    Raises:
        ModelError: The digests differ.
    """
    found = directory_digest(directory)
    if found != digest:
        raise ModelError(f"the files of the model at {location} have the digest {found}; wanted {digest}")


def _shortened(champion: Champion | None, length: int) -> Champion | None:
    """Return *champion* with a history of at most *length* champions, itself included."""
    if champion is None or length == 0:
        return None
    return msgspec.structs.replace(champion, previous=_shortened(champion.previous, length - 1))


def _age(entry: Entry) -> tuple[str, int, str, str]:
    """Return the order of entries: of two in the same second, the lower number of MLflow is the older one."""
    return entry.created, len(entry.version), entry.version, entry.digest
