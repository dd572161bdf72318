"""
What a window's records come to so far: the state that Lambda carries from one invocation to the next.

The rule: a tally adds up over batches, and its state is far below the 1 MB that Lambda carries, whatever the model.
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
    """Records of a window, and the profile of those that were counted in it."""

    profile: Profile
    records: int = 0
    invalid: int = 0
    """Records without a prediction's input: the consumer makes dead letters of them."""
    skipped: int = 0
    """Valid records that are not in the profile: the monitor failed, or had no time for them."""

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
        Return the tally that *state* carries, or an empty one for an empty object, which begins a window.

        Raises:
            ValueError: The state is not a tally, or its profile has other bins: another model has begun the window.
        """
        if state == {}:
            return cls(Profile.empty(bins))
        carried = msgspec.convert(state, _State)
        profile = Profile.decode(carried.profile)
        if profile.bins != tuple(bins):
            raise ValueError("another model has begun the window")
        return cls(profile, carried.records, carried.invalid, carried.skipped)
