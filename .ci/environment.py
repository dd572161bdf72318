"""
Make a virtual environment (``environment.py make .venv``) or install a lock (``environment.py install .venv LOCK``).

A lock is complete, so pip resolves nothing, and a release that came after the lock cannot break an installation.

The file ``.made`` marks an environment that was made whole, the file ``.unfinished`` one whose installation was cut
off. The Makefile makes the latter anew. A virtual environment cannot be built aside and renamed, because its scripts
name their interpreter.

An old Python can parse this file, so that its user is told which Python is needed.
"""

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

OLDEST, NEWEST = (3, 11), (3, 13)
_PIP = ["-m", "pip", "--disable-pip-version-check", "--no-input"]
_INSTALL = [*_PIP, "install", "--progress-bar", "off", "--no-compile", "--no-deps"]
_REFRESH_SECONDS = 0.2
_FETCHED = re.compile(r"^(?:Collecting|Requirement already satisfied|Ignoring)\b", re.MULTILINE)
_INSTALLING = "Installing collected packages"


def main() -> None:
    options, pip_options = _parser().parse_known_args()
    _check_python()
    try:
        if options.action == "make":
            make(options.environment)
        else:
            install(options.environment, options.lock, pip_options, project=options.project)
    except KeyboardInterrupt:
        sys.exit(f"\n{options.environment}: interrupted; run make again")
    except OSError as error:  # a full disk, or a folder that may not be written
        sys.exit(f"{options.environment}: {error}; correct this and run make again")


def make(environment: Path) -> None:
    """Make *environment* anew, with nothing in it but pip."""
    if not all(map(importlib.util.find_spec, ["venv", "ensurepip"])):
        sys.exit(f"{sys.executable} cannot make {environment}; Debian and Ubuntu need: apt install python3-venv")
    print(f"{environment}: making it for Python {sys.version.split()[0]}", flush=True)
    made = environment / ".made"
    if made.exists():
        made.unlink()  # what is there is about to be removed, perhaps not to the end
    try:
        _run([sys.executable, "-m", "venv", "--clear", str(environment)])
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.output}{error.stderr}{environment} was not made")
    made.touch()


def install(environment: Path, lock: Path, pip_options: "list[str]", *, project: bool) -> None:
    """Install *lock*, and with *project* the project in this folder, then check that every dependency is there."""
    python, unfinished = str(environment / "bin" / "python"), environment / ".unfinished"
    packages = len(re.findall(r"^\w", lock.read_text(encoding="utf-8"), re.MULTILINE))
    began = time.monotonic()
    print(f"{environment}: installing the {packages} packages of {lock}", flush=True)
    unfinished.touch()
    try:
        complete = [*_INSTALL, *pip_options, "--require-hashes", "--requirement", str(lock)]
        _run([python, *complete], lambda log: progress(log, environment, packages))
        if project:
            _run([python, *_INSTALL, "--no-index", "--no-build-isolation", "--editable", "."])
        _run([python, *_PIP, "check"])
    except subprocess.CalledProcessError as error:
        if _INSTALLING not in error.output:
            unfinished.unlink()
        sys.exit(f"{error.stderr or error.output}{environment}: {lock} was not installed")
    unfinished.unlink()
    print(f"{environment}: ready after {time.monotonic() - began:.0f} s", flush=True)


def progress(log: str, environment: Path, packages: int) -> str:
    """Return the progress of pip: from its *log* during downloads, from *environment* during the installation."""
    if _INSTALLING in log:
        installed = len(list(environment.glob("lib/python*/site-packages/*.dist-info")))
        return f"installed {min(installed, packages)} of {packages}"
    return f"fetched {len(_FETCHED.findall(log))} of {packages}"


def _run(command: "list[str]", progress: "Callable[[str], str] | None" = None) -> None:
    """Run *command* in silence, but for its progress on a terminal."""
    with tempfile.TemporaryDirectory() as scratch:
        out, err = Path(scratch) / "out", Path(scratch) / "err"
        with out.open("w") as stdout, err.open("w") as stderr:
            # The progress comes from pip's output, which a setting of the user may silence.
            environment = {**os.environ, "PIP_QUIET": "0"}
            process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=environment)  # noqa: S603 (venv and pip)
        with process:
            while _runs_on(process):
                if progress and sys.stdout.isatty():
                    print(f"\r{progress(out.read_text())}\033[K", end="", flush=True)
        if progress and sys.stdout.isatty():
            print("\r\033[K", end="", flush=True)
        if process.returncode:
            # pip prints this for every configured folder of wheels without the package.
            words = [line for line in err.read_text().splitlines(keepends=True) if "is ignored: it is " not in line]
            raise subprocess.CalledProcessError(process.returncode, command, out.read_text(), "".join(words))


def _runs_on(process: "subprocess.Popen[bytes]") -> bool:
    try:
        process.wait(_REFRESH_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def _check_python() -> None:
    version = sys.version.split()[0]
    oldest, newest = (".".join(map(str, supported)) for supported in (OLDEST, NEWEST))
    if sys.version_info < OLDEST:
        sys.exit(f"Python {oldest} or newer is needed, this is {version}; try make PYTHON=python{newest}")
    if sys.version_info[:2] > NEWEST:
        print(f"Python {version} is newer than {newest}, the newest that is tested", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Make a virtual environment, or install a lock into it.")
    parser.add_argument("action", choices=["make", "install"])
    parser.add_argument("environment", type=Path)
    parser.add_argument("lock", type=Path, nargs="?", help="install only; options that follow it are pip's")
    parser.add_argument("--project", action="store_true", help="install the project in this folder, too")
    return parser


if __name__ == "__main__":
    main()
