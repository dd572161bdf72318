"""The interface for reporting progress. The caller decides how to display it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class StageProgress(Protocol):
    """Called when a stage begins, and again while the stage advances, with the work done and the total if known."""

    def __call__(self, stage: str, *, done: int = 0, total: int | None = None) -> None: ...


def silent(stage: str, *, done: int = 0, total: int | None = None) -> None:
    """Ignore the progress."""


class Stages:
    """Announces each stage and keeps its duration in seconds, under the stage's key."""

    def __init__(self, progress: StageProgress) -> None:
        self._progress = progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, key: str, announcement: str) -> Iterator[None]:
        self._progress(announcement)
        begun = time.perf_counter()
        yield
        self.seconds[key] = time.perf_counter() - begun
