"""The socket on which the server, or the workers of a parent, accept connections."""

import socket

from stream_consumer.errors import StreamConsumerError

BACKLOG = 2_048


class CannotListen(StreamConsumerError):
    """The address is in use, or does not belong to this machine."""


def listener(host: str, port: int) -> socket.socket:
    """
    Return a socket that listens at this address. Connections wait in its backlog until a server accepts them.

    Raises:
        CannotListen: The address is in use, or does not belong to this machine.
    """
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((host, port))
        # Two sockets may be bound to the same address until they listen.
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        raise CannotListen(
            f"cannot listen on {host}, port {port}: {error.strerror}; choose --host and --port"
        ) from error
    return made


def url(made: socket.socket) -> str:
    """Return the URL of the socket for clients."""
    host, port = made.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
