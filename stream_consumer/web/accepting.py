"""
How workers share the connections that come to their one socket.

The rule: the worker with the fewest connections takes the next. Left to uvloop, the first worker to wake up takes all
that wait: of 8 connections that wrk opened at once one of two workers had 8. With a socket for each worker
(``SO_REUSEPORT``) the kernel would spread them, and lose those that wait at the socket of a worker that dies.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, MutableSequence

_log = logging.getLogger(__name__)

NONE = -1
"""The number of connections of a slot without a worker that accepts any."""

# A worker with fewer connections, if it is well, has woken up by then.
_COURTESY_SECONDS = 0.002
# For which asyncio waits, too, when the process has no file descriptors left.
_TROUBLE_SECONDS = 1.0

_GONE_ALREADY = (BlockingIOError, InterruptedError, ConnectionAbortedError)


class Acceptor:
    """
    One worker's part in accepting. It is closed as asyncio's servers are.

    Args:
        listener: The socket of all workers.
        connect: Makes the protocol of a connection.
        connections: Returns how many connections this worker has.
        counts: The connections of each slot, in memory that all workers share.
        slot: This worker's.
    """

    def __init__(
        self,
        listener: socket.socket,
        connect: Callable[[], asyncio.Protocol],
        connections: Callable[[], int],
        counts: MutableSequence[int],
        slot: int,
    ) -> None:
        self._listener, self._connect, self._connections = listener, connect, connections
        self._counts, self._slot = counts, slot
        self._loop = asyncio.get_running_loop()
        self._connecting: set[asyncio.Task[object]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._open = True
        listener.setblocking(False)  # noqa: FBT003 (its only argument)
        self.tell()
        self._loop.add_reader(listener, self._look)

    def tell(self) -> None:
        """Tell the other workers how many connections this one has."""
        if self._open:
            self._counts[self._slot] = self._connections() + len(self._connecting)

    def close(self) -> None:
        if not self._open:
            return
        self._open = False
        self._counts[self._slot] = NONE
        self._loop.remove_reader(self._listener)
        if self._pause:
            self._pause.cancel()

    async def wait_closed(self) -> None:
        await asyncio.gather(*self._connecting, return_exceptions=True)

    def _look(self) -> None:
        """A connection waits. Every worker is told so."""
        self.tell()
        if self._counts[self._slot] > min(count for count in self._counts if count != NONE):
            self._wait(_COURTESY_SECONDS)
        else:
            self._accept()

    def _wait(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        """Take what the others left."""
        self._pause = None
        self._accept()
        if self._pause is None:
            self._loop.add_reader(self._listener, self._look)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except _GONE_ALREADY:
            return
        except OSError as error:
            _log.error("cannot accept connections: %s", error)
            self._wait(_TROUBLE_SECONDS)
            return
        connection.setblocking(False)  # noqa: FBT003 (its only argument)
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._connect, connection))
        self._connecting.add(task)
        task.add_done_callback(self._connected)
        self.tell()

    def _connected(self, task: asyncio.Task[object]) -> None:
        self._connecting.discard(task)
        self.tell()
