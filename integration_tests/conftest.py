"""The image, its models, and the tiers that a run opens; the closing line names those that it did not."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.container.__main__ import main as make_image
from infra.container.engine import Engine, find_engine
from infra.container.example_model import write_example_model
from integration_tests.tiers import MISSING, Material, opened
from integration_tests.world import Capability, World
from stream_consumer.model import Model
from stream_consumer.models.loading import load_model

IMAGE = "stream-consumer:image-test"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tiers", default="", help=f"Which of {','.join(MISSING)} to run the suite on.")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a tier that cannot run here before anything is built for it."""
    config.addinivalue_line("markers", "needs(capability): what the tier must be capable of")
    for name in _chosen(config):
        if name not in MISSING:
            raise pytest.UsageError(f"--tiers: no tier is called {name!r}; wanted {', '.join(MISSING)}")
        missing = MISSING[name]()
        if missing:
            raise pytest.UsageError(f"the tier {name} cannot run here: {missing}")


def _chosen(config: pytest.Config) -> list[str]:
    return [name for name in config.getoption("--tiers").split(",") if name]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "world" in metafunc.fixturenames:
        metafunc.parametrize("world", _chosen(metafunc.config), indirect=True, scope="session")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Name the tiers after pytest's own last line, where they cannot be overlooked."""
    chosen = _chosen(config)
    if chosen:
        others = [name for name in MISSING if name not in chosen]
        print(f"tiers run: {', '.join(chosen)}; tiers NOT run: {', '.join(others) or 'none'}")  # noqa: T201 (a command)


@pytest.fixture(scope="session")
def engine() -> Engine:
    return find_engine(os.environ)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, for a container's user to read."""
    folder = tmp_path_factory.mktemp("models")
    folder.chmod(0o755)
    write_example_model(folder / "champion")
    write_example_model(folder / "challenger", minutes_per_mile=6.0, name="challenger")
    return folder


def loaded(folder: Path) -> Model:
    """The model, loaded here: what the image ought to predict."""

    def nowhere() -> Any:
        raise AssertionError("a folder is not on S3")

    return load_model(str(folder), s3=nowhere)


@pytest.fixture(scope="session")
def champion(models: Path) -> Model:
    return loaded(models / "champion")


@pytest.fixture(scope="session")
def image(engine: Engine, models: Path) -> str:
    """The image, with the champion baked in, within its budget."""
    del engine  # no tool, no image: its own message first
    base = os.environ.get("PYTHON_IMAGE")
    arguments = ["build", "--tag", IMAGE, "--model", str(models / "champion"), *(["--base", base] if base else [])]
    make_image(arguments, os.environ)
    return IMAGE


@pytest.fixture(scope="session")
def material(engine: Engine, image: str, models: Path, champion: Model) -> Material:
    return Material(engine, image, models, champion, loaded(models / "challenger"))


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """A tier's surroundings."""
    with opened(request.param, request.getfixturevalue("material")) as surroundings:
        yield surroundings


@pytest.fixture(autouse=True)
def _capable(request: pytest.FixtureRequest) -> None:
    needs = [mark.args[0] for mark in request.node.iter_markers("needs")]
    if needs:
        world: World = request.getfixturevalue("world")
        for capability in needs:
            assert isinstance(capability, Capability)
            if capability not in world.capabilities:
                pytest.skip(f"{world.name} cannot {capability.value}")
