"""
A gate before a broker that asks who comes, since no broker that pip can install knows a user.

A client names its mechanism and proves itself. From then on the gate passes everything.

Source: Apache Kafka protocol guide, "SASL Authentication Sequence".
"""

import contextlib
import socket
import socketserver
import struct
from collections.abc import Iterator

from tests.kafka.broker import pass_on, serving
from tests.kafka.sasl_exchanges import MECHANISMS, Exchange, Refused, Users

_HANDSHAKE, _API_VERSIONS, _AUTHENTICATE = 17, 18, 36
_UNSUPPORTED, _FAILED = 33, 58


@contextlib.contextmanager
def sasl_gate(port: int, users: Users) -> Iterator[int]:
    """Give a port that leads *users* to the broker on *port*."""
    with serving(_Gate(port, users)) as open_port:
        yield open_port


class _Gate(socketserver.ThreadingTCPServer):
    """Each of its threads ends with its connection, at the latest when the broker does."""

    def __init__(self, port: int, users: Users) -> None:
        self.port, self.users = port, users
        super().__init__(("127.0.0.1", 0), _Connection)


class _Connection(socketserver.BaseRequestHandler):
    server: _Gate
    exchange: Exchange

    def handle(self) -> None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.server.port)) as broker:
            while not self._is_let_in(broker):
                pass
            pass_on(self.request, broker)

    def _is_let_in(self, broker: socket.socket) -> bool:
        """Answer one request; an OSError ends the connection."""
        request = _receive(self.request)
        kind, version, correlation, client = struct.unpack_from(">hhih", request)
        said = request[10 + max(client, 0) :]
        if kind == _API_VERSIONS:
            _send(broker, request)
            _send(self.request, _receive(broker))
            return False
        if kind == _HANDSHAKE:
            mechanism = MECHANISMS.get(said[2:].decode())
            names = b"".join(_text(name) for name in MECHANISMS)
            code = 0 if mechanism else _UNSUPPORTED
            _send(self.request, struct.pack(">ihi", correlation, code, len(MECHANISMS)) + names)
            self.exchange = (mechanism or MECHANISMS["PLAIN"])(self.server.users)
            next(self.exchange)
            return False
        if kind != _AUTHENTICATE or version > 1:
            raise ConnectionAbortedError(f"a client that is not known asks for {kind}")
        return self._proves(said[4:], correlation, b"\0" * 8 if version else b"")

    def _proves(self, said: bytes, correlation: int, lifetime: bytes) -> bool:
        code, why, answer, done = 0, struct.pack(">h", -1), b"", False
        try:
            answer = self.exchange.send(said)
        except StopIteration as ended:
            answer, done = ended.value, True
        except Refused as error:
            code, why = _FAILED, _text(str(error))
        sized = struct.pack(">i", len(answer)) + answer
        _send(self.request, struct.pack(">ih", correlation, code) + why + sized + lifetime)
        return done


def _text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


def _send(end: socket.socket, frame: bytes) -> None:
    end.sendall(struct.pack(">i", len(frame)) + frame)


def _receive(end: socket.socket) -> bytes:
    [size] = struct.unpack(">i", _exactly(end, 4))
    return _exactly(end, size)


def _exactly(end: socket.socket, size: int) -> bytes:
    data = end.recv(size, socket.MSG_WAITALL) if size else b""
    if len(data) < size:
        raise ConnectionAbortedError("the connection was closed")
    return data
