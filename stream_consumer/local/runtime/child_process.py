"""Child processes that never outlive this process: stopped as a group, killed by the kernel when this process dies."""

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
"""Wait for the last lines after the end. A grandchild may hold the pipe open for longer."""


class Child:
    """
    A running program in its own session, so that Ctrl-C in the terminal reaches only this process.

    Args:
        program: The program, by its full path, and its arguments.
        environment: All environment variables of the program.
        directory: Working directory of the program.
        on_line: Called from a separate thread with each line of output, stdout and stderr alike.
        on_exit: Called once when the program has ended.

    Raises:
        OSError: The program could not be started.
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
        """None while the program runs. Negative for the signal that ended the program."""
        return self._process.returncode if self._exited.is_set() else None

    def resident_bytes(self) -> int:
        """Return the memory of the program in bytes. 0 if unknown."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def signal(self, number: int) -> None:
        """Send a signal to the program and its children."""
        with suppress(ProcessLookupError, PermissionError):  # the program has ended
            os.killpg(self.pid, number)

    def stop(self, grace_seconds: float = 0.0) -> None:
        """End the program: ask, wait for *grace_seconds*, kill, reap."""
        if grace_seconds and not self._exited.is_set():
            self.signal(signal.SIGTERM)
            self._exited.wait(grace_seconds)
        self.signal(signal.SIGKILL)
        self._exited.wait(REAP_SECONDS)

    def _keep(self, started: "queue.SimpleQueue[subprocess.Popen[bytes] | OSError]") -> None:
        # For the kernel, the parent is the *thread* that starts a child. This thread must live as long as the child.
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
