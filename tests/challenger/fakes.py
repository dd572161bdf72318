"""
A challenger's process in this one: the real messages and the real judge, in simulated time.

The rule: what a process can do to the function is scripted. It may load slowly or not at all, hang, end, stop reading,
or answer with what is no answer.
"""

from collections import deque
from collections.abc import Iterable
from enum import Enum

import msgspec

from stream_consumer.challenger.channel import Answer, Batch, Loaded
from stream_consumer.challenger.child import Judge
from stream_consumer.kinesis.stream_writer import PredictionStream
from stream_consumer.model import Model
from stream_consumer.settings import Settings
from tests.fakes import FakeKinesis, FakeTime, Fault
from tests.rides import FakeModel


class Misdeed(Enum):
    """What a process does instead of answering."""

    HANG = "it does not answer"
    DEAF = "it does not read"
    END = "it ends"
    BABBLE = "it sends what is no answer"
    SLOW = "it answers at the last moment"


class Ended(BaseException):
    """A model that takes the whole process with it."""


class Hung(BaseException):
    """A model whose call never ends."""


class FakeProcess:
    """Starts itself when it is called, as the class of the real process does."""

    def __init__(  # noqa: PLR0913 (what may go wrong, each with a default)
        self,
        time: FakeTime,
        model: Model | None = None,
        *,
        misdeeds: Iterable[Misdeed | None] = (),
        loading: float = 0.0,
        fault: str = "",
        start_error: Exception | None = None,
        stream_faults: Iterable[Fault | None] = (),
    ) -> None:
        """*misdeeds* are done one a batch; *loading* is how many seconds pass before the model is there."""
        self.model = model or FakeModel()
        self.kinesis = FakeKinesis(time, stream_faults, streams=("challenger_predictions",))
        self.batches: list[Batch] = []
        self.killed = 0
        self.started = 0
        self._time = time
        self._misdeeds = iter(misdeeds)
        self._loading, self._fault, self._start_error = loading, fault, start_error
        self._answers: deque[bytes | Misdeed] = deque()
        self._ready = False

    def __call__(self, settings: Settings) -> "FakeProcess":
        self.started += 1
        if self._start_error:
            raise self._start_error
        sink = PredictionStream(self.kinesis.client, "challenger_predictions", retry=self._time.retry())
        self._judge = Judge(
            self.model,
            threshold=settings.challenger_threshold,
            sink=sink if settings.challenger_stream else None,
            clock=self._time.clock,
        )
        return self

    def send(self, message: bytes, until: float) -> None:
        misdeed = next(self._misdeeds, None)
        if misdeed is Misdeed.DEAF:
            self._time.now = until
            raise TimeoutError
        batch = msgspec.msgpack.decode(message, type=Batch)
        self.batches.append(batch)
        if misdeed is Misdeed.SLOW:
            self._time.now += batch.seconds * 0.9
        self._answers.append(misdeed if misdeed in {Misdeed.HANG, Misdeed.END} else self._answer(batch, misdeed))

    def receive(self, until: float) -> bytes:
        if not self._ready:
            return self._load(until)
        answer = self._answers.popleft()
        if answer is Misdeed.HANG:
            self._time.now = until
            raise TimeoutError
        if isinstance(answer, Misdeed):
            raise ConnectionResetError
        if self._time.now > until:
            self._time.now = until
            raise TimeoutError
        return answer

    def kill(self, grace: float) -> str:
        self.killed += 1
        self._time.now += min(grace, 0.001)
        return "ended by SIGKILL"

    def _load(self, until: float) -> bytes:
        waited = min(self._loading, until - self._time.now)
        self._time.now += waited
        self._loading -= waited
        if self._loading > 0:
            raise TimeoutError
        self._ready = True
        model = self.model
        loaded = Loaded(self._fault, model.name, model.version, model.digest, model.schema.columns)
        return msgspec.msgpack.encode(loaded)

    def _answer(self, batch: Batch, misdeed: Misdeed | None) -> bytes | Misdeed:
        if misdeed is Misdeed.BABBLE:
            return b"\xc1"
        try:
            answer: Answer = self._judge.answer(batch)
        except Hung:
            return Misdeed.HANG
        except Ended:
            return Misdeed.END
        return msgspec.msgpack.encode(answer)
