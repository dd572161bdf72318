"""
Training: from ride files to a registered model.

The rule: the registered model is the tested model.
"""

import contextlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from stream_consumer.models.cores import leave_cores_uncounted
from stream_consumer.models.files import default_s3
from stream_consumer.training.fitness import DEFAULT_BUDGET, Budget, unfitness
from stream_consumer.training.mlflow_registry import DEFAULT_NAME
from stream_consumer.training.progress import StageProgress, Stages, silent
from stream_consumer.training.promotion import Rival, Verdict, judge, meet
from stream_consumer.training.registration import Registered, opened
from stream_consumer.training.rides import Rides, load_rides
from stream_consumer.training.sources import refuse_unreadable
from stream_consumer.training.trial import Trial, run_trial

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """
    The registries for a model, and the conditions for promoting it.

    ``models`` is a folder or ``s3://bucket/prefix`` for the registry of files. ``tracking_uri`` is MLflow's store. The
    default is ``MLFLOW_TRACKING_URI``. If this variable is unset too, there is no store beside ``models``, and without
    ``models`` sqlite in the working directory. An empty ``tracking_uri`` means no store beside ``models``, whatever the
    environment says. If ``model_directory`` is given, the files of the new model are also copied there.
    """

    name: str = DEFAULT_NAME
    experiment: str = "ride-duration"
    seed: int = 42
    tracking_uri: str | None = None
    models: str | None = None
    budget: Budget = DEFAULT_BUDGET
    model_directory: Path | None = None


DEFAULTS = TrainingOptions()


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The result of a training: the trial, the champion in the test if any, the verdict, and the model's location."""

    trial: Trial
    rival: Rival | None
    name: str
    registered: Registered
    seconds: Mapping[str, float]

    @property
    def verdict(self) -> Verdict:
        return self.registered.verdict

    @property
    def version(self) -> str:
        return self.registered.version

    @property
    def model_uri(self) -> str:
        return self.registered.model_uri


def train(
    sources: Sequence[str],
    *,
    options: TrainingOptions = DEFAULTS,
    progress: StageProgress = silent,
    s3: Callable[[], "S3Client"] = default_s3,
) -> TrainingResult:
    """
    Train on the rides of *sources*, test on the last of them, log and register the model.

    Points mlflow at the tracking store for the whole process, so that the result's ``model_uri`` resolves there.

    Raises:
        UsageError: The rides or the tracking store cannot be used. The store is tried before the rides are read.
    """
    refuse_unreadable(sources)  # before a store is made: a name may be mistyped
    return _train(lambda: load_rides(sources, bounded=False, progress=progress, s3=s3), options, Stages(progress), s3)


def train_on(
    rides: Rides,
    *,
    options: TrainingOptions = DEFAULTS,
    progress: StageProgress = silent,
    s3: Callable[[], "S3Client"] = default_s3,
) -> TrainingResult:
    """Train as ``train`` does, on rides already loaded."""
    return _train(lambda: rides, options, Stages(progress), s3)


def _train(
    load: Callable[[], Rides], options: TrainingOptions, stages: Stages, s3: Callable[[], "S3Client"]
) -> TrainingResult:
    # Fitting a month takes a second. More threads would spend longer spinning for each other, and for cores in use by
    # other processes: on two busy cores, two threads took 27 s, and a single thread takes 0.9 s.
    leave_cores_uncounted()
    with contextlib.ExitStack() as until_done:
        until_done.enter_context(threadpool_limits(limits=1))
        with stages("connect", "opening the registry"):
            registration = until_done.enter_context(
                opened(
                    options.name,
                    models=options.models,
                    tracking_uri=options.tracking_uri,
                    experiment=options.experiment,
                    s3=s3,
                )
            )
            champion = registration.champion()
        with stages("load", "loading rides"):
            rides = load()
        trial = run_trial(rides, seed=options.seed, stages=stages)
        with stages("champion", f"testing the champion, {champion.uri}" if champion else "there is no champion yet"):
            rival = meet(champion, trial, registration.load) if champion else None
        with stages("log", "saving the model"):
            saved = until_done.enter_context(registration.saved(trial, rival))
        with stages("check", "loading the saved model"):
            verdict = judge(rival, unfitness(saved.directory, options.budget))
        if options.model_directory:  # before the version may become champion
            _copy_model(saved.directory, options.model_directory)
        with stages("register", f"registering {options.name}"):
            registered = registration.register(saved, trial, rival, verdict)
        return TrainingResult(trial, rival, options.name, registered, stages.seconds)


def _copy_model(source: Path, target: Path) -> None:
    """
    Copy the files of a model without their modes, since *target* may belong to another user.

    MLmodel is copied last, because a folder without MLmodel is not a model.
    """
    for path in sorted(source.rglob("*"), key=lambda path: path.name == "MLmodel"):
        if path.is_file():
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
