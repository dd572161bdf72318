"""
Checks of this machine: tools, Python packages, and free disk space.

The rule: a check never raises. A tool that hangs counts as a tool that does not answer.
"""

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stream_consumer.contract.printable import printable

_ANSWER_SECONDS = 20.0
_PACKAGE = "stream-consumer"
_DISK_BYTES = 10**9
"""Size of `.venv` with everything for `make test`. Source: README.md, "Two commands"."""
TERRAFORM, NODE = (1, 11), (20,)
"""Sources: infra/envs/*/main.tf, required_version; .ci/node/package-lock.json, engines."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The finding of a check. An empty remedy means success."""

    text: str
    remedy: str = ""


def python() -> Seen:
    return Seen(f"{sys.version.split()[0]}, {sys.executable}")


def pip() -> Seen:
    """Look for pip. Make needs it to install the locks."""
    version = _installed("pip")
    return Seen(version) if version else Seen("not installed", f"{sys.executable} -m ensurepip")


def disk(path: Path) -> Seen:
    """Compare the free space at *path* with the size of an environment."""
    free = shutil.disk_usage(path).free
    seen = f"{free / 10**9:.1f} GB free in {path}"
    wanted = f"{_DISK_BYTES / 10**9:.1f} GB"
    return Seen(seen) if free >= _DISK_BYTES else Seen(seen, f"free {wanted}, or work in another folder")


def extra(name: str) -> Seen:
    """Look for the packages of the extra *name*."""
    wanted = [
        text
        for text in importlib.metadata.requires(_PACKAGE) or []
        if re.search(rf"""extra == ['"]{name}['"]""", text) is not None
    ]
    names = [re.split(r"[^\w.-]", text, maxsplit=1)[0] for text in wanted]
    missing = [package for package in names if _installed(package) is None]
    if missing:
        return Seen(f"not installed: {', '.join(missing)}", f"pip install '{_PACKAGE}[{name}]'")
    return Seen(", ".join(f"{package} {_installed(package)}" for package in names))


def _installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools on the PATH of *environ*."""

    environ: Mapping[str, str]

    def terraform(self) -> Seen:
        return self._of_version("terraform", ["version", "-json"], TERRAFORM, _terraform_version)

    def node(self) -> Seen:
        seen = self._of_version("node", ["--version"], NODE, str.strip)
        return seen if seen.remedy or self._find("npm") else Seen("npm is not installed", "install npm")

    def container(self, *tools: str) -> Seen:
        """Look for one of *tools* that answers. A client without its daemon cannot build."""
        found = [tool for tool in tools if self._find(tool)]
        for tool in found:
            if self._ask(tool, ["info"]) is not None:
                return Seen(f"{tool} answers")
        if found:
            silent = f"{found[0]} info fails"
            return Seen(silent, f"run it to see the reason: start the daemon of {found[0]}, or get access to it")
        return Seen("not installed", f"install {' or '.join(tools)}")

    def there(self, tool: str, package: str = "") -> Seen:
        """Look for *tool*, a command of *package*."""
        found = self._find(tool)
        return Seen(found) if found else Seen("not installed", f"install {package or tool}")

    def _of_version(self, tool: str, ask: Sequence[str], least: tuple[int, ...], read: Callable[[str], str]) -> Seen:
        remedy = f"install {tool} {'.'.join(map(str, least))} or newer"
        if self._find(tool) is None:
            return Seen("not installed", remedy)
        answer = self._ask(tool, ask)
        version = read(answer) if answer else ""
        numbers = tuple(int(number) for number in re.findall(r"\d+", version.partition("-")[0]))
        if not numbers:
            return Seen("does not tell its version", remedy)
        return Seen(printable(version)) if numbers >= least else Seen(f"{printable(version)} is too old", remedy)

    def _find(self, tool: str) -> str | None:
        return shutil.which(tool, path=self.environ.get("PATH", ""))

    def _ask(self, tool: str, arguments: Sequence[str]) -> str | None:
        """Return the output of *tool*, or None if it fails or hangs."""
        command = [self._find(tool) or tool, *arguments]
        try:
            ran = subprocess.run(  # noqa: S603 (the user's own tools)
                command, capture_output=True, text=True, errors="replace", check=True, timeout=_ANSWER_SECONDS
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return ran.stdout


def _terraform_version(said: str) -> str:
    try:
        return str(json.loads(said)["terraform_version"])
    except (ValueError, KeyError, TypeError):
        return ""
