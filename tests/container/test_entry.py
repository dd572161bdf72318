"""What the image's entry point makes of its arguments."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
ENTRY = ROOT / "infra" / "container" / "entry.py"


def entry(*arguments: str, path: Path = ROOT, options: Sequence[str] = (), **environ: str) -> tuple[int, str, str]:
    environment = {**os.environ, "PYTHONPATH": str(path), "COLUMNS": "80", **environ}
    command = [sys.executable, *options, str(ENTRY), *arguments]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=path)  # noqa: S603
    return ran.returncode, ran.stdout, ran.stderr


def test_a_command_is_stream_consumers() -> None:
    code, out, _ = entry("capacity", "--help")
    assert code == 0
    assert "Usage: stream-consumer capacity" in out


def test_a_handler_is_the_runtime_interface_clients() -> None:
    """It asks the Runtime API for work; there is nobody, and it says so in Lambda's way."""
    code, out, err = entry("nothing.handler", AWS_LAMBDA_RUNTIME_API="127.0.0.1:9")
    assert code == 1
    assert "Runtime.ImportModuleError" in out + err or "127.0.0.1" in out + err


def test_a_handler_outside_of_lambda_says_what_is_missing() -> None:
    code, _, err = entry("stream_consumer.lambda_function.lambda_handler")
    assert code == 2
    assert "AWS_LAMBDA_RUNTIME_API is not set" in err


@pytest.mark.parametrize("arguments", [["batch", "s3://a.b/c"], ["--help"], []])
def test_without_the_command_line_it_says_which_image_has_one(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "stream_consumer").mkdir()
    (tmp_path / "stream_consumer" / "__init__.py").touch()
    # Without site-packages, where an editable installation would offer this project's own command line.
    code, out, err = entry(*arguments, path=tmp_path, options=["-S"])
    assert (code, out) == (2, "")
    assert "make image DOORS=1" in err
    assert "or with TRAINING=1 for training" in err
