"""Training into a registry of files, alone and beside MLflow."""

from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_consumer.models.champion import Champion, ModelVersion
from stream_consumer.models.files import default_s3, directory_digest
from stream_consumer.models.loading import load_model
from stream_consumer.training.file_registry import Current, FileRegistry
from stream_consumer.training.mlflow_registry import MlflowRegistry
from stream_consumer.training.promotion import Verdict
from stream_consumer.training.record import rides_digest
from stream_consumer.training.register import mlflow_at
from stream_consumer.training.registration import Registered, Registration
from stream_consumer.training.rides import Rides
from stream_consumer.training.synthetic import synthetic_rides
from stream_consumer.training.train import TrainingOptions, TrainingResult, train_on

RIDES = synthetic_rides(1_000, seed=42)

pytestmark = pytest.mark.usefixtures("reports_without_plots")


def poor(rides: Rides) -> Rides:
    """*rides* from which nothing can be learned."""
    return replace(rides, duration=np.random.default_rng(1).permutation(rides.duration))


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A location for files, in a process whose environment names no MLflow and whose folder is empty."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "models"


def trained(rides: Rides, models: Path, **options: Any) -> TrainingResult:
    return train_on(rides, options=TrainingOptions(models=str(models), **options))


def registry(models: Path) -> FileRegistry:
    return FileRegistry(str(models), "ride-duration", default_s3)


def champion(models: Path) -> Champion:
    found = registry(models).current().champion
    assert found is not None
    return found


def test_an_empty_tracking_store_is_none_whatever_the_environment_says(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{models.parent}/mlflow.db")
    assert trained(RIDES, models, tracking_uri="").registered.tracking_uri is None
    assert not (models.parent / "mlflow.db").exists()


def test_without_a_server_a_model_is_proven_promoted_and_served_from_files(models: Path) -> None:
    first, better, again = (trained(rides, models) for rides in (poor(RIDES), RIDES, RIDES))
    assert [one.verdict.promoted for one in (first, better, again)] == [True, True, False]
    assert again.verdict.reason.startswith(f"RMSE {again.trial.model.rmse:.4f} does not beat the ")
    assert list(Path.cwd().iterdir()) == [], "no store of MLflow's"
    assert (better.registered.run_id, better.registered.tracking_uri) == (None, None)

    named = champion(models)
    assert (named.version, named.digest) == (better.version, better.registered.digest)
    assert named.version == named.digest[:12]
    assert named.metrics["rmse"] == better.trial.model.rmse
    assert named.metrics["rmse_upper_bound"] < 0
    assert named.trained_on is not None
    assert (named.trained_on.first, named.trained_on.last) == ("2021-01-01", "2021-01-31")
    assert named.trained_on.digest == rides_digest(better.trial.training)
    assert named.previous is not None
    assert named.previous.digest == first.registered.digest

    folder = models / "ride-duration"
    found = {entry.digest: entry for entry in registry(models).versions()}
    for result in (first, better, again):
        entry = found[result.registered.digest]
        assert entry.reason == result.verdict.reason
        assert directory_digest(folder / entry.digest) == entry.digest
        assert (folder / f"{entry.digest}.npz").exists()
        assert entry.reason in unescape((folder / f"{entry.digest}.html").read_text())

    model = load_model(str(folder / "champion.json"), s3=default_s3)
    rides = better.trial.test.matrix()
    assert (model.name, model.version) == ("ride-duration", better.version)
    assert model.predict(rides.T.tolist()).tolist() == better.trial.fitted.model.predict(rides).tolist()


def test_a_champion_of_the_files_that_was_trained_on_the_test_stays(models: Path) -> None:
    february = RIDES.where(RIDES.pickup_time >= np.datetime64("2021-02-01"))
    trained(poor(february), models)
    spoiled = np.concatenate([RIDES.duration[: -len(february)], poor(february).duration])
    assert "it was trained on" in trained(replace(RIDES, duration=spoiled), models).verdict.reason


def test_a_champion_whose_files_were_changed_is_replaced_and_named(models: Path) -> None:
    first = trained(RIDES, models)
    (models / "ride-duration" / first.registered.digest / "requirements.txt").write_text("other")
    result = trained(poor(RIDES), models)
    assert result.verdict.promoted
    assert f"have the digest {directory_digest(models / 'ride-duration' / first.registered.digest)}; wanted " in (
        result.verdict.reason
    )


def test_beside_mlflow_both_have_the_version_and_the_champion(store: str, tmp_path: Path) -> None:
    models = tmp_path / "models"
    results = [trained(rides, models) for rides in (poor(RIDES), RIDES, RIDES)]
    assert [result.version for result in results] == ["1", "2", "3"]
    assert champion(models).version == "2"
    with mlflow_at(store) as mlflow:
        tracked = MlflowRegistry(mlflow, "ride-duration")
        assert tracked.champion_version() == "2"
        digests = [(entry.version, entry.digest, entry.reason) for entry in tracked.versions()]
        fetched = Path(mlflow.artifacts.download_artifacts("models:/ride-duration/2", dst_path=str(tmp_path / "two")))
    assert digests == [(entry.version, entry.digest, entry.reason) for entry in registry(models).versions()]
    assert directory_digest(fetched) == champion(models).digest
    assert load_model(str(models / "ride-duration" / "champion.json"), s3=default_s3).version == "2"


def promoting_another(monkeypatch: pytest.MonkeyPatch, between: Callable[[], object]) -> None:
    """Have something happen between the test of a model and its registration, once."""
    register = Registration.register
    happened: list[object] = []

    def later(self: Registration, *arguments: Any) -> Registered:
        if not happened:
            happened.append(True)
            between()
        return register(self, *arguments)

    monkeypatch.setattr(Registration, "register", later)


def test_of_two_trainings_at_once_one_wins_and_the_other_says_so(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(poor(RIDES), models)
    promoting_another(monkeypatch, lambda: trained(synthetic_rides(1_000, seed=3), models))
    late = trained(RIDES, models)
    winner = champion(models)
    assert winner.digest != late.registered.digest
    assert late.verdict == Verdict(
        promoted=False,
        reason=f"{models}/ride-duration/champion.json was changed in the meantime, to version {winner.version}; "
        "nothing was overwritten; train again to be compared with that version",
    )
    assert registry(models).find(late.version).reason == late.verdict.reason
    assert "candidate" in Path(models / "ride-duration" / f"{late.registered.digest}.html").read_text()
    assert len(registry(models).versions()) == 3


def test_a_training_that_is_cut_off_leaves_no_champion_without_a_version(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A champion was served that `model list` did not know."""

    def killed(self: FileRegistry, version: ModelVersion, current: Current) -> None:
        promote(self, version, current)
        raise KeyboardInterrupt

    promote = FileRegistry.promote
    monkeypatch.setattr(FileRegistry, "promote", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(RIDES, models)
    [entry] = registry(models).versions()
    assert (champion(models).digest, entry.reason) == (entry.digest, "there was no champion")


@pytest.mark.process
def test_of_two_trainings_at_once_in_mlflow_the_later_says_so(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    train_on(poor(RIDES))
    promoting_another(monkeypatch, lambda: train_on(synthetic_rides(1_000, seed=3)))
    late = train_on(RIDES)
    assert late.verdict.reason.startswith("models:/ride-duration/champion was changed in the meantime, to version ")
    with mlflow_at(store) as mlflow:
        tracked = MlflowRegistry(mlflow, "ride-duration")
        assert tracked.champion_version() != late.version
        assert tracked.find(late.version).reason == late.verdict.reason
