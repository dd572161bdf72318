"""
The versions of a registered model in MLflow. The alias ``champion`` points at one of them.

MLflow has no conditional write. The alias is read again immediately before moving it, so two trainings can overwrite
each other only within this moment.
"""

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import msgspec

from stream_consumer.errors import UsageError
from stream_consumer.models.champion import TrainedOn
from stream_consumer.models.files import default_s3
from stream_consumer.models.loading import load_model
from stream_consumer.training.file_registry import ChampionChanged, Entry
from stream_consumer.training.interruption import uninterrupted
from stream_consumer.training.promotion import Champion, Verdict
from stream_consumer.training.record import DIGEST_TAG, SEED_TAG, load_record, rides_digest
from stream_consumer.training.register import Logged
from stream_consumer.training.report import REPORT, Report
from stream_consumer.training.rides import Rides
from stream_consumer.training.trial import Trial

if TYPE_CHECKING:
    from mlflow import MlflowClient

ALIAS = "champion"
DEFAULT_NAME = "ride-duration"
_MODEL_DIGEST_TAG, _PREVIOUS_TAG, _TRAINED_ON_TAG = "digest", "previous", "trained_on"


@dataclass(frozen=True, slots=True)
class MlflowRegistry:
    """The versions of a registered model in MLflow's current store."""

    mlflow: ModuleType
    name: str

    @property
    def _client(self) -> "MlflowClient":
        client: MlflowClient = self.mlflow.MlflowClient()
        return client

    def champion_version(self) -> str | None:
        for model in self._client.search_registered_models(f"name = '{self.name}'"):
            if champion := model.aliases.get(ALIAS):
                return str(champion)
        return None

    def champion(self) -> Champion | None:
        """Return the champion, with the record of its run."""
        version = self.champion_version()
        if version is None:
            return None
        run_id = self._client.get_model_version(self.name, version).run_id
        record = load_record(self.mlflow, run_id) if run_id else None
        return Champion(version, self.location(version), record)

    def location(self, version: str) -> str:
        return f"models:/{self.name}/{version}"

    def versions(self) -> list[Entry]:
        """Return all versions, oldest first."""
        found = self._client.search_model_versions(f"name = '{self.name}'")
        return [_entry(version) for version in sorted(found, key=lambda version: int(version.version))]

    def trained_on(self, rides: Rides, *, seed: int) -> str | None:
        """Return the newest version trained on *rides* with *seed*, or None."""
        found = self._client.search_model_versions(f"name = '{self.name}'")
        wanted = (rides_digest(rides), str(seed))
        same = [int(one.version) for one in found if (one.tags.get(DIGEST_TAG), one.tags.get(SEED_TAG)) == wanted]
        return str(max(same)) if same else None

    @uninterrupted()
    def register(self, logged: Logged, trial: Trial, entry: Entry) -> str:
        """Register the logged model as the next version, with the facts in *entry*. Return the version."""
        client = self._client
        if not client.search_registered_models(f"name = '{self.name}'"):
            client.create_registered_model(self.name)
        tags = {
            "rmse": f"{trial.model.rmse:.4f}",
            "baseline_rmse": f"{trial.baseline.rmse:.4f}",
            DIGEST_TAG: rides_digest(trial.rides),
            SEED_TAG: str(trial.seed),
            _MODEL_DIGEST_TAG: entry.digest,
            _TRAINED_ON_TAG: msgspec.json.encode(entry.trained_on).decode(),
        }
        uri = f"models:/{logged.model_id}"
        return str(client.create_model_version(self.name, uri, logged.run_id, tags, model_id=logged.model_id).version)

    @uninterrupted()
    def conclude(self, version: str, verdict: Verdict, logged: Logged, report: Report) -> None:
        """Write the verdict on a version to its tags, and log the report with its run."""
        with tempfile.TemporaryDirectory(prefix="report-") as directory:
            for name, content in {REPORT: report.page.encode(), **report.plots}.items():
                path = Path(directory) / name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
            self._client.log_artifacts(logged.run_id, directory)
        for tag, value in {"promoted": str(verdict.promoted).lower(), "reason": verdict.reason}.items():
            self._client.set_model_version_tag(self.name, version, tag, value)

    def promote(self, version: str, expected: str | None) -> None:
        """
        Make *version* champion, if *expected* is still the champion.

        Raises:
            ChampionChanged: Another version is champion.
        """
        current = self.champion_version()
        if current != expected:
            raise ChampionChanged(
                f"{self.location(ALIAS)} was changed in the meantime, to version {current}; nothing was overwritten"
            )
        self.follow(version)

    @uninterrupted()
    def follow(self, version: str) -> None:
        """Make *version* champion unconditionally, because it is champion in the registry of files."""
        current = self.champion_version()
        if current:
            self._client.set_model_version_tag(self.name, version, _PREVIOUS_TAG, current)
        self._client.set_registered_model_alias(self.name, ALIAS, version)

    def make_champion(self, entry: Entry) -> None:
        """See :class:`stream_consumer.training.registry.Registry`."""
        current = self.champion_version()
        if current == entry.version:
            raise UsageError(f"version {current} of {self.name} is champion already")
        load_model(self.location(entry.version), s3=default_s3)
        self.promote(entry.version, current)

    def rollback(self) -> tuple[str, str]:
        """See :class:`stream_consumer.training.registry.Registry`."""
        current = self.champion_version()
        tags = self._client.get_model_version(self.name, current).tags if current else {}
        previous = tags.get(_PREVIOUS_TAG)
        if current is None or previous is None:
            raise UsageError(f"{self.name} has no champion before the present one")
        load_model(self.location(previous), s3=default_s3)
        self._client.set_registered_model_alias(self.name, ALIAS, previous)
        return previous, current

    def find(self, version: str) -> Entry:
        """
        Return the version with this name.

        Raises:
            UsageError: No such version exists.
        """
        entries = {entry.version: entry for entry in self.versions()}
        if version not in entries:
            raise UsageError(f"{self.name} has no version {version!r}; there: {', '.join(entries) or 'no version'}")
        return entries[version]


def _entry(version: Any) -> Entry:
    """
    Return the entry of an MLflow version.

    A version registered by another program may lack all tags of this project.
    """
    tags = version.tags
    rmse, trained_on = tags.get("rmse"), tags.get(_TRAINED_ON_TAG)
    return Entry(
        version=str(version.version),
        digest=tags.get(_MODEL_DIGEST_TAG, ""),
        metrics={"rmse": float(rmse)} if rmse else {},
        trained_on=msgspec.json.decode(trained_on, type=TrainedOn) if trained_on else None,
        reason=tags.get("reason", ""),
        created=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).isoformat(timespec="seconds"),
    )
