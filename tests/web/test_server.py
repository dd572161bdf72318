"""The real server: how it ends, what it does with slow, greedy and many clients, and MLflow's own client."""

import asyncio
import json
import math
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pandas as pd
import pytest
from uvicorn.server import ServerState

from stream_consumer.model import Model
from stream_consumer.models.loading import load_model
from stream_consumer.web import server as web_server
from stream_consumer.web.accepting import NONE
from stream_consumer.web.app import WebApp
from stream_consumer.web.listener import CannotListen, listener
from stream_consumer.web.slow_clients import Protocol
from tests.example_models import EXAMPLE
from tests.rides import ride_event
from tests.web.client import TOKEN, ServedModel, app, settings
from tests.web.loop import run
from tests.web.serving import PATIENCE, Address, Server, get, post, replies, reply, running, serving


@pytest.fixture(scope="module")
def server(rides_model: Path) -> Iterator[Server]:
    with serving(rides_model, "--token", TOKEN, WEB_MAX_BODY_BYTES="100000") as server:
        yield server
        assert server.stop() == 0


@pytest.fixture(scope="module")
def impatient() -> Iterator[Address]:
    """Only for what waits for its patience to end: on a busy machine anything may take longer than that."""
    with running(WEB_TIMEOUT_MS="300", WEB_TOKEN=TOKEN) as address:
        yield address


@contextmanager
def sent(address: Address, requests: Sequence[bytes]) -> Iterator[list[socket.socket]]:
    """Send each on a connection of its own."""
    with ExitStack() as stack:
        connections = [stack.enter_context(address.connect()) for _ in requests]
        for connection, request in zip(connections, requests, strict=True):
            connection.sendall(request)
        yield connections


def head(size: int) -> bytes:
    """Return a request whose path and headers are of so many bytes, in fields of some hundreds."""
    path, field = b"/healthz", b"X-Some: %b\r\n" % (b"x" * 490)
    fields, rest = divmod(size - len(path) - 100, len(field))
    return b"GET %b HTTP/1.1\r\n%bX-Rest: %b\r\n\r\n" % (path, field * fields, b"x" * (rest + 100 - 10))


def test_the_client_of_the_page_on_the_web_runs_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    page = Path(__file__).parents[2] / "docs" / "web.md"
    [block] = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    with running() as address:
        asked = block.replace("127.0.0.1:8080", f"{address.host}:{address.port}")
        exec(compile(asked, "block", "exec"), {})  # noqa: S102 (ours)
    predicted, refused = capsys.readouterr().out.splitlines()
    assert "'ride_id': 'mine-3.66'" in predicted
    assert refused == "Expected `float` >= 0.0"


