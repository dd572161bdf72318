"""The OpenAPI document against the running server: it keeps what it promises, and refuses the rest."""

import os
import subprocess
from pathlib import Path

from integration_tests.web.conftest import TOKEN

HERE = Path(__file__).parent
SEED = os.environ.get("SEED", "1")
SECONDS = os.environ.get("SECONDS_OF_SCHEMATHESIS", "45")


def test_the_server_is_what_its_document_says(url: str, tools: Path, tmp_path: Path) -> None:
    """All checks, on all operations; the seed is printed with a failure and can be given again as SEED."""
    program = [str(tools / "schemathesis"), "--config-file", str(HERE / "schemathesis.toml"), "run"]
    limits = ["--checks", "all", "--seed", SEED, "--max-time", SECONDS]
    options = [f"{url}/openapi.json", "--header", f"Authorization: Bearer {TOKEN}", *limits]
    environ = os.environ | {"SCHEMATHESIS_HOOKS": "integration_tests.web.hooks", "PYTHONPATH": str(HERE.parents[1])}
    done = subprocess.run([*program, *options], cwd=tmp_path, env=environ, check=False, text=True, capture_output=True)  # noqa: S603 (ours)
    print(done.stdout)  # noqa: T201 (pytest shows it with a failure)
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr
    assert "Tested: 7" in done.stdout
    assert f"Seed: {SEED}" in done.stdout
