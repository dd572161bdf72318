"""The real server with a real model and a token, and the tools beside this interpreter."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import example_models
from tests.web.serving import Server, serving

TOKEN = "a-token-of-ours-0001"  # noqa: S105 (opens nothing)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    model = example_models.boosted_rides_model(tmp_path_factory.mktemp("models") / "boosted")
    with serving(model, WEB_TOKEN=TOKEN) as server:
        yield server
        assert server.stop() == 0


@pytest.fixture(scope="session")
def url(server: Server) -> str:
    return f"http://{server.host}:{server.port}"


@pytest.fixture(scope="session")
def tools() -> Path:
    return Path(sys.executable).parent
