"""
The record of a model's training rides, kept as an artifact of its run.

The rule: no ride is kept, only fingerprints of rides and the frequencies of zones and distances.
"""

import hashlib
import io
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from stream_consumer.errors import UsageError
from stream_consumer.models.champion import TrainedOn
from stream_consumer.training.rides import FEATURES, Rides
from stream_consumer.training.trial import Trial

ARTIFACT = "trained_on.npz"
DIGEST_TAG, SEED_TAG = "rides_digest", "seed"

LEAST_DIFFERENCE = 0.15
"""
Rides differ in kind if more than this share of them, beyond chance, would have to change to match.

Measured on the green taxis: February 2021 differs from January by 0.02, with kilometres for miles by 0.17, with pickup
and dropoff swapped by 0.22.
"""

_SCALARS = ("origin", "synthetic", "first", "last", "rmse", "test_rides")
_STRAYS = 0.001  # taxis' clocks can be years wrong
_EDGES: Mapping[str, NDArray[np.float64]] = {
    "PULocationID": np.arange(0.5, 266.0),
    "DOLocationID": np.arange(0.5, 266.0),
    "trip_distance": np.array([0.5, 1, 1.5, 2, 3, 4, 6, 8, 12, 20, 200]),
}
_FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # Source: Steele, Lea, Flood, "SplitMix", OOPSLA 2014


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """
    The rides on which a model was fitted and tested.

    ``fingerprints`` has an entry for each ride of the fit. ``first`` and ``last`` are days, without strays. ``rmse`` is
    in minutes, on ``test_rides`` held-out rides.
    """

    origin: str
    synthetic: bool
    first: str
    last: str
    rmse: float
    test_rides: int
    fingerprints: NDArray[np.uint64]
    counts: Mapping[str, NDArray[np.int64]]

    def unseen(self, rides: Rides) -> Rides:
        """Return the rides on which the model was not fitted."""
        return rides.where(~np.isin(fingerprints(rides), self.fingerprints))

    def differences(self, rides: Rides) -> list[str]:
        """Return a sentence, for people, for each respect in which *rides* differ in kind from the model's rides."""
        if self.synthetic != rides.synthetic:
            kinds = ("trip records", "synthetic rides")
            return [f"the model was trained on {kinds[self.synthetic]}, and these are {kinds[rides.synthetic]}"]
        found = {column: _difference(self.counts[column], counts) for column, counts in _counts(rides).items()}
        return [
            f"{column} differs from the rides of the training by {difference:.0%}"
            for column, difference in found.items()
            if difference > LEAST_DIFFERENCE
        ]


def distinct(rides: Rides) -> Rides:
    """Return each ride once, in order. A repeated ride proves no more than a single ride."""
    first = np.zeros(len(rides), bool)
    first[np.unique(fingerprints(rides), return_index=True)[1]] = True
    return rides.where(first)


def record_of(trial: Trial) -> TrainingRecord:
    first, last = np.quantile(trial.training.pickup_time.astype(np.int64), (_STRAYS, 1 - _STRAYS))
    return TrainingRecord(
        origin=trial.origin,
        synthetic=trial.training.synthetic,
        first=str(np.datetime64(int(first), "s").astype("datetime64[D]")),
        last=str(np.datetime64(int(last), "s").astype("datetime64[D]")),
        rmse=trial.model.rmse,
        test_rides=len(trial.test),
        fingerprints=fingerprints(trial.training),
        counts=_counts(trial.training),
    )


def trained_on(trial: Trial) -> TrainedOn:
    """Return the facts in ``champion.json`` about the rides on which the model of *trial* was fitted."""
    record = record_of(trial)
    return TrainedOn(
        rides=trial.origin,
        count=len(trial.training),
        first=record.first,
        last=record.last,
        digest=rides_digest(trial.training),
        seed=trial.seed,
    )


def encode_record(record: TrainingRecord) -> bytes:
    """Return the content of a ``.npz`` file."""
    scalars = {name: np.array(getattr(record, name)) for name in _SCALARS}
    arrays = {"fingerprints": record.fingerprints, **scalars, **record.counts}
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def decode_record(content: bytes) -> TrainingRecord:
    """
    Return the record in the content of a ``.npz`` file.

    Raises:
        UsageError: *content* is not a record.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return TrainingRecord(
                **{name: stored[name].item() for name in _SCALARS},
                fingerprints=stored["fingerprints"],
                counts={column: stored[column] for column in FEATURES},
            )
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(f"the record of a model's rides cannot be read: {error}") from error


def log_record(mlflow: ModuleType, record: TrainingRecord) -> None:
    """Log *record* with the active run."""
    with tempfile.TemporaryDirectory(prefix="record-") as directory:
        path = Path(directory) / ARTIFACT
        path.write_bytes(encode_record(record))
        mlflow.log_artifact(str(path))


def load_record(mlflow: ModuleType, run_id: str) -> TrainingRecord | None:
    """Return the record of a run. None if the run was logged without a record."""
    client = mlflow.MlflowClient()
    if ARTIFACT not in {file.path for file in client.list_artifacts(run_id)}:
        return None
    with tempfile.TemporaryDirectory(prefix="record-") as directory:
        return decode_record(Path(client.download_artifacts(run_id, ARTIFACT, directory)).read_bytes())


def fingerprints(rides: Rides) -> NDArray[np.uint64]:
    """Return 64 bits for each ride. Rides with equal values in all columns that training reads have equal bits."""
    columns = (rides.PULocationID, rides.DOLocationID, rides.trip_distance, rides.duration, rides.pickup_time)
    mixed = np.zeros(len(rides), np.uint64)
    for column in columns:
        mixed += column.astype(column.dtype, copy=True).view(np.uint64)
        for factor, shift in zip(_FACTORS, (30, 27), strict=True):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        mixed ^= mixed >> np.uint64(31)
    return mixed


def rides_digest(rides: Rides) -> str:
    """Return a digest of *rides*, independent of their order."""
    return hashlib.sha256(np.sort(fingerprints(rides)).astype("<u8").tobytes()).hexdigest()


def _counts(rides: Rides) -> dict[str, NDArray[np.int64]]:
    """Return the number of rides between the edges of each column. The last bin holds all rides beyond."""
    bins = {column: np.searchsorted(edges, getattr(rides, column)) for column, edges in _EDGES.items()}
    return {column: np.bincount(found, minlength=len(_EDGES[column]) + 1) for column, found in bins.items()}


def _difference(before: NDArray[np.int64], now: NDArray[np.int64]) -> float:
    """
    Return the total variation distance of two histograms, less the part explained by chance.

    Chance moves a bin of share p by about sqrt(2 p (1/n + 1/m) / pi) between samples of n and m rides.
    """
    sizes = before.sum(), now.sum()
    shares = (before + now) / sum(sizes)
    chance = np.sqrt(2 * shares * (1 / sizes[0] + 1 / sizes[1]) / np.pi).sum() / 2
    return float(np.abs(before / sizes[0] - now / sizes[1]).sum() / 2 - chance)
