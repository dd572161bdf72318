"""What the lean image carries is what the import rules call the Lambda path."""

import re
import tomllib
from pathlib import Path
from typing import Any

from infra.container.packages import LOCKS, pins, wanted
from infra.container.trim import remove

ROOT = Path(__file__).parents[2]


def lambda_path(pyproject: dict[str, Any]) -> dict[str, Any]:
    """Return the import rule of what the Lambda path carries."""
    contracts = pyproject["tool"]["importlinter"]["contracts"]
    [found] = [one for one in contracts if one["name"].startswith("The Lambda path")]
    return dict(found)


def test_the_dockerfile_takes_out_of_the_lean_image_what_the_lambda_path_does_not_enter() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    carried = lambda_path(pyproject)["source_modules"]
    [taken_out] = re.findall(r"for room in ([\w. ]+);", (ROOT / "Dockerfile").read_text())
    package = ROOT / "stream_consumer"
    rooms = {path.stem for path in package.glob("*.py")} | {path.parent.name for path in package.glob("*/__init__.py")}
    lean = {name.removeprefix("stream_consumer.") for name in carried} | {"__init__"}
    assert {room.removesuffix(".py") for room in taken_out.split()} == rooms - lean


def test_the_lean_image_knows_every_aws_service_that_the_lambda_path_calls(tmp_path: Path) -> None:
    """``aws/clients.py`` makes clients of more services, for commands that only the full image has."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    carried = [ROOT / name.replace(".", "/") for name in lambda_path(pyproject)["source_modules"]]
    files = {file for path in carried for file in (*path.rglob("*.py"), path.with_suffix(".py")) if file.exists()}
    texts = [file.read_text() for file in sorted(files - {ROOT / "stream_consumer" / "aws" / "clients.py"})]
    called = {service for text in texts for service in re.findall(r'client\((?:session, )?"([a-z0-9-]+)"', text)}
    assert called >= {"kinesis", "s3", "secretsmanager"}
    for service in called:
        (tmp_path / "botocore" / "data" / service).mkdir(parents=True)
    remove(tmp_path)
    assert {path.name for path in (tmp_path / "botocore" / "data").iterdir()} == called


def test_the_lean_image_does_without_the_dependencies_that_the_project_calls_so() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    left_out = set(pyproject["tool"]["stream-consumer"]["not-in-lambda"])
    forbidden = lambda_path(pyproject)
    wheel, lean = (set(pins(ROOT / LOCKS / f"{name}.txt", "3.13")) for name in ("wheel", "runtime"))
    assert left_out <= set(forbidden["forbidden_modules"])
    assert left_out <= wheel
    assert left_out & lean == set()
    assert lean <= wheel
    assert {re.split(r"[^\w-]", one)[0] for one in wanted(ROOT, needs=[])} <= lean
