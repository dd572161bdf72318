"""
The tally of a window's records so far. Lambda carries it as state from one invocation to the next.

The rule: a tally adds up over batches. For any model its state is far below Lambda's limit of 1 MB.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from stream_consumer.profiling.bins import Bins
from stream_consumer.profiling.profile import Profile


class _State(msgspec.Struct):
    """A tally as JSON."""

    records: int
    invalid: int
    skipped: int
    profile: str


@dataclass(frozen=True, slots=True)
class WindowTally:
    """The numbers of a window's records, and the profile of the counted records."""

    profile: Profile
    records: int = 0
    invalid: int = 0
    """Records that the consumer turns into dead letters."""
    skipped: int = 0
    """Valid records that are not in the profile, because the monitor failed or had no time."""

    def __add__(self, other: "WindowTally") -> "WindowTally":
        return WindowTally(
            self.profile + other.profile,
            self.records + other.records,
            self.invalid + other.invalid,
            self.skipped + other.skipped,
        )

    def state(self) -> dict[str, Any]:
        """Return the tally as Lambda carries it."""
        profile = self.profile.encode().decode()
        state: dict[str, Any] = msgspec.to_builtins(_State(self.records, self.invalid, self.skipped, profile))
        return state

    @classmethod
    def of(cls, state: Any, bins: Sequence[Bins]) -> "WindowTally":
        """
        Return the tally in *state*. An empty object begins a window and gives an empty tally.

        Raises:
            ValueError: *state* is not a tally, or has the bins of another model, which has begun the window.
        """
        if state == {}:
            return cls(Profile.empty(bins))
        carried = msgspec.convert(state, _State)
        profile = Profile.decode(carried.profile)
        if profile.bins != tuple(bins):
            raise ValueError("another model has begun the window")
        return cls(profile, carried.records, carried.invalid, carried.skipped)
