"""
The challenger's process from the function's side: start the process, send to it, receive from it, and kill it.

The rule: the challenger is a process, since only a process can be ended in any state. A thread that hangs, or holds the
interpreter's lock in C code, would block the function.
"""

import contextlib
import math
import os
import resource
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Mapping
from pathlib import Path

import msgspec

from stream_consumer.challenger.channel import Channel, Start
from stream_consumer.settings import Settings

_MEGABYTE = 2**20
_KILOBYTE = 2**10
# Share of the memory that the champion has never used. The rest is reserved for the champion's growth.
_SHARE = 0.75
_REAP_SECONDS = 0.2
LONGEST_LOADED = 16 * _MEGABYTE
"""Largest size in bytes of the message about a loaded model. A model may have many thousands of columns."""
LONGEST_ANSWER = 16 * _KILOBYTE
"""Largest size in bytes of the answer to a batch: numbers, and a fault of up to 2,000 characters."""
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Process:
    def __init__(self, settings: Settings, environ: Mapping[str, str] = os.environ) -> None:
        """
        Start the process. The process itself loads the model.

        Raises:
            OSError: The process cannot be started.
        """
        own, other = socket.socketpair()
        self._channel = Channel(own)
        self._longest = LONGEST_LOADED
        with other:
            try:
                self._child = subprocess.Popen(  # noqa: S603 (our own module)
                    [sys.executable, "-m", "stream_consumer.challenger.child", str(other.fileno())],
                    env={**_ONE_THREAD, **environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                    pass_fds=[other.fileno()],
                    # Libraries may print payloads.
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    # The function handles Ctrl-C in a terminal. Killing the session also ends the process's own
                    # children.
                    start_new_session=True,
                )
            except BaseException:
                own.close()
                raise
        self._end = weakref.finalize(self, _end, self._child, own)
        self.send(msgspec.msgpack.encode(Start(settings, memory_for_challenger(environ))), math.inf)

    def send(self, message: bytes, until: float) -> None:
        """
        Send *message* by *until* (of the monotonic clock).

        Raises:
            OSError: The process has ended, or does not read.
        """
        self._channel.send(message, until)

    def receive(self, until: float) -> bytes:
        """
        Return the next message of the process.

        Raises:
            OSError: The process has ended, or (TimeoutError) has not answered by *until*, or (TooLong) sends more bytes
                than an answer may have.
        """
        message = self._channel.receive(until, self._longest)
        self._longest = LONGEST_ANSWER
        return message

    def kill(self, grace: float) -> str:
        """End the process in any state, after *grace* seconds. Return a text about the end."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(grace)
        self._end()
        code = self._child.returncode
        if code is None:
            return "is being ended"
        return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def _end(child: "subprocess.Popen[bytes]", channel: socket.socket) -> None:
    channel.close()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_REAP_SECONDS)


def memory_for_challenger(environ: Mapping[str, str]) -> int:
    """
    Return the bytes of memory for the challenger: three quarters of the function's memory that was never used so far.

    Source: AWS Lambda developer guide, "Defined runtime environment variables": AWS_LAMBDA_FUNCTION_MEMORY_SIZE.
    """
    configured = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    memory = int(configured) * _MEGABYTE if configured.isdecimal() else machine
    return max(0, int((memory - peak_memory()) * _SHARE))


def peak_memory(status: Path = Path("/proc/self/status")) -> int:
    """
    Return the most bytes of memory that this program has had resident.

    getrusage counts from the peak of the process that started the program, so it only serves where the kernel's file
    *status* is missing or has no peak.

    Source: Linux manual pages, proc_pid_status(5), "VmHWM", and getrusage(2), "ru_maxrss".
    """
    with contextlib.suppress(OSError):
        for line in status.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * _KILOBYTE
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KILOBYTE
