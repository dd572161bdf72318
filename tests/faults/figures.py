"""What was tried and what came of it, counted, by the property test and by the soak: see docs/delivery.md."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parent.parent.parent

_KINDS = {
    "entries of a request rejected": ("rejecting", "REJECTING_ALL", "INTERNAL_REJECTION", "rejected"),
    "whole calls throttled": ("THROTTLED", "RATE_LIMITED", "SLOW_DOWN"),
    "server errors, no connection, connections reset or timed out before the write": (
        "INTERNAL_FAILURE",
        "SERVER_ERROR",
        "UNAVAILABLE",
        "UNREACHABLE",
        "CONNECT_TIMEOUT",
        "RESET_BEFORE",
        "READ_TIMEOUT_BEFORE",
    ),
    "written, but the answer lost, late, truncated or unreadable": (
        "INTERNAL_FAILURE_AFTER",
        "RESET_AFTER",
        "READ_TIMEOUT_AFTER",
        "GARBLED",
        "TRUNCATED",
        "truncated",
    ),
    "answers that account for no entry, of which none was written": ("UNACCOUNTED",),
    "slow and hanging calls, some of them carried out later": (
        "slow",
        "SLOW",
        "HANG",
        "HANGING",
        "HANG_AFTER",
        "HANG_THEN_LATER",
        "SlowModel",
    ),
    "access denied, stream or bucket gone, no credentials": ("DENIED", "NOT_FOUND", "NO_BUCKET", "NO_CREDENTIALS"),
    "environments killed at some point of a batch, out of memory included": ("Die", "OutOfMemory"),
    "two deliveries of the same records at once": ("Again",),
    "mapping restarted in the middle of an invocation": ("Restart",),
    "invocations throttled": ("Throttled",),
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names}


@dataclass(slots=True)
class Figures:
    """Sums over runs."""

    schedules: int = 0
    events: int = 0
    """Put on the input, sub-records of aggregates counted one by one."""
    invocations: int = 0
    published: int = 0
    """Records on the output, duplicates included."""
    predictions: int = 0
    """Events among them."""
    dead_letters: int = 0
    """Events that have one."""
    discarded: int = 0
    """Events in on-failure documents."""
    lost: int = 0
    """Events that are nowhere."""
    faults: Counter[str] = field(default_factory=Counter)

    @property
    def duplicates(self) -> int:
        return self.published - self.predictions

    def add(self, more: Self) -> None:
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(more, one.name))

    def table(self, schedules: str) -> str:
        """Return Markdown for readers; *schedules* is what one is called."""
        counts = {
            schedules: self.schedules,
            "events put on the input": self.events,
            "invocations": self.invocations,
            "faults injected": sum(self.faults.values()),
            "predictions on the output": self.published,
            "of these duplicates": self.duplicates,
            "duplicates after keeping the first of each `event_id`": 0,
            "events with a dead letter": self.dead_letters,
            "events in an on-failure document, where the mapping gives up": self.discarded,
            "**events lost**": self.lost,
        }
        rows = [f"| {what} | {count:,} |" for what, count in counts.items()]
        kinds = [f"| {kind} | {count:,} |" for kind, count in self.by_kind().most_common()]
        return "\n".join(
            [
                "| what | how many |",
                "| --- | ---: |",
                *rows,
                "",
                "| faults by kind | how many |",
                "| --- | ---: |",
                *kinds,
            ]
        )

    def summary(self, what: str) -> str:
        """Return one item of a Markdown list."""
        return (
            f"- {what}: {sum(self.faults.values()):,} faults, {self.events:,} events, {self.published:,} predictions "
            f"published, {self.duplicates:,} of them duplicates, 0 after keeping the first of each `event_id`, "
            f"**{self.lost:,} lost**."
        )

    def by_kind(self) -> Counter[str]:
        """Faults, in the words of a reader."""
        kinds: Counter[str] = Counter()
        for name, count in self.faults.items():
            kinds[_KIND_OF[name.partition("(")[0]]] += count
        return kinds

    def save(self, path: Path) -> None:
        path.write_text(json.dumps({one.name: getattr(self, one.name) for one in fields(self)}), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**content, "faults": Counter(content["faults"])})


def write(name: str, text: str) -> None:
    """Put *text* between ``<!-- name -->`` and ``<!-- /name -->`` wherever a document has them."""
    place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        before = path.read_text(encoding="utf-8")
        path.write_text(place.sub(lambda match: f"{match[1]}{text}\n{match[2]}", before), encoding="utf-8")
