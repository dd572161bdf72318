"""Drift, as a terminal shows it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_consumer.monitor.drift import Drift, Limits

HEAD = ("column", "rows", "size", "z", "limits", "verdict")


def drift_rows(found: "Sequence[Drift]", limits: "Limits") -> list[tuple[str, ...]]:
    """Return the drift of each column, judged by *limits*, as cells below ``HEAD``."""
    return [
        (one.bins.title, f"{one.rows:,}", f"{one.size:z.3f}", f"{one.z:z.1f}", str(limits), one.verdict(limits))
        for one in found
    ]


def ringing(found: "Sequence[Drift]", limits: "Limits") -> list[str]:
    """Return the names of the columns that ring."""
    return [one.bins.title for one in found if one.rings(limits)]


def advice(found: "Sequence[Drift]", limits: "Limits") -> str:
    """Return what drift asks of an operator, in a sentence or two."""
    from stream_consumer.monitor.drift import LEAST_PER_LABEL, LEAST_ROWS

    if names := ringing(found, limits):
        return (
            f"Drift in {', '.join(names)}: the model was trained on other rows. Find out what has changed, and mend "
            "the producer or train on such rows (docs/monitoring.md)."
        )
    if unjudged := [one.bins.title for one in found if not one.judged]:
        return (
            f"No verdict on {', '.join(unjudged)}: it takes {LEAST_ROWS} rows, and a reference of {LEAST_PER_LABEL} "
            "rows for each label."
        )
    return "No column drifts, so there is nothing to do."
