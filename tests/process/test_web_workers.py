"""The workers of ``serve --workers`` killed, frozen, replaced and stopped, under load: who loses what."""

import contextlib
import http.client
import itertools
import json
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stream_consumer.models.files import directory_digest
from stream_consumer.models.skops_file import load_skops
from tests.example_models import changed
from tests.rides import ride_event
from tests.web.serving import PATIENCE, ROOT, Server, get, post, ready, reply, serving, starting

pytestmark = pytest.mark.process

CLIENTS = 8

# A thread of others, before anything of ours runs: then the parent cannot be forked with its model.
_SECOND_THREAD = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"


@contextlib.contextmanager
def two_workers(model: Path, *arguments: str, **environ: str) -> Iterator[Server]:
    """Serve, and look that nothing is left behind by a parent that was not killed."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        with serving(model, "--workers", "2", *arguments, TMPDIR=folder, **environ) as server:
            yield server
        assert server.process.returncode == -signal.SIGKILL or not any(Path(folder).iterdir())


GONE = (FileNotFoundError, ProcessLookupError)
"""What reading /proc raises of a process that has just ended."""


def children(server: Server) -> dict[int, bytes]:
    """Return the processes that serve, with their command lines."""
    parent = server.process.pid
    running = {}
    for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        with contextlib.suppress(*GONE):
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"resource_tracker" not in command:
                running[int(pid)] = command
    return running


def workers(server: Server) -> set[int]:
    return set(children(server))


def spawned(server: Server) -> list[bool]:
    """Return of each worker whether it is no fork of its parent."""
    return [b"multiprocessing.spawn" in command for command in children(server).values()]


def until(condition: Callable[[], bool]) -> None:
    for _ in range(18_000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came true")


@dataclass
class Load:
    """Clients that ask one ride after another, each on a connection that it keeps while the server does."""

    answered: int = 0
    lost: int = 0
    """Requests whose connection was closed before an answer came."""


@contextlib.contextmanager
def load(server: Server) -> Iterator[Load]:
    """
    Keep asking; when the load ends every client has ended as it should.

    A request that gets another answer than its own prediction, and a connection that is refused, fail the test.
    """
    done, seen, lock, ids = threading.Event(), Load(), threading.Lock(), itertools.count(1)

    def ask_until_closed() -> None:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.connect()
            while not done.is_set():
                ride_id = next(ids)
                try:
                    connection.request("POST", "/predict", ride_event(ride_id), {"Content-Type": "application/json"})
                    answer = connection.getresponse()
                    body = answer.read()
                except (ConnectionError, http.client.IncompleteRead):
                    with lock:
                        seen.lost += 1
                    return
                assert (answer.status, json.loads(body)["prediction"]["ride_id"]) == (200, ride_id)
                with lock:
                    seen.answered += 1
                if answer.will_close:
                    return

    def client() -> None:
        while not done.is_set():
            ask_until_closed()

    with ThreadPoolExecutor(CLIENTS) as threads:
        clients = [threads.submit(client) for _ in range(CLIENTS)]
        try:
            until(lambda: seen.answered > 10 * CLIENTS)
            yield seen
        finally:
            done.set()
        for each in clients:
            each.result(PATIENCE)


@pytest.fixture(params=["forked", "spawned"])
def server(request: pytest.FixtureRequest, rides_model: Path, tmp_path: Path) -> Iterator[Server]:
    environ = {"MODEL_DIGEST": directory_digest(rides_model)}
    if request.param == "spawned":
        (tmp_path / "sitecustomize.py").write_text(_SECOND_THREAD, encoding="utf-8")
        environ["PYTHONPATH"] = str(tmp_path)
    with two_workers(rides_model, **environ) as server:
        assert spawned(server) == [request.param == "spawned"] * 2
        yield server


def replaced(server: Server, before: set[int]) -> Callable[[], bool]:
    """Return whether two other workers than those serve."""

    def holds() -> bool:
        return len(now := workers(server)) == 2 and now.isdisjoint(before) and metrics(server)[WORKERS] == 2

    return holds


WORKERS, PREDICTIONS = "stream_consumer_workers", 'stream_consumer_items_total{outcome="prediction"}'


def metrics(server: Server) -> dict[str, float]:
    with server.connect() as connection:
        connection.sendall(get("/metrics"))
        _, text = reply(connection)
    return {name.decode(): float(value) for name, value in re.findall(rb"^(stream_\S+) (\S+)$", text, re.MULTILINE)}


def test_a_worker_killed_under_load_loses_what_was_in_its_hands_and_is_replaced(server: Server) -> None:
    """A client loses the one request that it waits for at most, and sees the connection closed."""
    before = workers(server)
    killed = min(before)
    with load(server) as seen:
        os.kill(killed, signal.SIGKILL)
        answered = seen.answered
        until(lambda: len(workers(server) - {killed}) == 2 and metrics(server)[WORKERS] == 2)
        until(lambda: seen.answered > answered + 10 * CLIENTS)
    assert seen.lost <= CLIENTS
    [folder] = server_directories(server)
    copies = list(folder.parent.rglob("MLmodel"))
    assert len(copies) == 1 + sum(spawned(server)), "the pinned model's copies of those that run"
    assert server.stop() == 0


def test_what_waits_at_the_socket_when_a_worker_dies_is_answered_by_the_others(server: Server) -> None:
    first, second = workers(server)
    for pid in (first, second):
        os.kill(pid, signal.SIGSTOP)
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(server.connect()) for _ in range(20)]
        for ride_id, connection in enumerate(waiting):
            connection.sendall(post(ride_event(ride_id)))
        os.kill(first, signal.SIGKILL)
        os.kill(second, signal.SIGCONT)
        assert [json.loads(reply(connection)[1])["prediction"]["ride_id"] for connection in waiting] == [*range(20)]


def test_sighup_under_load_replaces_every_worker_and_drops_nothing(server: Server) -> None:
    before = workers(server)
    with load(server) as seen:
        server.process.send_signal(signal.SIGHUP)
        until(replaced(server, before))
        answered = seen.answered
        until(lambda: seen.answered > answered + 10 * CLIENTS)
    assert seen.lost == 0
    assert metrics(server)[PREDICTIONS] == seen.answered, "of old workers and new ones"
    assert server.stop() == 0


def test_sighup_serves_the_model_that_is_there_now_and_keeps_the_old_one_if_it_is_broken(
    rides_model: Path, trips_model: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    model.symlink_to(rides_model)
    with two_workers(model) as server:
        before = workers(server)
        model.unlink()
        server.process.send_signal(signal.SIGHUP)
        assert server.process.stderr is not None
        assert "the workers are not replaced: there is no MLflow model at" in server.process.stderr.readline()
        assert workers(server) == before
        model.symlink_to(trips_model)
        server.process.send_signal(signal.SIGHUP)
        until(replaced(server, before))
        assert len([name for name in metrics(server) if "model_info" in name]) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_to_stop_finishes_what_every_worker_has_accepted(
    rides_model: Path, number: signal.Signals, code: int
) -> None:
    body = ride_event(256)
    with two_workers(rides_model) as server, contextlib.ExitStack() as stack:
        begun = [stack.enter_context(server.connect()) for _ in range(8)]
        for connection in begun:
            connection.sendall(post(body[:10], b"Expect: 100-continue", length=len(body)))
            assert reply(connection)[0] == 100, "its head was read"
        server.process.send_signal(number)
        until(lambda: not server.accepts())
        for connection in begun:
            connection.sendall(body[10:])
        assert [reply(connection)[0] for connection in begun] == [200] * 8
        assert server.process.wait(PATIENCE) == code


def server_directories(server: Server) -> set[Path]:
    """Return the folders of the metrics' files that the workers have open."""
    opened = set()
    for path in (path for pid in workers(server) for path in Path(f"/proc/{pid}/fd").iterdir()):
        with contextlib.suppress(*GONE):  # a connection closed meanwhile
            opened.add(path.readlink())
    return {path.parent for path in opened if path.suffix == ".db"}


