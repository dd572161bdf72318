"""How workers share the connections to one socket: here two of them in one event loop, over loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager

import pytest

from stream_consumer.web.accepting import NONE, Acceptor
from stream_consumer.web.listener import listener
from tests.web.loop import run


class Kept(asyncio.Protocol):
    """A connection that its worker keeps for as long as the client does."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker

    def connection_made(self, _transport: asyncio.BaseTransport) -> None:
        self._worker.connections += 1

    def connection_lost(self, _error: Exception | None) -> None:
        self._worker.connections -= 1


class Worker:
    """One of several; it accepts from the start."""

    def __init__(self, accepting: socket.socket, counts: list[int], slot: int) -> None:
        self.connections = 0
        self.acceptor = Acceptor(accepting, lambda: Kept(self), lambda: self.connections, counts, slot)


@asynccontextmanager
async def connected(clients: int, counts: list[int], workers: int = 2) -> AsyncIterator[list[Worker]]:
    """Let so many *clients* connect before any worker looks."""
    with listener("127.0.0.1", 0) as accepting, ExitStack() as stack:
        running = [Worker(stack.enter_context(accepting.dup()), counts, slot) for slot in range(workers)]
        for _ in range(clients):
            stack.enter_context(socket.create_connection(accepting.getsockname()))
        yield running
        for worker in running:
            worker.acceptor.close()
            await worker.acceptor.wait_closed()
        stack.close()
        await until(lambda: not any(worker.connections for worker in running))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 (what comes over a socket sets no event)
            await asyncio.sleep(0)


def test_connections_that_come_at_once_are_shared_equally() -> None:
    async def shared() -> list[int]:
        async with connected(9, counts := [NONE] * 3) as (first, second):
            await until(lambda: first.connections + second.connections == 9)
            await until(lambda: counts == [first.connections, second.connections, NONE])
            return sorted(counts)

    assert asyncio.run(shared()) == [NONE, 4, 5]


def test_a_connection_is_taken_even_if_the_worker_with_fewer_does_not_respond() -> None:
    async def taken() -> None:
        async with connected(3, [NONE, 0], workers=1) as [worker]:  # slot 1 has 0, and never accepts
            await until(lambda: worker.connections == 3)

    asyncio.run(taken())


def test_a_worker_that_has_closed_accepts_nothing_more_and_is_left_out_of_the_count() -> None:
    async def left() -> list[int]:
        async with connected(4, counts := [NONE] * 3) as (first, second):
            first.acceptor.close()
            first.acceptor.tell()
            await until(lambda: second.connections == 4)
            return [first.connections, counts[0]]

    assert asyncio.run(left()) == [0, NONE]


class Exhausted(socket.socket):
    """A listener of a process that has no file descriptors left, once."""

    refusals = 1

    def accept(self) -> tuple[socket.socket, object]:
        if self.refusals:
            self.refusals -= 1
            raise OSError(24, "Too many open files")
        return super().accept()


def test_a_worker_without_file_descriptors_says_so_and_accepts_a_second_later(caplog: pytest.LogCaptureFixture) -> None:
    """Without the pause it would try, and log, thousands of times a second."""

    async def accepted() -> float:
        loop = asyncio.get_running_loop()
        with Exhausted(fileno=listener("127.0.0.1", 0).detach()) as accepting:
            worker = Worker(accepting, [NONE], 0)
            with socket.create_connection(accepting.getsockname()):
                started = loop.time()
                await until(lambda: worker.connections == 1)
                passed = loop.time() - started
            worker.acceptor.close()
            await until(lambda: worker.connections == 0)
            return passed

    assert run(accepted()) >= 1.0
    assert caplog.messages == ["cannot accept connections: [Errno 24] Too many open files"]
