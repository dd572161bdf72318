"""What a record costs every contestant, in rounds in which they take turns, and the memory that they reach."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants import CONTESTANTS, PER_RECORD, Contestant, Setup
from benchmarks.stub import StubKinesis
from benchmarks.worker import Cost, Worker, cost, peak_megabytes
from benchmarks.workload import Say, Workload

SIZES = (1, 100, 1_000, 10_000)
# Of the contestants that handle each record by itself; more would take minutes to show the same.
_LOOP_SIZE = 100
_SECONDS = 0.1  # of each measurement, roughly


class NotPublished(Exception):
    """A contestant did not put every record: what it costs says nothing."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """A record's cost in each round, by model, contestant and batch size."""

    rounds: Mapping[str, Mapping[str, Mapping[int, Sequence[Cost]]]]
    megabytes: Mapping[str, Mapping[str, float]]
    """The most that was resident, by model and contestant."""

    def rate(self, model: str, contestant: str, size: int) -> float:
        """Records per processor-second."""
        return 1 / statistics.median(cost.processor for cost in self.rounds[model][contestant][size])

    def wall_rate(self, model: str, contestant: str, size: int) -> float:
        """Records per second of the clock."""
        return 1 / statistics.median(cost.wall for cost in self.rounds[model][contestant][size])

    def ratio(self, model: str, slow: str, fast: str, size: int) -> float:
        """How many times the processor time of *fast* the *slow* one takes: the median of the rounds' ratios."""
        pairs = zip(self.rounds[model][slow][size], self.rounds[model][fast][size], strict=True)
        return statistics.median(one.processor / other.processor for one, other in pairs)

    def growth(self, model: str, contestant: str) -> float:
        """A record's cost in a batch of 10,000 to that in one of 1,000: 1 is linear, more is worse."""
        by_size = self.rounds[model][contestant]
        pairs = zip(by_size[10_000], by_size[1_000], strict=True)
        return statistics.median(large.processor / small.processor for large, small in pairs)


def throughput(  # noqa: PLR0913 (what is measured, and how)
    models: Mapping[str, Path],
    workload: Workload,
    stub: StubKinesis,
    rounds: int,
    say: Say,
    *,
    contestants: Mapping[str, Callable[[Setup], Contestant]] = CONTESTANTS,
    sizes: Sequence[int] = SIZES,
) -> Throughput:
    """
    Measure *contestants* with each of *models* and batches of *sizes*, of which one is 100.

    Raises:
        NotPublished: See there.
    """
    figures: dict[str, dict[str, dict[int, list[Cost]]]] = {}
    megabytes: dict[str, dict[str, float]] = {}
    for model, path in models.items():
        figures[model] = {name: {size: [] for size in sizes} for name in contestants}
        with ExitStack() as stack:
            setup = Setup(path, stub.endpoint_url)
            workers = {name: stack.enter_context(Worker(make, setup)) for name, make in contestants.items()}
            for number in range(rounds):
                for size in sizes:
                    say(f"{model} model, round {number + 1} of {rounds}, batches of {size:,}")
                    for name, worker in workers.items():
                        figure = figures[model][name]
                        if name in PER_RECORD and size > _LOOP_SIZE:
                            figure[size].append(figure[_LOOP_SIZE][-1])
                        else:
                            figure[size].append(_cost(worker, workload.event(size), size, stub))
            megabytes[model] = {name: worker.run(peak_megabytes) for name, worker in workers.items()}
    return Throughput(figures, megabytes)


def _cost(worker: Worker, payload: bytes, records: int, stub: StubKinesis) -> Cost:
    """What one of so many records costs."""
    before = stub.acknowledged()
    trial = worker.run(cost, payload, 1).wall
    times = max(1, min(50, round(_SECONDS / trial)))
    spent = worker.run(cost, payload, times)
    published = stub.acknowledged() - before
    if published != records * (times + 3):  # each cost begins with one invocation that does not count
        raise NotPublished(f"{published} of {records * (times + 3)} predictions were published")
    return Cost(spent.processor / records, spent.wall / records)
