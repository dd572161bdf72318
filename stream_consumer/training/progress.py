"""How long work says where it is; the caller decides what that looks like."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Told each stage as it begins; while one advances, told it again with what is done and, if known, of how much."""

    def __call__(self, stage: str, *, done: int = 0, total: int | None = None) -> None: ...


def silent(stage: str, *, done: int = 0, total: int | None = None) -> None:
    """Tell nobody."""


class Stages:
    """Announces each stage of a work and keeps the seconds it took, under a key of its own."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, key: str, announcement: str) -> Iterator[None]:
        self._progress(announcement)
        begun = time.perf_counter()
        yield
        self.seconds[key] = time.perf_counter() - begun
