"""
The challenger's process, as the function sees it: started, told, asked, and killed.

The rule: it is a process, since nothing else can be ended whatever it does. A thread that hangs, or that holds the
interpreter's lock in C, would take the function with it.
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

import msgspec

from stream_consumer.challenger.channel import Channel, Start
from stream_consumer.settings import Settings

_MEGABYTE = 2**20
_KILOBYTE = 2**10
# Of the memory that the champion has never taken: the rest is for what the champion may still take.
_SHARE = 0.75
_REAP_SECONDS = 0.2
LONGEST_LOADED = 16 * _MEGABYTE
"""Bytes that tell of a model that is loaded: its columns, of which there may be many thousands."""
LONGEST_ANSWER = 16 * _KILOBYTE
"""Bytes of the answer to a batch: numbers, and a fault of 2,000 characters."""
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Process:
    """A running challenger."""

    def __init__(self, settings: Settings, environ: Mapping[str, str] = os.environ) -> None:
        """
        Start the process; it loads its model by itself.

        Raises:
            OSError: It cannot be started.
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
                    # What libraries print may quote a payload.
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    # Ctrl-C in a terminal is the function's to handle, and a kill takes what the process has started.
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
        Return its next message.

        Raises:
            OSError: The process has ended, or (TimeoutError) has not answered by *until*, or (TooLong) sends more than
                an answer has.
        """
        message = self._channel.receive(until, self._longest)
        self._longest = LONGEST_ANSWER
        return message

    def kill(self, grace: float) -> str:
        """End the process, whatever it does, after so many seconds of *grace*, and return how it has ended."""
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
    Return the bytes that the challenger may take: three quarters of what the function has and never took so far.

    Source: AWS Lambda developer guide, "Defined runtime environment variables": AWS_LAMBDA_FUNCTION_MEMORY_SIZE.
    """
    configured = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    memory = int(configured) * _MEGABYTE if configured.isdecimal() else machine
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KILOBYTE
    return max(0, int((memory - taken) * _SHARE))
