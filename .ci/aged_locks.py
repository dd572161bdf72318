"""
Install locks of two months ago by today's commands, with the oldest pip that a supported Python bundles and the newest.

A lock whose pins are the newest releases installs by commands that resolve. The same lock fails once its pins are old.
README's two commands install the locks ``dev`` and ``local``. The others install by the same command, as the stages of
CI show that use them, so they are not tried here. pip downloads and checks every package, and writes none. A lock's
installation resolves nothing, so a requirement that both locks have in the same words is tried once.
"""

import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lock import LOCKS, ROOT, SETS, resolve

TRIED = ("dev", "local")
AGE = timedelta(days=60)
PIPS = {"oldest": "pip==22.3", "newest": "pip"}  # Python 3.11.0 bundles 22.3
_REQUIREMENT = re.compile(r"^[^\s#](?:.*\\\n)*.*", re.MULTILINE)  # its hashes are on lines that continue it
_TOO_NEW = re.compile(r"`([^`]+)` was filtered by `exclude-newer`")


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(len(PIPS)) as pool:
        folder = Path(scratch)
        for name in TRIED:  # the first constrains the others
            age(name, folder)
        moved = sum(
            pins(folder / "dev.txt").get(package) != pin for package, pin in pins(ROOT / LOCKS / "dev.txt").items()
        )
        print(f"dev.txt of {AGE.days} days ago differs in {moved} pins", flush=True)
        if faults := [fault for fault in pool.map(try_pip, PIPS.values(), [folder] * len(PIPS)) if fault]:
            sys.exit("\n".join(faults))


def age(name: str, folder: Path) -> None:
    """Write the lock *name* as of *AGE* ago. A release is newer only if a requirement needs it."""
    now = datetime.now(UTC)
    options = [] if "--exclude-newer" in SETS[name] else ["--exclude-newer", (now - AGE).date().isoformat()]
    while True:
        try:
            return resolve(name, folder, *options)
        except subprocess.CalledProcessError as error:
            too_new = _TOO_NEW.findall(error.stderr)
            if not too_new or any(f"{package}={now:%F}" in options for package in too_new):
                sys.exit(error.stderr)
            for package in too_new:
                options += ["--exclude-newer-package", f"{package}={now:%F}"]


def pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^(\S+)==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE))


def try_pip(pip: str, locks: Path) -> str:
    """Return the reason why *pip* cannot install a lock, or an empty text."""
    environment = locks / pip
    uv = [sys.executable, "-m", "uv", "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, environment], check=True)  # noqa: S603 (our own arguments)
    subprocess.run([*uv, "pip", "install", "--python", environment, pip], check=True)  # noqa: S603 (our own arguments)
    tried = set[str]()
    for name in TRIED:
        lock = environment / f"{name}.txt"
        new = [each for each in _REQUIREMENT.findall((locks / lock.name).read_text("utf-8")) if each not in tried]
        if not new:
            continue
        tried.update(new)
        lock.write_text("\n".join(new), encoding="utf-8")
        began = time.monotonic()
        install: list[str | Path] = [
            sys.executable,
            ".ci/environment.py",
            "install",
            environment,
            lock,
        ]
        done = subprocess.run([*install, "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 (our own arguments)
        if done.returncode:
            return f"{name}.txt of {AGE.days} days ago does not install with {pip}:\n{done.stderr}"
        seconds = time.monotonic() - began
        print(f"{len(new)} of {name}.txt of {AGE.days} days ago install with {pip}, {seconds:.0f} s", flush=True)
    return ""


if __name__ == "__main__":
    main()
