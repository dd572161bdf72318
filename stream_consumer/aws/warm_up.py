"""Invocations that only warm an execution environment up. Every Lambda function answers them itself."""

from collections.abc import Mapping
from typing import Any

_WARM_UP_SOURCES = frozenset({"serverless-plugin-warmup", "warmup", "warmer"})
_WARM_UP_KEYS = frozenset({"warmup", "warmer", "concurrency", "ping", "keepwarm", "keep-warm"})


def asks_for_nothing(event: Any) -> bool:
    """Whether *event* is null or a warm-up, as schedulers and Lambda plugins send them: ``{"warmer": true}``."""
    if not isinstance(event, Mapping):
        return event is None
    return bool(event) and (event.get("source") in _WARM_UP_SOURCES or event.keys() <= _WARM_UP_KEYS)
