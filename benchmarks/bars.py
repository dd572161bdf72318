"""
What is to be reached, and what was.

The rule: ratios of one run are checked, and memory; times are only shown: they are the machine's.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from benchmarks import batch, startup
from benchmarks.contestants import FLOOR, OURS, POWERTOOLS, PYFUNC, REFERENCE
from benchmarks.measurement import PIPELINE, Measurement
from benchmarks.platform import RATE
from benchmarks.web import CONNECTIONS, RIVALS

# How far below its bar a ratio may fall before the check fails: other programs share the machine that measures.
_LENIENCE = 2 / 3
# Where others take the second core away, several jobs are no faster than one; but they are not much slower.
_SHARED_CORES = 0.4
_FULL, _FRAMES = 10_000, 1_000
# The bar of memory is for so many jobs, or fewer where there are fewer cores.
_MEMORY_JOBS = 2


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure and what it should be."""

    what: str
    wanted: Literal["at least", "at most"]
    bar: float
    value: float
    unit: str = ""
    """Empty: a ratio."""
    checked: bool = True
    """Whether the check fails if it is far off: not for times, nor for what nothing can reach."""
    lenience: float = _LENIENCE

    @property
    def met(self) -> bool:
        return self.value >= self.bar if self.wanted == "at least" else self.value <= self.bar

    @property
    def far_off(self) -> bool:
        """Whether it is further below its bar than :attr:`lenience` allows, if it can be checked."""
        headroom = self.value / self.bar if self.wanted == "at least" else self.bar / self.value
        return self.checked and headroom < self.lenience


def bars(measured: Measurement) -> Iterator[Bar]:
    """Every figure that has a bar, as far as it was measured."""
    rates = measured.throughput
    for what, model, slow, size, bar in (
        ("reference / this project, default model, 10,000", "default", REFERENCE, _FULL, 300),
        ("reference / this project, default model, 100", "default", REFERENCE, 100, 100),
        ("reference / this project, linear model, 10,000", "linear", REFERENCE, _FULL, 200),
        ("Powertools / this project, default model, 10,000", "default", POWERTOOLS, _FULL, 150),
    ):
        yield Bar(what, "at least", bar, rates.ratio(model, slow, OURS, size))
    yield Bar(
        "this project / floor, default model, 10,000", "at most", 1.25, rates.ratio("default", OURS, FLOOR, _FULL)
    )
    yield Bar("a record's cost at 10,000 / at 1,000, default model", "at most", 1.15, rates.growth("default", OURS))
    for what, other, least in (("per batch", PYFUNC, 2), ("per record", REFERENCE, 500)):
        faster = measured.frames.ratio(PIPELINE, other, OURS, _FRAMES)
        yield Bar(f"mlflow {what} / this project, pipeline, 1,000", "at least", least, faster)
    starts = measured.startup
    whole = starts.ratio(startup.OURS, startup.REFERENCE)
    # The imports of what predicts are more than either of these.
    yield Bar("init: this project / mlflow", "at most", 0.30, whole, checked=False)
    bare = starts.ratio(startup.OURS, startup.LITERAL)
    yield Bar("init: this project / import sklearn + client", "at most", 1.10, bare, checked=False)
    yield Bar("init: this project / its imports + client", "at most", 1.10, starts.ratio(startup.OURS, startup.FLOOR))
    pinned = starts.ratio(startup.PINNED, startup.FLOOR)
    yield Bar("init with a pinned pickle / its imports + client", "at most", 1.10, pinned)
    yield Bar("memory that a batch of 6 MB adds", "at most", 60, starts.batch_megabytes, "MB")
    yield Bar("all but parse, predict and publish", "at most", 3.0, measured.stages.ours, "µs a record", checked=False)
    profiled = measured.stages.profiled / measured.stages.stages["predict"]
    yield Bar("a profile / predict, default model", "at most", 0.1, profiled)
    yield Bar(
        "published to a stream 20 ms away", "at least", 15_000, measured.far_stream[4], "records/s", checked=False
    )
    yield from batch_bars(measured.batch)
    if measured.platform:
        most = measured.platform.poll_milliseconds + 30
        p50 = measured.platform.latencies[50]
        yield Bar(f"put to prediction, p50 at {RATE} rides/s", "at most", most, p50, "ms", checked=False)
    if measured.web:
        for ours, rivals in RIVALS.items():
            for other, connections in itertools.product(rivals, CONNECTIONS):
                who = f"ours / {other}, {connections}"
                yield Bar(f"requests/s: {who}", "at least", 10, measured.web.faster(ours, other, connections))
                yield Bar(f"p99: {who}", "at most", 1, measured.web.later(ours, other, connections))


def batch_bars(measured: batch.Batch) -> Iterator[Bar]:
    """Return the bars of a file of rides, in wall time and with a job for each core."""
    most = measured.jobs[-1]
    if most > 1:
        # More cores than two share more of what is not parallel; nobody has measured how much.
        one = measured.faster(batch.ours_with(1))
        yield Bar(f"a file: --jobs {most} / --jobs 1", "at least", 1.7, one, lenience=_SHARED_CORES)
    yield Bar("a file: this project / loop of pandas, default threads", "at least", 1.0, measured.faster(batch.PANDAS))
    yield Bar("a file: this project / loop of mlflow, default threads", "at least", 1.0, measured.faster(batch.MLFLOW))
    yield Bar("a file: this project / predict on arrays", "at least", 0.85, measured.faster(batch.FLOOR))
    few = max(jobs for jobs in measured.jobs if jobs <= _MEMORY_JOBS)
    peak = measured.megabytes[batch.ours_with(few)]
    yield Bar(f"peak memory of a file of {measured.rows:,} rows, --jobs {few}", "at most", 500, peak, "MB")
