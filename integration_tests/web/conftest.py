"""The real server with a real model and a token, and the tools beside this interpreter."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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


Looks = Callable[[object], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def looks_at() -> Looks:
    """Return what looks at a page in a browser, narrow and wide, light and dark, and has axe-core read it."""

    def look(page: object) -> list[dict[str, Any]]:
        done = subprocess.run(  # noqa: S603 (ours)
            ["node", str(Path(__file__).with_name("pages.mjs")), str(page)],  # noqa: S607 (as make finds it)
            check=False,
            text=True,
            capture_output=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        seen: list[dict[str, Any]] = json.loads(done.stdout)
        return seen

    return look
