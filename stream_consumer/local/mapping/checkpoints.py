"""
Keep the progress of each shard between runs.

A checkpoint is the sequence number of the last record such that this record and all earlier records are settled. A
killed mapping therefore delivers the records in flight again, and never skips a record.
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
    """The start of a shard's next read."""

    sequence_number: str | None = None
    """The checkpoint. None until a record is settled: reading begins at the mapping's starting position."""
    finished: bool = False
    """Whether resharding closed the shard and the mapping consumed it to its end."""


@dataclass(frozen=True, slots=True)
class StreamProgress:
    """A mapping's progress on a stream."""

    stream_arn: str
    started: float
    """Time of the mapping's first run, in seconds since the epoch. LATEST began at this time."""
    shards: dict[str, Position] = field(default_factory=dict)


class Checkpoints(Protocol):
    def load(self, stream_arn: str) -> StreamProgress | None:
        """Return the saved progress, or None."""

    def save(self, progress: StreamProgress) -> None: ...


class MemoryCheckpoints:
    """Progress in memory. A second mapping with the same object goes on from the first."""

    def __init__(self) -> None:
        self._progress: StreamProgress | None = None

    def load(self, stream_arn: str) -> StreamProgress | None:
        return self._progress if self._progress and self._progress.stream_arn == stream_arn else None

    def save(self, progress: StreamProgress) -> None:
        self._progress = progress


class FileCheckpoints:
    """
    Progress in a JSON file, replaced whole at every save.

    Raises:
        UsageError: The file belongs to another stream or is not a checkpoint file.
    """

    def __init__(self, path: "Path") -> None:
        self._path = path

    def load(self, stream_arn: str) -> StreamProgress | None:
        try:
            saved = json.loads(read_whole(self._path))
            shards = {shard: Position(**position) for shard, position in saved["shards"].items()}
            progress = StreamProgress(saved["stream_arn"], saved["started"], shards)
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

    def save(self, progress: StreamProgress) -> None:
        write_whole(self._path, (json.dumps(asdict(progress), indent=2) + "\n").encode())
