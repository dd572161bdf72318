"""What holds for every test, and the models that many of them load."""

import functools
import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader, Loader
from hypothesis import settings

# Before scikit-learn is imported: its threads spin for each other while tests run on every core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from stream_consumer.web.signals import HANDLED
from tests import example_models

# A few examples of each property: `make invariants` tries more. The same ones in every run of CI, and no time limit for
# one, since another job on the machine would break it.
settings.register_profile(
    "repository",
    max_examples=int(os.environ.get("EXAMPLES", "30")),
    deadline=None,
    derandomize="CI" in os.environ,
    print_blob=True,
)
settings.load_profile("repository")

# A shell starts its background jobs with Ctrl-C ignored, and what they start inherits that: a CI may be such a job.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what is imported by now, and most of its rounds: they take a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


def _with_paths_of_its_own(model: dict[str, Any] | None) -> dict[str, Any] | None:
    """Copy what a client of S3 changes in the *model* of its service. Sessions share the rest."""
    if not model or "operations" not in model:
        return model
    copies = {
        name: operation | {"http": dict(operation["http"])} if "http" in operation else operation
        for name, operation in model["operations"].items()
    }
    return model | {"operations": copies}


@pytest.fixture(scope="session", autouse=True)
def _service_models_found_and_parsed_once() -> Iterator[None]:
    """Each session of boto3 finds and parses the models of its services anew, which takes longer than the test."""
    load_file, loader = JSONFileLoader.load_file, Loader()
    parsed = functools.cache(lambda path: load_file(JSONFileLoader(), path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: _with_paths_of_its_own(parsed(path)))
        for listing in ("list_available_services", "list_api_versions"):
            patch.setattr(Loader, listing, staticmethod(functools.partial(getattr(Loader, listing), loader)))
        yield


@pytest.fixture
def signal_handlers() -> Iterator[None]:
    """Keep the handlers that this process has, whatever a server that runs in it does to them."""
    before = {number: signal.getsignal(number) for number in HANDLED}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def reports_without_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no plot for the report of a training, which would take as long as the training."""
    monkeypatch.setattr("stream_consumer.training.report.evaluation_plots", lambda *_: {})


@pytest.fixture(scope="session")
def rides_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a linear model of rides; not to be changed."""
    return example_models.rides_model(tmp_path_factory.mktemp("models") / "rides")


@pytest.fixture(scope="session")
def boosted_rides_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a small model of the default kind; not to be changed."""
    return example_models.boosted_rides_model(tmp_path_factory.mktemp("models") / "boosted")


@pytest.fixture(scope="session")
def trips_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a model on other columns; not to be changed."""
    return example_models.trips_model(tmp_path_factory.mktemp("models") / "trips")
