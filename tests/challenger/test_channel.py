"""Messages between the function and the challenger's process: what one side sends, the other need not take."""

import socket
import time
from collections.abc import Iterator

import msgspec
import pytest

from stream_consumer.challenger.channel import Batch, Channel, TooLong
from stream_consumer.challenger.child import Judge
from stream_consumer.challenger.process import LONGEST_ANSWER
from stream_consumer.comparison import Outcome
from stream_consumer.errors import ModelError
from stream_consumer.inference import Decider
from tests.rides import FakeModel, ride_event


@pytest.fixture
def ends() -> Iterator[tuple[Channel, socket.socket]]:
    own, other = socket.socketpair()
    with own, other:
        yield Channel(own), other


def test_a_message_may_be_as_long_as_allowed(ends: tuple[Channel, socket.socket]) -> None:
    channel, other = ends
    Channel(other).send(b"12345")
    assert channel.receive(time.monotonic() + 60, longest=5) == b"12345"


@pytest.mark.parametrize("length", [6, 2**32 - 1])
def test_a_longer_message_is_not_read_and_closes_the_channel(ends: tuple[Channel, socket.socket], length: int) -> None:
    """What is announced is believed before a byte of it has come."""
    channel, other = ends
    other.sendall(length.to_bytes(4))
    with pytest.raises(TooLong, match=f"it announced a message of {length} bytes, and none has more than 5"):
        channel.receive(time.monotonic() + 60, longest=5)
    with pytest.raises(OSError, match="Broken pipe"):
        other.sendall(b"more")


def test_the_longest_answer_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault quotes 2,000 characters at most, which may take four bytes each."""

    def failing(*_: object) -> None:
        raise ModelError("🚕" * 10_000)

    monkeypatch.setattr(Decider, "decide", failing)
    batch = Batch(60.0, [ride_event(1)], ["1"], [Outcome(1.0)], publish=False)
    answer = Judge(FakeModel(), clock=time.monotonic).answer(batch)
    assert answer.fault == "🚕" * 2_000
    most = 2**64 - 1
    widest = msgspec.structs.replace(
        answer, compared=most, disagreeing=most, failures=most, numbers=most, published=most
    )
    assert 8_000 < len(msgspec.msgpack.encode(widest)) <= LONGEST_ANSWER
