"""The finding of a check, and its remedy."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the preflight."""

    subject: str
    seen: str
    remedy: str = ""
    blocks: bool = False
    """Whether a deployment would fail."""

    def __str__(self) -> str:
        verdict = "STOP" if self.blocks else "note" if self.remedy else "ok"
        return f"{verdict:<5}{self.subject:<12} {self.seen}{': ' if self.remedy else ''}{self.remedy}"


def stop(subject: str, seen: str, remedy: str) -> Finding:
    """Return the finding for a fault that would make the deployment fail."""
    return Finding(subject, seen, remedy, blocks=True)
