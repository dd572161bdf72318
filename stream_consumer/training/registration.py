"""
Register a trained model in MLflow, in files, or in both.

The rule: with both, ``champion.json`` decides on the champion, since only this file has conditional writes. The alias
in MLflow follows.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import msgspec
import yaml

from stream_consumer.models.files import REGISTRY_META, directory_digest, model_directory
from stream_consumer.training.file_registry import RIDES_SUFFIX, ChampionChanged, Current, Entry, FileRegistry
from stream_consumer.training.fit import Predict
from stream_consumer.training.mlflow_registry import MlflowRegistry
from stream_consumer.training.promotion import Champion, Rival, Verdict
from stream_consumer.training.record import encode_record, record_of, trained_on
from stream_consumer.training.register import (
    Logged,
    load_champion,
    log_run,
    metrics_of,
    mlflow_at,
    quiet_mlflow,
    save_model,
)
from stream_consumer.training.report import Report, report_of
from stream_consumer.training.trial import Trial

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_REPORT_SUFFIX = ".html"
_SHORT_DIGEST = 12


@dataclass(frozen=True, slots=True)
class Saved:
    """The files of a model not registered yet, and its MLflow run, if any."""

    directory: Path
    logged: Logged | None


@dataclass(frozen=True, slots=True)
class Registered:
    """A registered version, and the verdict on it."""

    version: str
    digest: str
    model_uri: str
    verdict: Verdict
    report: Report
    run_id: str | None
    tracking_uri: str | None
    champion_file: str | None


@contextlib.contextmanager
def opened(
    name: str, *, models: str | None, tracking_uri: str | None, experiment: str, s3: "Callable[[], S3Client]"
) -> Iterator["Registration"]:
    """
    Open the registries of the model *name*: files at *models*, and MLflow if configured or if there are no files.

    Raises:
        UsageError: MLflow's store, or the location of files, cannot be used.
        RegistryFailed: Files cannot be written to the location.
    """
    files = FileRegistry(models, name, s3) if models else None
    if files:
        files.check()
    if files and not (os.environ.get("MLFLOW_TRACKING_URI") if tracking_uri is None else tracking_uri):
        with quiet_mlflow() as mlflow:
            yield Registration(mlflow, name, files, None, s3)
        return
    with mlflow_at(tracking_uri) as mlflow:
        mlflow.set_experiment(experiment)
        yield Registration(mlflow, name, files, MlflowRegistry(mlflow, name), s3)


class Registration:
    """Registers a model in its registries."""

    def __init__(
        self,
        mlflow: ModuleType,
        name: str,
        files: FileRegistry | None,
        tracked: MlflowRegistry | None,
        s3: "Callable[[], S3Client]",
    ) -> None:
        """At least one of *files* and *tracked* must not be None."""
        self._mlflow = mlflow
        self._name = name
        self._files = files
        self._tracked = tracked
        self._s3 = s3
        self._current = Current(None, None)
        self._alias: str | None = None
        self._champion: Champion | None = None

    def champion(self) -> Champion | None:
        """
        Return the champion of the files or, if they have none, of MLflow.

        A promotion requires that it has not changed since.
        """
        self._alias = self._tracked.champion_version() if self._tracked else None
        if self._files:
            self._current = self._files.current()
        if self._files and self._current.champion:
            digest = self._current.champion.digest
            record = self._files.training_record(digest)
            self._champion = Champion(
                self._current.champion.version, self._files.location(digest), record, digest=digest
            )
        elif self._tracked:
            self._champion = self._tracked.champion()
        return self._champion

    def load(self, uri: str) -> Predict:
        """
        Load the champion.

        Raises:
            ModelError: The champion cannot be served.
        """
        return load_champion(uri, self._champion.digest if self._champion else None, self._s3)

    @contextlib.contextmanager
    def saved(self, trial: Trial, rival: Rival | None) -> Iterator[Saved]:
        """Give the files of the model of *trial*, saved in MLflow with its run, or else in a temporary folder."""
        if self._tracked:
            logged = log_run(self._mlflow, trial, rival, name=self._name)
            with model_directory(f"models:/{logged.model_id}", self._s3) as directory:
                yield Saved(directory, logged)
            return
        with tempfile.TemporaryDirectory(prefix="model-") as scratch:
            save_model(self._mlflow, trial, Path(scratch) / "model", name=self._name)
            yield Saved(Path(scratch) / "model", None)

    def register(self, saved: Saved, trial: Trial, rival: Rival | None, verdict: Verdict) -> Registered:
        """
        Register the model of *trial*, as champion if the verdict says so and the compared champion is still champion.

        Raises:
            RegistryFailed: A file cannot be written.
        """
        entry = _entry(directory_digest(saved.directory), trial, rival)
        if self._tracked and saved.logged:
            entry = msgspec.structs.replace(entry, version=self._tracked.register(saved.logged, trial, entry))
        if self._files:
            self._add(self._files, saved.directory, entry, trial)
        # Before the version may become champion: an interrupted training then leaves no champion without a version.
        report = self._report(entry, trial, rival, verdict)
        if self._files:
            self._files.record(*_told(entry, verdict, report))
        concluded = self._concluded(entry, verdict)
        if concluded != verdict:
            verdict, report = concluded, self._report(entry, trial, rival, concluded)
            if self._files:
                self._files.amend(*_told(entry, verdict, report))
        if self._tracked and saved.logged:
            self._tracked.conclude(entry.version, verdict, saved.logged, report)
        return Registered(
            version=entry.version,
            digest=entry.digest,
            model_uri=self._location(entry),
            verdict=verdict,
            report=report,
            run_id=saved.logged.run_id if saved.logged else None,
            tracking_uri=self._mlflow.get_tracking_uri() if self._tracked else None,
            champion_file=self._files.champion_file if self._files else None,
        )

    def _report(self, entry: Entry, trial: Trial, rival: Rival | None, verdict: Verdict) -> Report:
        return report_of(f"{self._name}, version {entry.version}", trial, rival, verdict)

    def _location(self, entry: Entry) -> str:
        if self._tracked:
            return self._tracked.location(entry.version)
        return self._files.location(entry.digest) if self._files else ""

    def _add(self, files: FileRegistry, directory: Path, entry: Entry, trial: Trial) -> None:
        # MLflow itself marks the version of a copy in this way. The digest leaves this file out.
        meta = {"model_name": self._name, "model_version": entry.version}
        (directory / REGISTRY_META).write_text(yaml.safe_dump(meta), encoding="utf-8")
        files.add_model(directory, entry.digest, {RIDES_SUFFIX: encode_record(record_of(trial))})

    def _concluded(self, entry: Entry, verdict: Verdict) -> Verdict:
        """Promote *entry* if the verdict says so. Return a negative verdict if the champion changed in the meantime."""
        if not verdict.promoted:
            return verdict
        try:
            if self._files:
                self._files.promote(entry, self._current)
            elif self._tracked:
                self._tracked.promote(entry.version, self._alias)
        except ChampionChanged as changed:
            return Verdict(promoted=False, reason=f"{changed}; train again to be compared with that version")
        if self._files and self._tracked:
            self._tracked.follow(entry.version)
        return verdict


def _told(entry: Entry, verdict: Verdict, report: Report) -> tuple[Entry, dict[str, bytes]]:
    """Return the record of a version with its verdict, and its report."""
    return msgspec.structs.replace(entry, reason=verdict.reason), {_REPORT_SUFFIX: report.page.encode()}


def _entry(digest: str, trial: Trial, rival: Rival | None) -> Entry:
    return Entry(
        version=digest[:_SHORT_DIGEST],
        digest=digest,
        metrics={name: value for name, value in metrics_of(trial, rival).items() if isfinite(value)},
        trained_on=trained_on(trial),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
