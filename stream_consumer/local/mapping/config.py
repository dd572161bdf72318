"""
The configuration of an event source mapping: AWS's parameters, names, defaults and limits, and the local pace.

Source: AWS Lambda API reference, "CreateEventSourceMapping".
"""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from stream_consumer.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

_LONGEST_WAIT_SECONDS = 86_400
STARTING_POSITIONS = ("TRIM_HORIZON", "LATEST", "AT_TIMESTAMP")


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingConfig:
    """
    The parameters of a mapping for Kinesis.

    Raises:
        UsageError: Values are outside AWS's limits. The message names all of them.
    """

    stream_name: str
    starting_position: str = "TRIM_HORIZON"
    starting_position_timestamp: "datetime | None" = None
    batch_size: int = 100
    maximum_batching_window_in_seconds: float = 0
    parallelization_factor: int = 1
    maximum_retry_attempts: int = -1
    maximum_record_age_in_seconds: float = -1
    bisect_batch_on_function_error: bool = False
    report_batch_item_failures: bool = False
    tumbling_window_in_seconds: int = 0
    """0 means no window."""

    def __post_init__(self) -> None:
        faults = [*self._range_faults(), *self._position_faults()]
        if faults:
            raise UsageError("the event source mapping cannot be made: " + "; ".join(faults))

    def _range_faults(self) -> list[str]:
        limits: tuple[tuple[str, float, float, float], ...] = (
            ("batch_size", self.batch_size, 1, 10_000),
            ("maximum_batching_window_in_seconds", self.maximum_batching_window_in_seconds, 0, 300),
            ("parallelization_factor", self.parallelization_factor, 1, 10),
            ("maximum_retry_attempts", self.maximum_retry_attempts, -1, 10_000),
            ("tumbling_window_in_seconds", self.tumbling_window_in_seconds, 0, 900),
        )
        faults = [
            f"{name} is {value}, wanted {least} to {most}"
            for name, value, least, most in limits
            if not least <= value <= most
        ]
        age = self.maximum_record_age_in_seconds
        if age != -1 and not 60 <= age <= 604_800:  # noqa: PLR2004 - AWS's limits, said in the message
            faults.append(f"maximum_record_age_in_seconds is {age}, wanted 60 to 604800, or -1 for no limit")
        if self.tumbling_window_in_seconds and self.parallelization_factor > 1:
            # Source: terraform-aws-modules/terraform-aws-lambda, issue 619. The guide calls the state "per shard".
            faults.append(f"parallelization_factor is {self.parallelization_factor}, wanted 1 with a tumbling window")
        return faults

    def _position_faults(self) -> list[str]:
        if not self.stream_name:
            return ["stream_name is empty"]
        if self.starting_position not in STARTING_POSITIONS:
            return [f"starting_position is {self.starting_position!r}, wanted one of {', '.join(STARTING_POSITIONS)}"]
        at_timestamp = self.starting_position == "AT_TIMESTAMP"
        if at_timestamp and self.starting_position_timestamp is None:
            return ["starting_position AT_TIMESTAMP needs starting_position_timestamp"]
        if not at_timestamp and self.starting_position_timestamp is not None:
            return [f"starting_position_timestamp goes with AT_TIMESTAMP, not with {self.starting_position}"]
        return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The waits that AWS chooses for its customers, in seconds."""

    poll_seconds: float = 1.0
    """Between reads at a shard's tip. AWS reads once a second. A lagging shard is read five times a second."""
    retry_seconds: float = 1.0
    """Before the first retry of a failed or throttled invocation. Doubles up to ``retry_limit_seconds``."""
    retry_limit_seconds: float = 60.0
    patience_seconds: float = 60.0
    """Time without a successful read or on-failure delivery after which the mapping stops with an error."""
    discovery_seconds: float = 10.0
    """Between ListShards calls while a closed shard's children are not listed yet."""
    window_grace_seconds: float = 120.0
    """From the end of a tumbling window without a later record to its final invocation. AWS: "up to 2 minutes"."""

    def __post_init__(self) -> None:
        waits = [(field.name, getattr(self, field.name)) for field in fields(self)]
        faults = [f"{name} is {seconds}" for name, seconds in waits if not 0 <= seconds <= _LONGEST_WAIT_SECONDS]
        if faults:
            raise UsageError(f"a wait is 0 to {_LONGEST_WAIT_SECONDS} s: " + ", ".join(faults))

    def backoff(self, failures: int) -> float:
        """Return the wait after *failures* consecutive failures, at least one."""
        return min(self.retry_seconds * 2.0 ** min(failures - 1, 30), self.retry_limit_seconds)
