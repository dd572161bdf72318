"""The OpenAPI document against the running server: it keeps what it promises, and refuses the rest."""

import json
import os
import subprocess
import urllib.request
from pathlib import Path

from integration_tests.web.conftest import TOKEN

HERE = Path(__file__).parent
SEED = os.environ.get("SEED", "1")
EXAMPLES = os.environ.get("EXAMPLES", "300")


def test_the_server_is_what_its_document_says(url: str, tools: Path, tmp_path: Path) -> None:
    """
    All checks, on every operation of the document, each with requests that it accepts.

    As many examples as EXAMPLES, however long they take; the seed is printed with a failure and can be given as SEED.
    """
    with urllib.request.urlopen(f"{url}/openapi.json") as response:  # noqa: S310 (our own server)
        content = response.read()
    # From a file: the operation that it got the document from is left out.
    (tmp_path / "openapi.json").write_bytes(content)
    program = [str(tools / "schemathesis"), "--config-file", str(HERE / "schemathesis.toml"), "run", "openapi.json"]
    limits = ["--checks", "all", "--seed", SEED, "--max-examples", EXAMPLES, "--report-json-path", "report.json"]
    options = ["--url", url, "--header", f"Authorization: Bearer {TOKEN}", *limits]
    environ = os.environ | {"SCHEMATHESIS_HOOKS": "integration_tests.web.hooks", "PYTHONPATH": str(HERE.parents[1])}
    done = subprocess.run([*program, *options], cwd=tmp_path, env=environ, check=False, text=True, capture_output=True)  # noqa: S603 (ours)
    print(done.stdout)  # noqa: T201 (pytest shows it with a failure)
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert (report["complete"], report["seed"]) == (True, int(SEED))
    accepted = {
        operation
        for operation, phases in report["valid_rates"].items()
        if any(phase["accepted"] for phase in phases.values())
    }
    operations = [(path, method) for path, methods in json.loads(content)["paths"].items() for method in methods]
    assert accepted == {f"{method.upper()} {path}" for path, method in operations}
