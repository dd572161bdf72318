"""
Messages between the function and the challenger's process, over a pair of sockets.

The rule: whatever the peer does, no call outlasts its deadline, and no call takes more memory than a message may have.
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
    """The first message to the challenger's process: the settings of the model, and the allowed memory in bytes."""

    settings: Settings
    memory: int


class Loaded(msgspec.Struct, frozen=True):
    """The process's answer to ``Start``: the loaded model, or the fault."""

    fault: str = ""
    name: str = ""
    version: str = ""
    digest: str = ""
    columns: Sequence[Column] = ()


class Batch(msgspec.Struct, frozen=True):
    """The settled records of a batch and the champion's outcomes, in order."""

    seconds: float
    """Seconds for which the function waits for the answer."""
    datas: Sequence[bytes]
    event_ids: Sequence[str | None]
    champion: Sequence[Outcome]
    publish: bool
    """Whether the challenger's predictions go to the challenger's stream."""


class Answer(msgspec.Struct, frozen=True):
    """Differences between the challenger's and the champion's predictions of a batch."""

    compared: int = 0
    """Records that both models predict."""
    disagreeing: int = 0
    failures: int = 0
    """Records that only the champion predicts."""
    numbers: int = 0
    """Records for which both models predict a number. ``mean`` and ``p95`` cover these records."""
    mean: float = 0.0
    p95: float = 0.0
    published: int = 0
    fault: str = ""
    """The model's exception, if any."""


class TooLong(OSError):
    """A message is longer than allowed. The channel is closed."""


class Channel:
    """An end of the socket pair. Messages go out and come in whole, by a deadline of the monotonic clock."""

    def __init__(self, own: socket.socket) -> None:
        self._socket = own
        self._read = bytearray()
        """The bytes of the next message received so far."""

    def send(self, message: bytes, until: float = math.inf) -> None:
        """
        Send *message*.

        Raises:
            OSError: The peer is gone, or (TimeoutError) does not read. No message can follow.
        """
        self._wait(until)
        self._socket.sendall(len(message).to_bytes(_LENGTH_BYTES) + message)

    def receive(self, until: float = math.inf, longest: float = math.inf) -> bytes:
        """
        Return the next message. After a TimeoutError, another call can return the same message.

        Raises:
            OSError: The peer is gone, or (TimeoutError) the message is not complete by *until*, or (TooLong) the
                message has more than *longest* bytes.
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
