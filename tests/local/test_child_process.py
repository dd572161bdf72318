"""Child processes, and the loopback Runtime API where a misbehaving worker is hard to stage with a real one."""

import http.client
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from stream_consumer.local.mapping.events import (
    Checkpointed,
    Counts,
    DeliveryFailed,
    GivenUp,
    Invoked,
    Read,
    ReadingFailed,
    ShardFinished,
    ShardStarted,
    Tally,
    unobserved,
)
from stream_consumer.local.runtime import parent_death
from stream_consumer.local.runtime.child_process import Child
from stream_consumer.local.runtime.runtime_api import PREFIX, Request, RuntimeApi
from tests.local.fakes import fail, throttle


def child(*program: str) -> tuple[Child, list[str], threading.Event]:
    lines: list[str] = []
    exited = threading.Event()
    made = Child(program, environment={}, directory=Path.cwd(), on_line=lines.append, on_exit=exited.set)
    return made, lines, exited


def test_a_child_is_asked_before_it_is_killed() -> None:
    script = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(4)); print('up'); time.sleep(60)"
    )
    made, lines, exited = child(sys.executable, "-uc", script)
    while not lines:
        threading.Event().wait(0.01)

    made.stop(grace_seconds=10)

    assert exited.is_set()
    assert made.returncode == 4
    assert made.resident_bytes() == 0


def test_a_child_that_does_not_listen_is_killed() -> None:
    made, _, _ = child(sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)")

    made.stop(grace_seconds=0.1)

    assert made.returncode in {-9, -15}  # the latter if it was asked before it could refuse


def test_a_program_that_cannot_be_started_says_so() -> None:
    made, lines, exited = child("/no/such/program")
    assert exited.wait(10)

    assert made.returncode == 1
    assert "No such file or directory: '/no/such/program'" in lines[-1] or "FileNotFoundError" in lines[-1]


def test_a_folder_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        Child([sys.executable], environment={}, directory=Path("/no/such/folder"), on_line=print, on_exit=lambda: None)


def test_a_child_whose_parent_is_gone_does_not_begin() -> None:
    started = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, parent_death.__file__, str(os.getpid() + 1), sys.executable, "-c", "print('began')"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert started.stdout == ""
    assert "the parent died before its child could begin" in started.stderr


# The Runtime API


@pytest.fixture
def connection(api: RuntimeApi) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection(api.address, timeout=10)) as made:
        yield made


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    with closing(RuntimeApi(lambda: None)) as made:
        yield made


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", f"{PREFIX}invocation/unknown", 404),
        ("POST", f"{PREFIX}invocation/unknown", 404),
        ("POST", f"{PREFIX}invocation/not-at-hand/response", 400),
        ("POST", f"{PREFIX}invocation/not-at-hand/error", 400),
    ],
)
def test_what_no_worker_should_ask_is_refused(
    method: str, path: str, status: int, connection: http.client.HTTPConnection
) -> None:
    connection.request(method, path, body=b"{}")

    assert connection.getresponse().status == status


def test_half_an_answer_is_none(api: RuntimeApi, connection: http.client.HTTPConnection) -> None:
    """A worker killed while it answers has not answered."""
    api.offer(Request("one", b"{}", "arn", 0))
    connection.request("GET", f"{PREFIX}invocation/next")
    assert connection.getresponse().read() == b"{}"
    host, port = api.address.split(":")
    with socket.create_connection((host, int(port))) as dying:
        dying.sendall(f"POST {PREFIX}invocation/one/response HTTP/1.1\r\nContent-Length: 100\r\n\r\n[]".encode())
        dying.shutdown(socket.SHUT_WR)
        assert dying.recv(1000) == b""

    assert api.answer is None


def test_an_error_that_is_no_document_is_kept_as_it_is(api: RuntimeApi, connection: http.client.HTTPConnection) -> None:
    connection.request("POST", f"{PREFIX}init/error", body=b"\xffsomething else")

    assert connection.getresponse().status == 202
    assert api.init_error is not None
    assert (api.init_error.error_type, api.init_error.message) == ("Runtime.Unknown", "\ufffdsomething else")


# Counts


def test_every_event_is_counted() -> None:
    tally = Tally()
    for event in (
        ShardStarted("shard"),
        Read("shard", 5, 0),
        ReadingFailed("shard", "reason", 1.0),
        Invoked("shard", 5, fail(), 0.1, 2.5),
        Invoked("shard", 5, throttle(), 0.1, 3.5),
        DeliveryFailed("shard", "reason", 1.0),
        GivenUp("shard", 2, "RetryAttemptsExhausted"),
        Checkpointed("shard", 5, "9"),
        ShardFinished("shard"),
    ):
        tally(event)
        unobserved(event)

    assert tally.counts == Counts(
        shards_started=1,
        invocations=2,
        errors=1,
        throttles=1,
        records_settled=5,
        records_discarded=2,
        iterator_age_seconds=3.5,
    )
