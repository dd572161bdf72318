"""
The loop, act by act: a sentence, the numbers, and the registry's verdict.

The rule: the loop continues only if each act has its expected result.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stream_consumer.contract.record import Reason
from stream_consumer.errors import StreamConsumerError
from stream_consumer.local.demo.consuming import dead_letters
from stream_consumer.local.demo.loop.audit import Audit
from stream_consumer.local.demo.loop.rides import LoopRides, endless_events, shuffled
from stream_consumer.local.demo.loop.service import Service
from stream_consumer.training.file_registry import FileRegistry
from stream_consumer.training.progress import StageProgress
from stream_consumer.training.train import TrainingOptions, train_on

if TYPE_CHECKING:
    from stream_consumer.local.demo.embedded_aws import EmbeddedAws
    from stream_consumer.local.demo.function_metrics import MetricsTally
    from stream_consumer.training.file_registry import Entry
    from stream_consumer.training.rides import Rides

MODELS_BUCKET = "ride-models"
_THRESHOLD_MINUTES = 1
_CHALLENGER_TIMEOUT_MS = 10_000


class NotAsMeant(StreamConsumerError):
    """An act had an unexpected result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopOptions:
    """The size of the loop."""

    handler: str
    seed: int = 42
    rate: float = 400
    """Records to put per second."""
    records: int = 2_000
    """Number of predictions of a version before the loop continues."""
    malformed: float = 0.01
    """Share of malformed events, from 0 to less than 1."""
    shards: int = 2


@dataclass(frozen=True, slots=True)
class Act:
    """One act: a sentence and its results."""

    title: str
    facts: Mapping[str, str | int | float] = field(default_factory=dict)


Say = Callable[[Act], object]
Working = Callable[[], AbstractContextManager[StageProgress]]


