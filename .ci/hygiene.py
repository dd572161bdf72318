"""
Search for content that no commit may have: hosts of package registries, paths of one machine, secrets, large files.

Checks the files that git tracks. Prints each offence as ``file:line: what``, and exits with 1 if there is any.
"""

import re
import subprocess
import sys
from pathlib import Path

LARGEST_BYTES = 600_000

# Pieced together, so that this file does not offend itself.
OFFENCES = {
    "host of a package registry": "|".join(
        (r"pypi\." + "org", "files.python" + r"hosted\.", r"registry\.npm" + "js", r"deb\.deb" + "ian")
    ),
    "path of one machine": r"(?<![\w.])/(?:wor" + r"k|roo" + r"t|ho" + r"me/\w+|opt/(?:tf|pypi|wheels))/",
    "access key": r"\bAK" + r"IA[0-9A-Z]{16}\b",
    "private key": "BEGIN (?:RSA |EC |OPENSSH )?PRIV" + "ATE KEY",
}
PATTERNS = {what: re.compile(pattern) for what, pattern in OFFENCES.items()}


def offences(path: Path) -> list[str]:
    if not path.is_file():
        return []
    content = path.read_bytes()
    found = [f"{path}: {len(content):,} bytes, more than {LARGEST_BYTES:,}"] if len(content) > LARGEST_BYTES else []
    for number, line in enumerate(content.decode(errors="replace").splitlines(), start=1):
        found += [f"{path}:{number}: {what}" for what, pattern in PATTERNS.items() if pattern.search(line)]
    return found


def index_lines(path: Path) -> list[str]:
    """Return the lines of a lock without a hash, or with the URL of an index."""
    text = path.read_text(encoding="utf-8")
    requirements = len(re.findall(r"^[a-z0-9]\S*==", text, re.MULTILINE))
    hashed = len(re.findall(r"^[a-z0-9]\S*==[^\n]*\\\n\s+--hash=", text, re.MULTILINE))
    found = [f"{path}: {requirements - hashed} requirements without a hash"] if requirements != hashed else []
    return found + [f"{path}: an index address" for _ in re.findall(r"--(?:extra-)?index-url|https?://", text)]


def main() -> int:
    tracked = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout  # noqa: S607
    paths = [Path(name) for name in tracked.split("\0") if name]
    found = [offence for path in paths for offence in offences(path)]
    found += [offence for path in sorted(Path(".ci/locks").glob("*.txt")) for offence in index_lines(path)]
    for offence in found:
        print(offence)
    print(f"{len(paths)} files looked at, {len(found)} offences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