def test_workers_end_when_their_parent_is_killed(server: Server) -> None:
    """Otherwise they would hold the port, and nobody would watch them."""
    server.process.kill()
    server.process.wait(PATIENCE)
    until(lambda: not server.accepts())


def test_workers_that_freeze_are_no_reason_not_to_stop(rides_model: Path) -> None:
    """They are killed once they had the time that a worker has; here a second signal would do nothing."""
    with two_workers(rides_model, WEB_GRACE_SECONDS="0") as server:
        for pid in workers(server):
            os.kill(pid, signal.SIGSTOP)
        assert server.stop() == 0


@pytest.mark.parametrize("arguments", [("--model", "nowhere"), ("--port", "taken")])
def test_workers_that_cannot_start_are_one_line_of_error(
    rides_model: Path, arguments: tuple[str, str], tmp_path: Path
) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        option, value = arguments[0], port if arguments[1] == "taken" else str(tmp_path)
        command = [sys.executable, "-m", "stream_consumer", "serve", "--workers", "2", option, value]
        environ = {"PATH": os.environ["PATH"], "MODEL_LOCATION": str(rides_model), "WEB_PORT": "0"}
        ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)  # noqa: S603 (ours)
    assert ran.returncode == 1
    assert len(ran.stderr.strip().splitlines()) == 1, ran.stderr
    assert ("there is no MLflow model at" if option == "--model" else "cannot listen on") in ran.stderr


