"""
Share the connections of a single listening socket between workers.

The rule: the worker with the fewest connections accepts the next. With uvloop alone, the first worker to wake up
accepts all waiting connections: of 8 connections that wrk opened at once, one of two workers got all 8. With a socket
for each worker (``SO_REUSEPORT``) the kernel would spread connections, but lose those waiting at the socket of a dying
worker.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, MutableSequence

_log = logging.getLogger(__name__)

NONE = -1
"""The number in the slot of a worker that accepts no connections, or of no worker."""

# Time for a healthy worker with fewer connections to wake up.
_COURTESY_SECONDS = 0.002
# asyncio waits for the same time when the process has no file descriptors left.
_TROUBLE_SECONDS = 1.0

_GONE_ALREADY = (BlockingIOError, InterruptedError, ConnectionAbortedError)


class Acceptor:
    """
    Accepts a worker's share of connections. The interface for closing is the same as that of asyncio's servers.

    Args:
        listener: The socket shared by all workers.
        connect: Makes the protocol of a connection.
        connections: Returns the number of this worker's connections.
        counts: The number of connections in each slot, in memory shared by all workers.
        slot: The slot of this worker.
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
        """Publish the number of this worker's connections to the other workers."""
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
        """Handle a waiting connection. The event loop calls this method in every worker."""
        self.tell()
        if self._counts[self._slot] > min(count for count in self._counts if count != NONE):
            self._wait(_COURTESY_SECONDS)
        else:
            self._accept()

    def _wait(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        """Accept a connection that the other workers left waiting."""
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
