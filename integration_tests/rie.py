"""
AWS's own runtime interface emulator in front of the image.

It ships inside the wheel of aws-sam-cli, the one place where a package registry has it. It serves one invocation at a
time; a second one meanwhile ends it. A handler's error is HTTP 200 with ``errorMessage`` in the body.
"""

import json
import platform
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LOCK = ROOT / ".ci" / "locks" / "rie.txt"
RIE_FOLDER = ROOT / ".venv" / "rie"
_NAMES = {"x86_64": "aws-lambda-rie-x86_64", "aarch64": "aws-lambda-rie-arm64"}
_SECONDS = 30.0


def fetch_rie(folder: Path) -> Path:
    """Return the emulator's executable, taken out of the locked wheel into *folder* once."""
    folder.mkdir(parents=True, exist_ok=True)
    name = _NAMES[platform.machine()]
    if not (folder / name).exists():
        pip = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check"]
        command = [*pip, "--no-deps", "--require-hashes", "--requirement", str(LOCK), "--dest", str(folder)]
        subprocess.run(command, check=True)  # noqa: S603 (our own lock)
        [wheel] = folder.glob("aws_sam_cli-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (folder / name).write_bytes(archive.read(f"samcli/local/rapid/{name}"))
        wheel.unlink()
        (folder / name).chmod(0o755)
    return folder / name


def listens(port: int) -> bool:
    """Whether anybody takes connections on that port of loopback."""
    with suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), timeout=_SECONDS):
        return True
    return False


def invoke(port: int, payload: bytes) -> Any:
    """Invoke the function behind an emulator that listens on loopback."""
    url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
    try:
        with urllib.request.urlopen(url, data=payload, timeout=_SECONDS) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)  # an init that failed
