"""
What is to be reached, and what was.

The rule: ratios of one run are checked, absolute times are only shown: they are the machine's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from benchmarks.measurement import Measurement
from benchmarks.platform import RATE
from benchmarks.startup import FLOOR, LINEAGE

# How far below its bar a ratio may fall before the check fails: other programs share the machine that measures.
_LENIENCE = 2 / 3
OURS, BARE, POWERTOOLS, PYFUNC = (
    "this project",
    "floor: predict + boto3, nothing else",
    "Powertools BatchProcessor, per record",
    "lineage: mlflow pyfunc, per record",
)
_FULL = 10_000


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure and what it should be."""

    what: str
    wanted: Literal["at least", "at most"]
    bar: float
    value: float
    unit: str = "x"
    """``x``: a ratio."""

    @property
    def met(self) -> bool:
        return self.value >= self.bar if self.wanted == "at least" else self.value <= self.bar

    @property
    def far_off(self) -> bool:
        """Whether a ratio is more than a third below its bar."""
        headroom = self.value / self.bar if self.wanted == "at least" else self.bar / self.value
        return self.unit == "x" and headroom < _LENIENCE


def bars(measured: Measurement) -> Iterator[Bar]:
    """Every figure that has a bar, as far as it was measured."""
    rates = measured.throughput
    for what, model, slow, size, bar in (
        ("lineage / this project, default model, 10,000", "default", PYFUNC, _FULL, 300),
        ("lineage / this project, default model, 100", "default", PYFUNC, 100, 100),
        ("lineage / this project, linear model, 10,000", "linear", PYFUNC, _FULL, 200),
        ("Powertools / this project, default model, 10,000", "default", POWERTOOLS, _FULL, 150),
    ):
        yield Bar(what, "at least", bar, rates.ratio(model, slow, OURS, size))
    yield Bar("this project / floor, default model, 10,000", "at most", 1.25, rates.ratio("default", OURS, BARE, _FULL))
    yield Bar("a record's cost at 10,000 / at 1,000, default model", "at most", 1.15, rates.growth("default", OURS))
    starts = measured.startup
    yield Bar("init: this project / mlflow", "at most", 0.30, starts.ratios[LINEAGE])
    yield Bar("init: this project / scikit-learn + client", "at most", 1.10, starts.ratios[FLOOR])
    yield Bar(
        "memory that the largest batch adds / its event", "at most", 10, starts.batch_megabytes / starts.event_megabytes
    )
    yield Bar("all but predict and publish, default model", "at most", 3.0, measured.stages.beside, "µs a record")
    yield Bar("published to a stream 20 ms away", "at least", 15_000, measured.far_stream[4], "records/s")
    if measured.platform:
        most = measured.platform.poll_milliseconds + 30
        yield Bar(f"put to prediction, p50 at {RATE} rides/s", "at most", most, measured.platform.latencies[50], "ms")
