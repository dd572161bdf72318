"""
A process that serves models, with or without the libraries that the lean image lacks.

``python -m tests.zoo.worker mlflow pandas`` forbids these imports, reads one task a line from standard input and
answers each with one line. :class:`Worker` is the other end.
"""

import importlib.abc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]


class _Forbidden(importlib.abc.MetaPathFinder):
    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)

    def find_spec(self, fullname: str, *_: Any) -> None:
        if fullname.partition(".")[0] in self._names:
            raise ModuleNotFoundError(f"No module named {fullname!r} in the lean image", name=fullname)


def main(forbidden: Sequence[str]) -> None:
    sys.meta_path.insert(0, _Forbidden(forbidden))
    # Libraries and the metrics write to standard output, and the answers must not mix with them.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    from tests.zoo.interfaces import as_json, serve  # noqa: PLC0415 (after the libraries are forbidden)

    for line in sys.stdin:
        task = json.loads(line)
        with tempfile.TemporaryDirectory(prefix="zoo-") as scratch:
            served = serve(task["location"], task["environ"], task["rows"], Path(scratch))
        answers.write(as_json(served) + "\n")
        answers.flush()


class Worker:
    """The process, started when it is first asked and again after a crash."""

    def __init__(self, *forbidden: str) -> None:
        self._forbidden = forbidden
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stop()

    def ask(self, location: str, environ: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> str:
        """Return the answer to one task; a process that dies of it is an answer, too."""
        if self._process is None:
            self._process = self._start()
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"location": location, "environ": environ, "rows": rows}) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if answer:
            return answer
        self._stop()
        return json.dumps({"crashed": f"the process ended with {process.returncode}", "refused": None, "answers": {}})

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 (our own module)
            [sys.executable, "-m", "tests.zoo.worker", *self._forbidden],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore"},
            text=True,
        )

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with process:  # leaving closes the pipes, which ends the process, and waits for it
                pass


if __name__ == "__main__":
    main(sys.argv[1:])
