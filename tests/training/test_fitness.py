"""Whether the files of a model can be served, within a budget."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from stream_consumer.training.fitness import DEFAULT_BUDGET, Budget, unfitness
from tests.cli.model import linear_model


@pytest.fixture
def saved(boosted_rides_model: Path, tmp_path: Path) -> Path:
    """A copy of a model of the default kind."""
    return shutil.copytree(boosted_rides_model, tmp_path / "saved")


def test_a_model_of_the_default_kind_is_fit(saved: Path) -> None:
    assert unfitness(saved, DEFAULT_BUDGET) == ""


def test_files_that_do_not_load_are_unfit(saved: Path) -> None:
    (saved / "model.skops").write_bytes(b"no archive")
    assert unfitness(saved, DEFAULT_BUDGET).startswith("it cannot be loaded: model.skops ")


def test_files_that_predict_otherwise_than_training_did_are_unfit(saved: Path, rides_model: Path) -> None:
    (saved / "model.skops").write_bytes((rides_model / "model.skops").read_bytes())
    assert "for its input example, but training recorded" in unfitness(saved, DEFAULT_BUDGET)


def test_a_pickle_is_unfit_since_nobody_has_pinned_it(saved: Path) -> None:
    described = (saved / "MLmodel").read_text()
    (saved / "MLmodel").write_text(described.replace("serialization_format: skops", "serialization_format: pickle"))
    assert "can run code from its files" in unfitness(saved, DEFAULT_BUDGET)


def test_a_model_without_recorded_predictions_cannot_be_checked(tmp_path: Path) -> None:
    location = linear_model(tmp_path / "linear")
    assert unfitness(Path(location), DEFAULT_BUDGET) == (
        "its files do not tell what it predicted for an input example when it was trained"
    )


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (replace(DEFAULT_BUDGET, size=1_000), r"^its files have [\d,]+ bytes, and 1,000 are allowed$"),
        (
            replace(DEFAULT_BUDGET, load_seconds=1e-6),
            r"^loading it takes .* s of processor time, and 1e-06 s are allowed$",
        ),
        (replace(DEFAULT_BUDGET, ride_seconds=1e-9), r"^a ride takes it .* µs, and 0.001 µs are allowed$"),
    ],
)
def test_a_model_beyond_the_budget_is_unfit(saved: Path, budget: Budget, said: str) -> None:
    assert re.search(said, unfitness(saved, budget))
