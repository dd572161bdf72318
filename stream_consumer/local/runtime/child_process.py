"""Child processes that never outlive this one: stopped as a group, killed by the kernel when this process dies."""

import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from stream_consumer.local.runtime import parent_death

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

REAP_SECONDS = 10.0
"""A killed process is gone sooner, unless the kernel itself is stuck."""

OUTPUT_SECONDS = 1.0
"""For the last lines after the end; a child of the child may hold the pipe open for longer."""


class Child:
    """
    A running program in a session of its own, so that Ctrl-C in the terminal is ours to handle.

    Args:
        program: The program and its arguments; the program by its full path.
        environment: All of its environment variables.
        on_line: Called with each line of its output, stdout and stderr alike, from a thread of its own.
        on_exit: Called once when it has ended.

    Raises:
        OSError: It could not be started.
    """

    def __init__(
        self,
        program: "Sequence[str]",
        *,
        environment: "Mapping[str, str]",
        directory: Path,
        on_line: "Callable[[str], object]",
        on_exit: "Callable[[], None]",
    ) -> None:
        self._command = [sys.executable, "-IS", str(Path(parent_death.__file__)), str(os.getpid()), *program]
        self._environment = dict(environment)
        self._directory = directory
        self._on_line = on_line
        self._on_exit = on_exit
        self._exited = threading.Event()
        started: queue.SimpleQueue[subprocess.Popen[bytes] | OSError] = queue.SimpleQueue()
        threading.Thread(target=self._keep, args=(started,), name="keeper", daemon=True).start()
        process = started.get()
        if isinstance(process, OSError):
            raise process
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative for the signal that ended it."""
        return self._process.returncode if self._exited.is_set() else None

    def resident_bytes(self) -> int:
        """Memory it occupies; 0 where that is not to be known."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def signal(self, number: int) -> None:
        """Send a signal to it and its own children."""
        with suppress(ProcessLookupError, PermissionError):  # it has ended
            os.killpg(self.pid, number)

    def stop(self, grace_seconds: float = 0.0) -> None:
        """End it: ask, wait so long, kill, reap."""
        if grace_seconds and not self._exited.is_set():
            self.signal(signal.SIGTERM)
            self._exited.wait(grace_seconds)
        self.signal(signal.SIGKILL)
        self._exited.wait(REAP_SECONDS)

    def _keep(self, started: "queue.SimpleQueue[subprocess.Popen[bytes] | OSError]") -> None:
        # The kernel takes the *thread* that starts a child for its parent: it has to live as long as the child does.
        try:
            process = subprocess.Popen(  # noqa: S603 - a program of our own choosing, no shell
                self._command,
                env=self._environment,
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            started.put(error)
            return
        pump = threading.Thread(target=self._pump, args=(process.stdout,), name=f"output-{process.pid}", daemon=True)
        pump.start()
        started.put(process)
        process.wait()
        pump.join(OUTPUT_SECONDS)
        self._exited.set()
        self._on_exit()

    def _pump(self, output: "IO[bytes]") -> None:
        with output:
            for line in output:
                self._on_line(line.decode(errors="replace").rstrip("\n"))