class Loop:
    """The acts, in order. Each reports its results."""

    def __init__(self, aws: "EmbeddedAws", rides: LoopRides, options: LoopOptions, say: Say, working: Working) -> None:
        self._rides = rides
        self._options = options
        self._say = say
        self._working = working
        self._s3 = aws.clients().s3
        self._training = TrainingOptions(seed=options.seed, models=f"s3://{MODELS_BUCKET}", tracking_uri="")
        self._registry = FileRegistry(f"s3://{MODELS_BUCKET}", self._training.name, lambda: self._s3)
        self._arriving = shuffled(rides.arriving, options.seed)
        events = endless_events(self._arriving, options.malformed)
        self._service = Service(aws, options.handler, events, rate=options.rate, shards=options.shards)
        self._released: list[str] = []

    def run(self) -> Audit:
        """
        Play every act.

        Raises:
            NotAsMeant: The better model was refused, or the bad one was not.
            LocalPlatformError: The platform failed.
        """
        with self._service:
            first = self._train("The first champion is trained on the rides that are known.", self._rides.known)
            self._release("The champion is released, and newer rides arrive on the stream.", first)
            better = self._train("A model of all known rides is proven on the newer ones.", self._rides.everything)
            self._challenge(first)
            self._release("The new champion is released to the consumer.", better)
            refused = self._refuse(better)
            self._roll_back(first)
            with self._working() as progress:
                progress("consuming and reading the rest")
                return self._audit(refused)

    def _train(self, title: str, rides: "Rides", *, promoted: bool = True) -> "Entry":
        before = self._service.predicted()
        with self._working() as progress:
            trained = train_on(rides, options=self._training, progress=progress, s3=lambda: self._s3)
            entry = self._registry.find(trained.registered.digest)
        champion = self._registry.champion_version()
        if (champion == entry.version) is not promoted:
            meant = "did not become champion" if promoted else "became champion"
            raise NotAsMeant(f"the model of {rides.origin} {meant}: {entry.reason}")
        on = entry.trained_on
        self._say(
            Act(
                title,
                {
                    "version": entry.version,
                    "trained on": f"{on.count:,} rides, {on.first} to {on.last}" if on else "",
                    "RMSE": round(entry.metrics["rmse"], 4),
                    "verdict": ("champion: " if promoted else "refused: ") + entry.reason,
                    "champion": champion or "",
                    "predicted meanwhile": self._service.predicted() - before,
                },
            )
        )
        return entry

    def _release(self, title: str, entry: "Entry") -> None:
        """Release the model in ``champion.json``, and wait until it predicts."""
        before, least = self._service.predicted(entry.version), self._service.on_each_shard(entry.version)
        with self._working() as progress:
            progress("releasing a version of the function")
            self._service.release(self._registry.champion_file)
            self._released.append(entry.version)
            progress(f"waiting for {self._options.records:,} predictions of version {entry.version}")
            self._wait(entry.version, least + math.ceil(self._options.records / self._options.shards))
        self._say(
            Act(
                title,
                {
                    "function version": self._service.versions,
                    "MODEL_LOCATION": self._registry.champion_file,
                    "model version": entry.version,
                    "predicted by it": self._service.predicted(entry.version) - before,
                },
            )
        )

    def _wait(self, version: str, predictions: int) -> None:
        """Wait until *version* has made this number of *predictions* on each shard."""
        self._service.wait_for(
            f"predictions of version {version}", lambda: self._service.on_each_shard(version) >= predictions
        )

    def _challenge(self, champion: "Entry") -> None:
        """Let the registry's new champion challenge the served model, in the same invocations."""
        challenger = {
            "CHALLENGER_LOCATION": self._registry.champion_file,
            "CHALLENGER_THRESHOLD": str(_THRESHOLD_MINUTES),
            "CHALLENGER_TIMEOUT_MS": str(_CHALLENGER_TIMEOUT_MS),
        }
        with self._working() as progress:
            progress("releasing a version of the function with a challenger")
            metrics = self._service.release(self._registry.location(champion.digest), challenger)
            progress(f"waiting for {self._options.records:,} comparisons")
            self._service.wait_for(
                "the challenger's comparisons",
                lambda: metrics.sums().get("ChallengerCompared", 0) >= self._options.records,
            )
        self._say(
            Act(
                "The new champion challenges the served model before its release.",
                {"function version": self._service.versions, "model version": champion.version, **_challenged(metrics)},
            )
        )

    def _refuse(self, champion: "Entry") -> "Entry":
        rides = self._rides.in_kilometres
        refused = self._train("A model that was trained on distances in kilometres is refused.", rides, promoted=False)
        self._wait(champion.version, self._service.on_each_shard(champion.version) + 1)
        return refused

    def _roll_back(self, first: "Entry") -> None:
        now, before = self._registry.rollback()
        if now != first.version:
            raise NotAsMeant(f"the rollback from version {before} led to {now}; wanted {first.version}")
        self._release(f"The champion {before} is rolled back, and the previous champion released.", first)

    def _audit(self, refused: "Entry") -> Audit:
        reading = self._service.finish()
        return Audit(
            rides=self._service.put.rides,
            malformed=self._service.put.malformed,
            released=self._released,
            durations=self._arriving.duration,
            received=[received for received, _ in reading.received],
            duplicates=reading.duplicates,
            dead_letters=Counter(Reason(letter.reason) for letter in dead_letters(self._service.clients)),
            discarded=self._service.watch.counts.records_discarded,
            refused=refused,
        )


def _challenged(metrics: "MetricsTally") -> dict[str, int | float]:
    """Return the challenger's metrics, each with its most useful statistic."""
    sums, averages = metrics.sums(), metrics.averages()
    return {
        "ChallengerCompared": int(sums["ChallengerCompared"]),
        "ChallengerDifferenceMean": round(averages["ChallengerDifferenceMean"], 4),
        "ChallengerDifferenceP95": round(metrics.maxima()["ChallengerDifferenceP95"], 4),
        "ChallengerDisagreementShare": round(sums["ChallengerDisagreements"] / sums["ChallengerCompared"], 4),
        "ChallengerFailures": int(sums["ChallengerFailures"]),
        "ChallengerSkipped": int(sums["ChallengerSkipped"]),
    }
