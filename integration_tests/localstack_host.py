"""
Run by the interpreter of LocalStack's own environment: LocalStack without Docker, on loopback only.

The rule: what is patched here is how it starts and where it listens, never what a service answers.
"""

import sys
import threading

from twisted.internet import endpoints

_tcp4 = endpoints.TCP4ServerEndpoint


def _on_loopback(reactor: object, port: int, backlog: int = 50, interface: str = "") -> object:
    """Listen on loopback; LocalStack leaves the interface out, whatever GATEWAY_LISTEN says."""
    del interface
    return _tcp4(reactor, port, backlog, "127.0.0.1")


endpoints.TCP4ServerEndpoint = _on_loopback

_allocate = threading.Lock


class _Lock:
    """A class that makes locks: until Python 3.13 Lock is a function, and annotations say `Lock | None`."""

    def __new__(cls) -> object:  # type: ignore[misc]
        return _allocate()


if sys.version_info < (3, 13):
    threading.Lock = _Lock  # type: ignore[assignment]

if __name__ == "__main__":
    from localstack.runtime.main import main

    main()