class Unread(asyncio.Transport):
    """One whose peer never reads: the system's own buffers take more than a test could leave in ours."""

    written = b""
    closing = aborted = False
    reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def close(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


def connected() -> tuple[Protocol, Unread]:
    connection, transport = Protocol(web_server.Server(app(), settings()).config, ServerState(), {}), Unread()
    connection.connection_made(transport)
    return connection, transport


def until(condition: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came true")


def test_a_connection_serves_one_request_after_another(server: Server) -> None:
    with server.connect() as connection:
        for ride_id in (1, 2):
            connection.sendall(post(ride_event(ride_id)))
            status, body = reply(connection)
            assert (status, json.loads(body)["prediction"]["ride_id"]) == (200, ride_id)


def test_the_token_of_the_command_line_is_demanded(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(post(ride_event(1), token=TOKEN[:-1]))
        assert reply(connection)[0] == 401


def test_many_at_once_get_their_own(server: Server) -> None:
    def ask(first: int) -> bool:
        with server.connect() as connection:
            for ride_id in range(first, first + 25):
                connection.sendall(post(ride_event(ride_id)))
                if json.loads(reply(connection)[1])["prediction"]["ride_id"] != ride_id:
                    return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(0, 800, 100)))


def test_a_request_that_does_not_arrive_whole_is_turned_away(impatient: Address) -> None:
    parts = [b"", b"POST /predict HT", b"POST /predict HTTP/1.1\r\nHost: he", post(b'{"ri', length=100)]
    with sent(impatient, parts) as connections:
        for connection in connections:
            status, body = reply(connection)
            assert status == 408
            assert json.loads(body)["detail"] == "the request did not arrive whole within 0.3 s"
            assert connection.recv(1) == b""


def test_a_request_that_is_answered_early_gets_no_second_answer(impatient: Address) -> None:
    """The rest of it is waited for as long as for any, and the connection closed without a word."""
    unauthorized = post(b"{", length=10, token=TOKEN[:-1])
    of_another_type = post(b"{", length=10).replace(b"application/json", b"text/plain")
    nowhere = post(b"{", length=10).replace(b"/predict", b"/nothing")
    with sent(impatient, [unauthorized, of_another_type, nowhere, get("/healthz")]) as connections:
        *_, whole = connections
        assert reply(whole)[0] == 200
        whole.sendall(b"\r\n")  # begins no request, and does not keep the connection
        assert [replies(connection) for connection in connections] == [[401], [415], [404], []]


def test_an_idle_connection_may_stay(impatient: Address) -> None:
    with impatient.connect() as idle, impatient.connect() as watch:
        idle.sendall(get("/healthz"))
        assert reply(idle)[0] == 200
        assert reply(watch)[0] == 408, "slow requests were looked for"
        idle.sendall(get("/healthz"))
        assert reply(idle)[0] == 200


def test_a_client_that_does_not_read_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    with running(WEB_TIMEOUT_MS="300", WEB_MAX_CONNECTIONS="1") as server, server.connect() as connection:
        connection.sendall(get("/openapi.json") * 4_000)
        until(lambda: server.get("/healthz") == 200)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_so_is_one_that_leaves_the_last_bytes_before_the_end() -> None:
    async def aborted() -> list[bool]:
        connection, transport = connected()
        connection.pause_writing()
        connection.resume_writing()
        seen = []
        for patience in (0, 60, 0):  # the first is that of its request, which it did not send
            connection.watch(patience)
            seen.append(transport.aborted)
        return seen

    assert run(aborted()) == [False, False, True]


def test_what_the_server_refused_the_application_does_not_answer_too() -> None:
    async def written() -> bytes:
        connection, transport = connected()
        trailers = b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X-Some: \r\n" * 7_000
        connection.data_received(b"POST /predict HTTP/1.1\r\n" + trailers)
        await asyncio.gather(*connection.tasks)
        return transport.written

    assert re.findall(rb"HTTP/1.1 (\d+)", run(written())) == [b"431"]


@pytest.mark.parametrize(("size", "status"), [(65_536, 200), (65_537, 431)])
def test_a_head_of_64_kb_is_read_and_no_byte_more(size: int, status: int) -> None:
    with running() as server, server.connect() as connection:
        connection.sendall(get("/healthz"))
        assert reply(connection)[0] == 200, "and counts no more"
        connection.sendall(head(size))
        assert reply(connection)[0] == status


@pytest.mark.parametrize(
    ("begun", "more"),
    [
        pytest.param(b"GET /healthz HTTP/1.1\r\nX-Long: x", b"x" * 10, id="a field without end"),
        pytest.param(b"GET /healthz?", b"x" * 10, id="a path without end"),
        pytest.param(
            b"POST /predict HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\n[]\r\n0\r\n",
            b"X-Some: \r\n",
            id="trailers",
        ),
    ],
)
def test_more_is_turned_away_before_it_ends(begun: bytes, more: bytes) -> None:
    with running() as server, server.connect() as connection:
        connection.sendall(get("/healthz") + begun)
        assert reply(connection)[0] == 200, "that far it was read"
        connection.sendall(more * 6_500)
        connection.sendall(more * 100)
        assert replies(connection) == [431]


def test_a_body_does_not_count_as_the_head_of_the_next(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(post(b"", b"Expect: 100-continue", length=99_000))
        assert reply(connection)[0] == 100
        connection.sendall(ride_event(1).ljust(99_000) + b"POST")
        assert reply(connection)[0] == 200


@pytest.mark.parametrize(
    "behind",
    [
        pytest.param(b"\x16\x03\x01\x02\x00 no HTTP\r\n\r\n", id="no HTTP"),
        pytest.param(b"GET /healthz HTTP/9.9\r\n\r\n", id="HTTP of another version"),
        pytest.param(head(65_537), id="a head that is too large"),
        pytest.param(b"POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="a body that is none"),
        pytest.param(b"POST /predict HTTP/1.1\r\nContent-", id="a head that never ends"),
    ],
)
def test_a_good_request_gets_its_own_answer_whatever_comes_behind_it(behind: bytes) -> None:
    """Then the connection is closed: where the next request would begin nobody knows."""
    asked, decided = threading.Event(), threading.Event()

    def row(*_: float) -> float:
        asked.set()
        return float(decided.wait(PATIENCE))

    with running(app(ServedModel(row), 0), WEB_TIMEOUT_MS="3000") as server, server.connect() as connection:
        connection.sendall(post(ride_event(1)) + behind)
        assert asked.wait(PATIENCE)
        assert server.get("/healthz") == 200, "what came behind it was read"
        decided.set()
        assert replies(connection)[0] == 200


def test_every_good_request_before_the_bad_one_is_answered() -> None:
    async def written() -> bytes:
        connection, transport = connected()
        connection.data_received(get("/healthz") * 3 + b"no HTTP\r\n\r\n")
        while connection.tasks:
            await asyncio.gather(*connection.tasks)
            await asyncio.sleep(0)  # a task is forgotten by a callback, which runs when this one waits
        assert transport.closing
        return transport.written

    assert re.findall(rb"HTTP/1.1 (\d+)", run(written())) == [b"200"] * 3


def test_a_body_that_is_too_large_is_not_waited_for(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(post(b"", length=100_001))
        assert reply(connection)[0] == 413


@pytest.mark.parametrize("fields", [(), (b"Authorization: Bearer wrong",)], ids=["too large", "unauthorized as well"])
def test_a_client_that_sends_all_of_it_first_can_read_why_it_was_refused_and_ask_again(
    server: Server, fields: tuple[bytes, ...]
) -> None:
    """Were the connection closed on what it still sends, its system would throw the answer away."""
    with server.connect() as connection:
        connection.sendall(post(b" " * 30_000_000, *fields))
        status, body = reply(connection)
        assert status == (401 if fields else 413)
        assert json.loads(body)["status"] == status
        connection.sendall(post(ride_event(7)))
        assert reply(connection)[0] == 200


def test_as_many_connections_as_allowed_are_answered_and_one_more_is_not() -> None:
    with running(WEB_MAX_CONNECTIONS="2") as server, server.connect() as first, server.connect() as second:
        for connection in (first, second):
            connection.sendall(get("/healthz"))
            assert reply(connection)[0] == 200
        assert server.get("/healthz") == 503


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_that_it_will_end_and_answers_what_was_accepted(rides_model: Path, number: signal.Signals) -> None:
    """
    Until the time to drain is over, or a second signal comes, all is answered, and each connection then closed.

    SIGTERM ends it with 0; Ctrl-C with 130, as the shell has it. The terminal is told the address, no more.
    """
    body = ride_event(256)
    with serving(rides_model, WEB_DRAIN_SECONDS="900") as server, server.connect() as begun, server.connect() as idle:
        begun.sendall(post(body[:10], b"Expect: 100-continue", length=len(body)))
        assert reply(begun)[0] == 100, "its head was read"
        idle.sendall(post(ride_event(1)))
        assert reply(idle)[0] == 200
        server.process.send_signal(number)
        until(lambda: server.get("/readyz") == 503)
        with server.connect() as late:
            late.sendall(post(ride_event(1)))
            assert replies(late) == [200]
        server.process.terminate()
        assert idle.recv(1) == b""
        until(lambda: not server.accepts())
        begun.sendall(body[10:])
        status, content = reply(begun)
        assert (status, json.loads(content)["prediction"]["ride_id"]) == (200, 256)
        assert begun.recv(1) == b""
        _, said = server.process.communicate(timeout=PATIENCE)
        assert (server.process.returncode, said) == ((0, "") if number == signal.SIGTERM else (130, ANY))


def test_what_was_sent_before_the_end_is_read_though_there_is_no_time_to_drain() -> None:
    server = web_server.Server(app(), settings())
    server.should_exit = True

    async def ends() -> list[bool]:
        return [await server.on_tick(1), await server.on_tick(2)]

    assert run(ends()) == [False, True]


@pytest.mark.process
def test_grace_is_bounded(rides_model: Path) -> None:
    with serving(rides_model, "--grace-seconds", "0") as server, server.connect() as begun:
        begun.sendall(post(b"{", b"Expect: 100-continue", length=10))
        assert reply(begun)[0] == 100, "its head was read"
        assert server.stop() == 0


@pytest.mark.process
def test_a_port_that_is_taken_is_said_to_be() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1, port {port}: Address already"):
            listener("127.0.0.1", port)


@pytest.mark.process
def test_mlflows_own_client_finds_what_it_expects(boosted_rides_model: Path) -> None:
    """On a server as SageMaker starts it, whose calls are the same: by the environment alone, without a token."""
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient  # noqa: PLC0415 (seconds)

    with serving(boosted_rides_model, WEB_HOST="0.0.0.0", WEB_NO_AUTH="true") as server:  # noqa: S104 (as docs/web.md has it)
        client = ScoringServerClient("127.0.0.1", server.port)  # type: ignore[no-untyped-call]
        client.wait_server_ready(timeout=30, scoring_server_proc=server.process)  # type: ignore[no-untyped-call]
        frame = pd.DataFrame(EXAMPLE)
        by_frame = client.invoke(frame).get_predictions()
        by_rows = client.invoke([list(row) for row in zip(*EXAMPLE.values(), strict=True)]).get_predictions()
        assert by_frame.to_numpy().ravel().tolist() == by_rows.to_numpy().ravel().tolist()
        assert len(by_frame) == 2
        with pytest.raises(Exception, match=r"Invocation failed \(error code 400.*BAD_REQUEST"):
            client.invoke(frame * -1)
        assert json.loads(client.get_version())["model"] == "ride-duration"  # type: ignore[no-untyped-call]


class Watching:
    """A parent that is told what it would be, with one worker beside this one."""

    slot = 0

    def __init__(self) -> None:
        self.connections = [NONE, 0]
        self.is_serving, self.beats, self.is_gone = threading.Event(), 0, False

    def serving(self) -> None:
        self.is_serving.set()

    def beat(self) -> None:
        self.beats += 1

    def gone(self) -> bool:
        return self.is_gone


@contextmanager
def worker(parent: Watching, application: WebApp | None = None) -> Iterator[tuple[Address, web_server.Server]]:
    """Run a worker in a thread, with a fake model; the test ends it."""
    accepting = listener("127.0.0.1", 0)
    address = Address(*accepting.getsockname())
    server = web_server.Server(application or app(), settings(), parent)
    thread = threading.Thread(target=server.run, args=([accepting],))
    thread.start()
    try:
        assert parent.is_serving.wait(PATIENCE)
        yield address, server
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_a_worker_that_is_replaced_answers_on_the_connections_it_has_and_accepts_no_more() -> None:
    parent = Watching()
    with worker(parent) as (address, server), address.connect() as connection:
        connection.sendall(get("/healthz"))
        assert reply(connection)[0] == 200
        server.retire()
        until(lambda: parent.connections[0] == NONE)
        with address.connect():  # which waits at the socket for another worker
            connection.sendall(get("/readyz"))
            assert replies(connection) == [200], "and it closes"
            assert not server.server_state.connections


def test_a_signal_whose_exception_is_dropped_while_the_model_is_loaded_ends_it_all_the_same(
    monkeypatch: pytest.MonkeyPatch, rides_model: Path
) -> None:
    """A library may catch every exception. The server would ignore SIGTERM from then on, and serve."""
    load = load_model

    def loading(*arguments: Any, **options: Any) -> Model:
        with suppress(SystemExit):
            signal.raise_signal(signal.SIGTERM)
        return load(*arguments, **options)

    monkeypatch.setattr(web_server, "load_model", loading)
    monkeypatch.setattr(web_server.Server, "run", lambda *_: pytest.fail("it serves"))
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            web_server.serve(settings(MODEL_LOCATION=str(rides_model), WEB_PORT="0"), lambda *_: None)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == 0


def test_a_worker_without_connections_leaves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "RETIRE_SECONDS", 3_600)
    with worker(Watching()) as (_, server):
        server.retire()


def test_a_worker_whose_parent_has_died_ends() -> None:
    parent = Watching()
    with worker(parent) as (address, _):
        parent.is_gone = True
        until(lambda: not address.accepts())


def test_a_worker_says_each_second_that_it_is_well_unless_its_model_call_does_not_end() -> None:
    application = app()

    async def beats() -> list[int]:
        parent = Watching()
        server = web_server.Server(application, settings(), parent)
        seen = []
        for stuck_from in (math.inf, 0.0):
            application._batcher._stuck_from = stuck_from  # noqa: SLF001 (a call that never ends would have to be waited for)
            await server._watch()  # noqa: SLF001 (uvicorn's own tick calls it)
            seen.append(parent.beats)
        return seen

    assert run(beats()) == [1, 1]
