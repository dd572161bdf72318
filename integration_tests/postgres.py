"""A PostgreSQL server of the test's own: Debian's package, a scratch folder, a Unix socket, and nothing else."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

USER, PASSWORD = "taxi", "s3cret-of-the-test"
# It refuses to run as root.
_UNPRIVILEGED = 65534


def binaries() -> Path | None:
    """The folder of initdb and pg_ctl; Debian has one for each version, on nobody's PATH."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    return max(found, default=Path(on_path).resolve().parent if on_path else None)


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Start a server with the programs in *folder*; its URL, with a password that it asks for."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        scratch = Path(name)
        user: dict[str, Any] = {"user": _UNPRIVILEGED, "group": _UNPRIVILEGED} if os.getuid() == 0 else {}

        def run(program: str, *arguments: str) -> None:
            command = [str(folder / program), "--pgdata", str(scratch / "data"), *arguments]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=scratch, timeout=300, **user)  # noqa: S603

        (scratch / "password").write_text(PASSWORD, encoding="ascii")
        if user:
            for path in (scratch, scratch / "password"):
                os.chown(path, _UNPRIVILEGED, _UNPRIVILEGED)
        secret = ("--username", USER, "--auth", "scram-sha-256", "--pwfile", str(scratch / "password"))
        run("initdb", "--no-sync", "--no-locale", "--encoding", "UTF8", *secret)
        settings = f"-c listen_addresses= -c unix_socket_directories={scratch} -c fsync=off"
        run("pg_ctl", "start", "--wait", "--log", str(scratch / "log"), "--options", settings)
        try:
            yield f"postgresql://{USER}:{PASSWORD}@/postgres?host={scratch}"
        finally:
            run("pg_ctl", "stop", "--mode", "immediate")
