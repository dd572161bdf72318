"""
The rides of the benchmark: as models to serve, and as the events that Lambda hands over.

Two models: the default one, and the cheapest there is (linear on the three columns), which leaves the machinery to see.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from stream_consumer.local.demo.ride_producer import ride_events
from stream_consumer.local.mapping.lambda_records import ShardSource, StreamRecord, fitting, render_event
from stream_consumer.training.fit import fit
from stream_consumer.training.reference import reference
from stream_consumer.training.register import TRUSTED_TYPES
from stream_consumer.training.rides import BOUNDS, FEATURES, Rides, load_rides
from stream_consumer.training.synthetic import synthetic_rides

Say = Callable[[str], None]
"""Told what is being measured."""

_SEED = 42
_SYNTHETIC_RIDES = 80_000
_FIRST_SEQUENCE_NUMBER = 49_630_081_666_084_879_290_581_185_630_324_770_398_608_704_880_802_529_282
_SOURCE = ShardSource("arn:aws:kinesis:us-east-1:000000000000:stream/ride_events", "shardId-000000000000")


@dataclass(frozen=True, slots=True)
class Workload:
    """Model directories and the records of one long shard."""

    models: dict[str, Path]
    pickled: Path
    """The default model once more, in a form that is loaded only if MODEL_DIGEST pins it."""
    pipeline: Path
    """A pipeline with a ColumnTransformer that was fitted on a DataFrame, the commonest model in public code."""
    description: dict[str, str]
    """What each model is."""
    rides: Rides
    records: Sequence[StreamRecord]

    def event(self, count: int) -> bytes:
        """Lambda's event with so many records, JSON."""
        return render_event(self.records[:count])

    def largest_event(self) -> tuple[bytes, int]:
        """As much as Lambda hands over at once, and how many records that is."""
        count = fitting(self.records, len(self.records))
        return self.event(count), count


def workload(directory: Path, train: Sequence[str], rides: Sequence[str]) -> Workload:
    """Fit the models on *train* and make events of *rides* (TLC trip records); without them rides are synthetic."""
    seen = load_rides(train) if train else synthetic_rides(_SYNTHETIC_RIDES, seed=_SEED)
    put = load_rides(rides) if rides else synthetic_rides(_SYNTHETIC_RIDES // 4, seed=_SEED + 1)
    fitted = fit(seen, seed=_SEED)
    linear = LinearRegression().fit(seen.matrix(), seen.duration)
    categories = {name: [int(value) for value in values] for name, values in fitted.categories.items()}
    carried = {"categories": categories, "reference": reference(fitted, seen, put).encode().decode()}
    return Workload(
        models={
            "default": _saved(fitted.model, directory / "default", seen, carried),
            "linear": _saved(linear, directory / "linear", seen, {}),
        },
        pickled=_saved(fitted.model, directory / "pickled", seen, {}, "cloudpickle"),
        pipeline=_saved(_pipeline(seen), directory / "pipeline", seen, {}),
        description={
            "default": f"HistGradientBoosting, {fitted.model.n_iter_} trees",
            "linear": "linear on the three columns",
        },
        rides=put,
        records=_records(put),
    )


def _pipeline(rides: Rides) -> Pipeline:
    zones, distance = FEATURES[:2], FEATURES[2:]
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), list(zones)), (StandardScaler(), list(distance))
    )
    return make_pipeline(columns, LinearRegression()).fit(_frame(rides), rides.duration)


def _frame(rides: Rides) -> Any:
    from pandas import DataFrame  # noqa: PLC0415 (which only models fitted on it need)

    return DataFrame({name: getattr(rides, name) for name in FEATURES})


def _saved(estimator: Any, path: Path, rides: Rides, facts: dict[str, Any], form: str = "skops") -> Path:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow.sklearn  # noqa: PLC0415 (two seconds, after its environment is set)
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import ColSpec, Schema  # noqa: PLC0415

    example = _frame(rides)[:5]
    named = hasattr(estimator, "feature_names_in_")
    kinds = ("long", "long", "double")
    mlflow.sklearn.save_model(
        estimator,
        path,
        serialization_format=form,
        skops_trusted_types=list(TRUSTED_TYPES) if form == "skops" else None,
        signature=ModelSignature(
            inputs=Schema([ColSpec(kind, name) for kind, name in zip(kinds, FEATURES, strict=True)]),
            outputs=Schema([ColSpec("double")]),
        ),
        input_example=example,
        pip_requirements=[],
        metadata={
            "stream_consumer": facts
            | {
                "name": "ride-duration",
                "bounds": {name: dict(bounds) for name, bounds in BOUNDS.items()},
                "example_predictions": estimator.predict(example if named else example.to_numpy()).tolist(),
            }
        },
    )
    return path


def _records(rides: Rides) -> list[StreamRecord]:
    arrived = datetime(2026, 11, 21, 1, 2, 3, 456_000, UTC)
    return [
        _SOURCE.record(
            {
                "SequenceNumber": str(_FIRST_SEQUENCE_NUMBER + position),
                "PartitionKey": entry.partition_key,
                "Data": json.dumps(json.loads(entry.data)).encode(),  # with spaces, as from the reference solution
                "ApproximateArrivalTimestamp": arrived,
            }
        )
        for position, entry in enumerate(ride_events(rides))
    ]
