"""The remaining time of an invocation of a Lambda function."""

from typing import Any

# A direct invocation outside Lambda has no context.
_SECONDS_WITHOUT_CONTEXT = 30.0


def seconds_left(context: Any) -> float:
    """Return the seconds until Lambda ends the invocation of *context*."""
    ask = getattr(context, "get_remaining_time_in_millis", None)
    return ask() / 1000 if ask else _SECONDS_WITHOUT_CONTEXT
