"""
How far each shard was consumed, kept between runs.

A checkpoint is the sequence number of the last record that is settled together with everything before it, so a mapping
that was killed delivers again what was in flight, and never skips.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Protocol

from stream_consumer.errors import UsageError
from stream_consumer.whole_file import read_whole, write_whole

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Position:
    """Where a shard's next read begins."""

    sequence_number: str | None = None
    """The checkpoint; None while nothing is settled, and reading begins where the mapping's start says."""
    finished: bool = False
    """Closed by resharding and consumed to its end."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A mapping's progress on one stream."""

    stream_arn: str
    started: float
    """When the mapping first ran, seconds since the epoch: where LATEST began."""
    shards: dict[str, Position] = field(default_factory=dict)


class Checkpoints(Protocol):
    def load(self, stream_arn: str) -> Progress | None:
        """The progress that was saved, or None."""

    def save(self, progress: Progress) -> None: ...


class MemoryCheckpoints:
    """Progress for as long as this object lives: a second mapping given the same object goes on where one stopped."""

    def __init__(self) -> None:
        self._progress: Progress | None = None

    def load(self, stream_arn: str) -> Progress | None:
        return self._progress if self._progress and self._progress.stream_arn == stream_arn else None

    def save(self, progress: Progress) -> None:
        self._progress = progress


class FileCheckpoints:
    """
    Progress in a JSON file, replaced whole at every save.

    Raises:
        UsageError: The file belongs to another stream or is not ours.
    """

    def __init__(self, path: "Path") -> None:
        self._path = path

    def load(self, stream_arn: str) -> Progress | None:
        try:
            saved = json.loads(read_whole(self._path))
            shards = {shard: Position(**position) for shard, position in saved["shards"].items()}
            progress = Progress(saved["stream_arn"], saved["started"], shards)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise UsageError(f"{self._path} is not a checkpoint file ({error!r}); name another or remove it") from error
        if progress.stream_arn != stream_arn:
            raise UsageError(
                f"the checkpoints in {self._path} belong to {progress.stream_arn}, not to {stream_arn}; "
                "name another file or remove it to begin anew"
            )
        return progress

    def save(self, progress: Progress) -> None:
        write_whole(self._path, (json.dumps(asdict(progress), indent=2) + "\n").encode())
