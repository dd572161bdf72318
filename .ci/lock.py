"""
Resolve ``.ci/locks/*.txt`` from ``pyproject.toml`` with uv: every hash, every interpreter, no index address.

``dev`` is resolved first and constrains the smaller sets, so a test never runs on another version than the image.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / ".ci" / "locks"
SETS = {
    "dev": ["--all-extras", "--group", "dev"],
    "local": ["--extra", "train", "--extra", "local"],
    "runtime": [],
    "infra": [],
}


def resolve(name: str, options: list[str], constraint: Path | None) -> None:
    source = ".ci/locks/infra.in" if name == "infra" else "pyproject.toml"
    command = [sys.executable, "-m", "uv", "pip", "compile", source, *options]
    command += ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-header"]
    command += ["--no-annotate", "--quiet", "--output-file", str(LOCKS / f"{name}.txt")]
    # `pip install --no-build-isolation --editable .` builds with the environment's own setuptools.
    if name in {"dev", "local"}:
        command += [str(LOCKS / "build.in")]
    if constraint:
        command += ["--constraint", str(constraint)]
    subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603 (our own arguments)


for lock_name, lock_options in SETS.items():
    resolve(lock_name, lock_options, None if lock_name in {"dev", "infra"} else LOCKS / "dev.txt")
    print(f"resolved .ci/locks/{lock_name}.txt")
