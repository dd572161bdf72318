"""What the demo knows of the model that it serves, and says."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stream_consumer.models.champion import CHAMPION_FILE
from stream_consumer.models.description import describe
from stream_consumer.models.files import directory_digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from types_boto3_s3 import S3Client

    from stream_consumer.training.record import TrainingRecord
    from stream_consumer.training.rides import Rides


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model's name and version, and what it was trained on if its run tells."""

    name: str
    version: str
    location: str
    record: "TrainingRecord | None"
    reference: str
    """The reference profile; empty if the model carries none."""

    def rows(self) -> list[tuple[str, str]]:
        """Return rows of a name and a value, for a table."""
        rows = [("model", f"{self.name}, version {self.version}, from {self.location}")]
        if self.record is None:
            return [*rows, ("trained on", "not recorded")]
        record = self.record
        return [
            *rows,
            ("trained on", f"{len(record.fingerprints):,} rides, {record.first} to {record.last}, of {record.origin}"),
            ("held-out error", f"RMSE {record.rmse:.2f} min on {record.test_rides:,} later rides"),
        ]

    def unseen(self, rides: "Rides") -> "Rides":
        """Return the rides that the model was not fitted on, or all if nobody knows."""
        return self.record.unseen(rides) if self.record else rides

    def warnings(self, rides: "Rides") -> list[str]:
        """Return what makes the error on *rides* another than the held-out one, one sentence each."""
        if self.record is None:
            return ["nothing tells which rides the model was trained on, so it may have seen some of these"]
        return [f"{difference}, so expect another error" for difference in self.record.differences(rides)]


def served_model(location: str, directory: Path, s3: "Callable[[], S3Client]") -> ServedModel:
    """
    Return what is known of the model whose files are in *directory*.

    A model of MLflow's registry has a run to look into, and that of a ``champion.json`` a record beside its files.

    Raises:
        ModelError: The model's description cannot be read.
    """
    from stream_consumer.training.file_registry import FileRegistry
    from stream_consumer.training.record import load_record
    from stream_consumer.training.register import mlflow_at

    described = describe(directory, location)
    record = None
    if location.startswith("models:/"):
        with mlflow_at(None) as mlflow:
            run_id = mlflow.models.Model.load(str(directory)).run_id
            record = load_record(mlflow, run_id) if run_id else None
    elif location.rpartition("/")[2] == CHAMPION_FILE:
        root, name, _ = (location if "://" in location else str(Path(location).absolute())).rsplit("/", 2)
        record = FileRegistry(root, name, s3).training_record(directory_digest(directory))
    version = described.version or directory_digest(directory)[:12]
    return ServedModel(described.name, version, location, record, described.reference)