@dataclass
class HeldModel:
    """A pinned model whose loading waits until the test lets it go on."""

    path: Path
    gate: socket.socket
    """Each loading connects to it, and goes on when the connection is closed."""
    environ: dict[str, str]
    temporary: Path
    """The process's ``TMPDIR``."""

    @contextlib.contextmanager
    def loading(self) -> Iterator[None]:
        """Wait until a process loads it, and let that go on in the end."""
        connection, _ = self.gate.accept()
        with connection:
            yield


@pytest.fixture
def held(rides_model: Path, tmp_path: Path) -> Iterator[HeldModel]:
    estimator = load_skops(rides_model / "model.skops", "here", pinned=False)

    class Gate:
        def __reduce__(self) -> Any:
            names = {"gate": gate.getsockname(), "estimator": estimator}
            return eval, ("__import__('socket').create_connection(gate).recv(1) or estimator", names)

    def pickled(content: dict[str, Any]) -> None:
        content["flavors"]["sklearn"]["serialization_format"] = "cloudpickle"

    with socket.create_server(("127.0.0.1", 0)) as gate:
        gate.settimeout(PATIENCE)
        path = changed(rides_model, tmp_path / "held", pickled)
        (path / "model.skops").write_bytes(pickle.dumps(Gate()))
        (temporary := tmp_path / "temporary").mkdir()
        environ = {"MODEL_DIGEST": directory_digest(path), "TMPDIR": str(temporary)}
        yield HeldModel(path, gate, environ, temporary)


def test_sighup_while_the_model_is_loaded_loads_it_again_and_each_reload_says_what_is_served(held: HeldModel) -> None:
    """Of the pinned model there is one copy, and nothing when it has ended."""
    digest = held.environ["MODEL_DIGEST"]
    with starting(held.path, "--workers", "2", **held.environ) as process:
        with held.loading():
            process.send_signal(signal.SIGHUP)
        with held.loading():
            process.send_signal(signal.SIGHUP)
        with held.loading():
            pass
        server = ready(process)
        assert process.stderr is not None
        for _ in range(3):
            process.send_signal(signal.SIGHUP)
            with held.loading():
                pass
            told = f"serving ride-duration {digest[:12]} (digest {digest}) on http://{server.host}:{server.port} "
            assert process.stderr.readline().startswith(told)
            assert len(workers(server)) == 2
            assert len(list(held.temporary.rglob("MLmodel"))) == 1
        assert (server.stop(), list(held.temporary.iterdir())) == (0, [])


@pytest.mark.parametrize(
    ("count", "number", "code"), [("1", signal.SIGTERM, 0), ("2", signal.SIGTERM, 0), ("2", signal.SIGINT, 130)]
)
def test_a_signal_to_stop_while_the_model_is_loaded_ends_it_at_once_and_leaves_nothing(
    held: HeldModel, count: str, number: signal.Signals, code: int
) -> None:
    with starting(held.path, "--workers", count, **held.environ) as process, held.loading():
        assert list(held.temporary.iterdir()) != []
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE)
    assert (process.returncode, said, list(held.temporary.iterdir())) == (code, "", [])


def test_a_signal_to_stop_ends_a_reload_and_the_workers(held: HeldModel) -> None:
    with starting(held.path, "--workers", "2", **held.environ) as process:
        with held.loading():
            pass
        server = ready(process)
        process.send_signal(signal.SIGHUP)
        with held.loading():
            assert (server.stop(), list(held.temporary.iterdir())) == (0, [])
