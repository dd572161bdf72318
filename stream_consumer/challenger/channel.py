"""
What the function and the challenger's process tell each other, over a pair of sockets.

The rule: no call outlasts its deadline, and none takes more memory than a message may have, whatever the other side
does or leaves undone.
"""

import math
import socket
import time
from collections.abc import Sequence

import msgspec

from stream_consumer.comparison import Outcome
from stream_consumer.contract.event_schema import Column
from stream_consumer.settings import Settings

_LENGTH_BYTES = 4
_LARGEST_READ = 2**20


class Start(msgspec.Struct, frozen=True):
    """The first message to the challenger's process: what to load, and the memory that it may take, in bytes."""

    settings: Settings
    memory: int


class Loaded(msgspec.Struct, frozen=True):
    """The process's answer: the model that it has loaded, or why it has none."""

    fault: str = ""
    name: str = ""
    version: str = ""
    digest: str = ""
    columns: Sequence[Column] = ()


class Batch(msgspec.Struct, frozen=True):
    """Records that the champion has settled, and what it made of each, in order."""

    seconds: float
    """How long the answer is waited for."""
    datas: Sequence[bytes]
    event_ids: Sequence[str | None]
    champion: Sequence[Outcome]
    publish: bool
    """Whether the challenger's predictions go to its own stream."""


class Answer(msgspec.Struct, frozen=True):
    """How the challenger's predictions of a batch differ from the champion's."""

    compared: int = 0
    """Records that both models predict."""
    disagreeing: int = 0
    failures: int = 0
    """Records that only the champion predicts."""
    numbers: int = 0
    """Records for which both models predict a number; the next two are of these."""
    mean: float = 0.0
    p95: float = 0.0
    published: int = 0
    fault: str = ""
    """What the model raised, if it did."""


class TooLong(OSError):
    """A message is longer than any that may come. The channel is closed."""


class Channel:
    """One side of the pair: messages go out and come in whole, by a deadline of the monotonic clock."""

    def __init__(self, own: socket.socket) -> None:
        self._socket = own
        self._read = bytearray()
        """What has arrived of the next message."""

    def send(self, message: bytes, until: float = math.inf) -> None:
        """
        Send *message*.

        Raises:
            OSError: The other side is gone, or (TimeoutError) does not read. No message can follow.
        """
        self._wait(until)
        self._socket.sendall(len(message).to_bytes(_LENGTH_BYTES) + message)

    def receive(self, until: float = math.inf, longest: float = math.inf) -> bytes:
        """
        Return the next message. After a TimeoutError the same message can be asked for again.

        Raises:
            OSError: The other side is gone, or (TimeoutError) the message is not there by *until*, or (TooLong) it has
                more than *longest* bytes.
        """
        self._fill(_LENGTH_BYTES, until)
        length = int.from_bytes(self._read[:_LENGTH_BYTES])
        if length > longest:
            self.close()
            raise TooLong(f"it announced a message of {length} bytes, and none has more than {longest:g}")
        end = _LENGTH_BYTES + length
        self._fill(end, until)
        message = bytes(self._read[_LENGTH_BYTES:end])
        del self._read[:end]
        return message

    def close(self) -> None:
        self._socket.close()

    def _fill(self, size: int, until: float) -> None:
        while len(self._read) < size:
            self._wait(until)
            part = self._socket.recv(min(size - len(self._read), _LARGEST_READ))
            if not part:
                raise ConnectionResetError("the other side has ended")
            self._read += part

    def _wait(self, until: float) -> None:
        seconds = until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        self._socket.settimeout(None if seconds == math.inf else seconds)
