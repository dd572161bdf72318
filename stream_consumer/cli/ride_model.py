"""What the demo does with the model of rides: it is looked for, or trained, and gets rides to predict."""

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from stream_consumer.cli import options
from stream_consumer.cli.own_model import Prepared, Wanted
from stream_consumer.cli.progress import stages
from stream_consumer.cli.served_model import ServedModel, served_model
from stream_consumer.cli.terminal import say
from stream_consumer.cli.train import show
from stream_consumer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from types_boto3_s3 import S3Client

    from stream_consumer.training.rides import Rides

CHAMPION_NAME = "ride-duration"
CHAMPION = f"models:/{CHAMPION_NAME}@champion"


@contextlib.contextmanager
def ride_model(model: str, sources: list[str] | None, train: list[str] | None, wanted: Wanted) -> "Iterator[Prepared]":
    """Give the model to serve, trained first if need be, and the rides to put."""
    from stream_consumer.local.demo.ride_plan import ride_plan
    from stream_consumer.models.files import model_directory

    everything = _rides(sources, wanted.limit, wanted.seed)
    location = _location(model, train, everything, wanted.seed)

    def s3() -> "S3Client":
        return options.aws(None, None, None).s3

    with model_directory(location, s3) as directory:
        served = served_model(location, directory, s3)
        unseen = served.unseen(everything)
        put = unseen.sample(wanted.limit, wanted.seed)
        spoiled = f", {wanted.malformed} malformed" if wanted.share else ""
        spoiled += f", {wanted.drift.told}" if wanted.drift else ""
        about = [*served.rows(), ("rides", _offered(put, everything, served) + spoiled)]
        put = wanted.drift.of(put) if wanted.drift else put
        plan = ride_plan(put, malformed=wanted.share, rate=wanted.rate, batch_size=wanted.batch_size, seed=wanted.seed)
        yield Prepared(directory, location, served.reference, plan, about, served.warnings(everything))


def _rides(sources: list[str] | None, limit: int, seed: int) -> "Rides":
    from stream_consumer.training.rides import load_rides
    from stream_consumer.training.synthetic import synthetic_rides

    with stages() as stage:
        stage("making rides")
        # Twice as many synthetic ones: the first half is for a first model.
        if not sources:
            return synthetic_rides(2 * limit, seed=seed)
        # What serving would refuse stays in: it must come out as dead letters.
        return load_rides(sources, bounded=False, progress=stage)


def _location(model: str, train: list[str] | None, everything: "Rides", seed: int) -> str:
    """Return the location of the model to serve, trained first if need be."""
    from stream_consumer.training.rides import load_rides

    if model != CHAMPION:
        return model
    if train:
        with stages() as stage:
            stage("loading rides to train on")
            sources = load_rides(train, bounded=False, progress=stage)
        return _trained_before(sources, seed) or _trained(sources, seed)
    if _has_champion():
        return CHAMPION
    say("There is no model yet, so one is trained first.")
    half = everything.earliest(len(everything) // 2)
    return _trained(replace(half, origin=f"the first half of {everything.origin}"), seed)


def _has_champion() -> bool:
    from stream_consumer.training.mlflow_registry import MlflowRegistry
    from stream_consumer.training.register import mlflow_at

    with stages() as stage:
        stage("looking for a model")
        with mlflow_at(None) as mlflow:
            return MlflowRegistry(mlflow, CHAMPION_NAME).champion_version() is not None


def _trained_before(rides: "Rides", seed: int) -> str | None:
    from stream_consumer.training.mlflow_registry import MlflowRegistry
    from stream_consumer.training.register import mlflow_at

    with stages() as stage:
        stage("looking for a model of these rides")
        with mlflow_at(None) as mlflow:
            version = MlflowRegistry(mlflow, CHAMPION_NAME).trained_on(rides, seed=seed)
    return version and f"models:/{CHAMPION_NAME}/{version}"


def _trained(rides: "Rides", seed: int) -> str:
    """Train on *rides* and return the model's location, whether it became champion or not."""
    from stream_consumer.training.train import TrainingOptions, train_on

    with stages() as stage:
        result = train_on(rides, options=TrainingOptions(name=CHAMPION_NAME, seed=seed), progress=stage)
    show(result)
    return result.model_uri


def _offered(put: "Rides", everything: "Rides", served: "ServedModel") -> str:
    if not len(put):
        raise UsageError(
            f"the model was trained on all {len(everything):,} rides of {everything.origin}. "
            "Name different rides with --rides or --train"
        )
    new = " that the model has not seen" if served.record else ""
    return f"{len(put):,}{new}, of {everything.origin}"
