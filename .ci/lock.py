"""
Resolve ``.ci/locks/*.txt`` with uv: every hash, every interpreter, no index address.

``dev`` is resolved first and constrains the smaller sets, so a test never runs on another version than the image.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from infra.container.packages import wanted  # noqa: E402 (found once the project's folder is on the path)

LOCKS = Path(".ci") / "locks"

PYTHONS = ["--universal", "--python-version", "3.11"]
PACKAGE = ["pyproject.toml", *PYTHONS]
LAMBDA = ["-", *PYTHONS]  # standard input has the requirements of the lean image
# `pip install --no-build-isolation --editable .` builds with the environment's own setuptools.
BUILD = str(LOCKS / "build.in")
AS_DEV = ["--constraint", "dev.txt"]
# All extras but the clouds'.
COMMANDS = ["--extra", "train", "--extra", "local", "--extra", "doors", "--extra", "kafka"]
SETS = {
    "dev": [*PACKAGE, BUILD, *COMMANDS, "--group", "dev"],
    "local": [*PACKAGE, BUILD, *AS_DEV, *COMMANDS],
    "wheel": [*PACKAGE, *AS_DEV],
    "runtime": [*LAMBDA, *AS_DEV],
    "doors": [*PACKAGE, *AS_DEV, "--extra", "doors"],
    "training": [*PACKAGE, str(LOCKS / "training.in"), *AS_DEV],
    "quickstart": [str(LOCKS / "quickstart.in"), *AS_DEV, *PYTHONS],
    "notebook": [str(LOCKS / "notebook.in"), *AS_DEV, *PYTHONS],
    "tools": [str(LOCKS / "tools.in"), *AS_DEV, *PYTHONS],
    "site": [str(LOCKS / "site.in"), *AS_DEV, *PYTHONS],
    "boosters": [str(LOCKS / "boosters.in"), *AS_DEV, *PYTHONS],
    "spark": [*PACKAGE, BUILD, str(LOCKS / "spark.in"), *AS_DEV],
    "infra": [str(LOCKS / "infra.in"), *PYTHONS],
    "fuzz": [str(LOCKS / "fuzz.in"), "--no-deps"],
    "image": [str(LOCKS / "image.in"), *AS_DEV, "--no-deps"],
    "rie": [str(LOCKS / "rie.in"), "--no-deps"],
    "localstack": [str(LOCKS / "localstack.in"), "--python-version", "3.11", "--exclude-newer", "2026-02-26"],
}


def resolve(name: str, folder: Path, *options: str) -> None:
    """
    Write the lock *name* into *folder*, beside the lock ``dev`` that may constrain it.

    Raises:
        CalledProcessError: uv's reason is in stderr.
    """
    arguments = [str(folder / argument) if argument == AS_DEV[1] else argument for argument in SETS[name]]
    command = [sys.executable, "-m", "uv", "pip", "compile", *arguments, "--generate-hashes", "--no-emit-index-url"]
    command += ["--no-header", "--no-annotate", "--quiet", "--output-file", str(folder / f"{name}.txt"), *options]
    stdin = "\n".join(wanted(ROOT, needs=[]))
    subprocess.run(command, cwd=ROOT, check=True, input=stdin, stderr=subprocess.PIPE, text=True)  # noqa: S603 (our own arguments)


if __name__ == "__main__":
    for each in SETS:
        try:
            resolve(each, LOCKS)
        except subprocess.CalledProcessError as failed:
            sys.exit(failed.stderr)
        print(f"resolved .ci/locks/{each}.txt")
