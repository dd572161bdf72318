"""
The challenger as the handler sees it. A settled batch goes in, and the difference between the two models comes out.

The rule: nothing here raises, and nothing outlasts the invocation. If a challenger does not answer in time, or ends, it
is switched off for the life of the environment, and the log says so once.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec

from stream_consumer.challenger.channel import Answer, Batch, Loaded, TooLong
from stream_consumer.challenger.process import Process
from stream_consumer.comparison import Outcome
from stream_consumer.consumer import BatchResult
from stream_consumer.contract.event_schema import Column
from stream_consumer.contract.stream_arn import stream_name
from stream_consumer.settings import Settings

LOADING_SECONDS = 30.0
"""Total time in seconds for which batches wait until the model is loaded."""
MOST_RECORDS = 10_000
"""
Largest number of records of a batch for the challenger.

Lambda's own limit, but unfolded KPL aggregates can exceed it.
"""
_GRACE_SECONDS = 0.2
_decode_loaded = msgspec.msgpack.Decoder(Loaded).decode
_decode_answer = msgspec.msgpack.Decoder(Answer).decode


class Asked(Protocol):
    """The process of a challenger."""

    def send(self, message: bytes, until: float) -> None: ...

    def receive(self, until: float) -> bytes: ...

    def kill(self, grace: float) -> str: ...


class Notice(NamedTuple):
    """A log message to write once, with its fields."""

    message: str
    fields: dict[str, Any]
    warning: bool = True


@dataclass(frozen=True, slots=True)
class Challenged:
    """The result of scoring a batch a second time."""

    answer: Answer
    skipped: int
    """Records not shown to the challenger: no time left, model not loaded yet, or challenger switched off."""
    seconds: float
    """Delay of the batch's answer, in seconds."""
    notices: Sequence[Notice] = ()


class _Useless(Exception):
    """The challenger cannot be asked any more. The message has the cause."""


class Challenger:
    """Asks a second model about each settled batch."""

    def __init__(
        self,
        settings: Settings,
        columns: Sequence[Column],
        *,
        start: Callable[[Settings], Asked] = Process,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Prepare a challenger. The process starts, and the model is loaded, only when the first batch is settled.

        Args:
            settings: Settings that name the challenger.
            columns: Columns of the champion.
            start: Starts the challenger's process.
            clock: Clock of the deadlines, in seconds.
        """
        self._settings = settings
        self._columns = _shapes(columns)
        self._start = start
        self._clock = clock
        self._timeout = settings.challenger_timeout_ms / 1000
        self._process: Asked | None = None
        self._loaded = self._off = False
        self._waited = 0.0
        self._said: set[str] = set()
        self._notices: list[Notice] = []

    def challenge(self, result: BatchResult, deadline: float) -> Challenged:
        """Have the settled records of a batch scored again, if the whole timeout is left before *deadline*."""
        began = self._clock()
        answer = None
        if result.settled and not self._off:
            try:
                answer = self._answer(result, deadline)
            except Exception as error:  # noqa: BLE001 (the batch is settled: nothing may become of it any more)
                self._switch_off(error)
                answer = Answer(failures=len(_scored(result))) if self._loaded else None
        shown = len(_shown(result)) if answer else 0
        notices, self._notices = self._notices, []
        return Challenged(answer or Answer(), result.settled - shown, self._clock() - began, notices)

    def _answer(self, result: BatchResult, deadline: float) -> Answer | None:
        """Return the challenger's answer, or None if no time is left or the model is not loaded."""
        if not self._is_time(deadline):
            return None
        if self._process is None:
            self._process = self._start(self._settings)
        if not self._loaded:
            self._loaded = self._load(self._process)
            if not (self._loaded and self._is_time(deadline)):
                return None
        until = self._clock() + self._timeout
        self._process.send(msgspec.msgpack.encode(self._batch(result)), until)
        answer = _decode_answer(self._process.receive(until))
        if answer.fault:
            self._say("challenger failed on a batch", error=answer.fault)
        return answer

    def _is_time(self, deadline: float) -> bool:
        return self._clock() + self._timeout <= deadline

    def _load(self, process: Asked) -> bool:
        """Return whether the model is loaded, at the latest when the timeout ends."""
        try:
            loaded = _decode_loaded(process.receive(self._clock() + self._timeout))
        except TimeoutError:
            self._waited += self._timeout
            if self._waited >= LOADING_SECONDS:
                raise _Useless(f"it is not loaded after {LOADING_SECONDS:.0f} s of waiting") from None
            return False
        if loaded.fault:
            raise _Useless(loaded.fault)
        model = {"model": loaded.name, "version": loaded.version, "digest": loaded.digest}
        self._say("challenger loaded", warning=False, model_location=self._settings.challenger_location, **model)
        if (others := _shapes(loaded.columns)) != self._columns:
            self._say("challenger has other columns", challenger=others, champion=self._columns)
        return True

    def _batch(self, result: BatchResult) -> Batch:
        shown, outcomes = _shown(result), result.outcomes()
        records = [result.records[at] for at in shown]
        return Batch(
            self._timeout,
            [record.data for record in records],
            [record.event_id for record in records],
            [outcomes[at] for at in shown],
            publish=self._may_publish(records[0].stream_arn),
        )

    def _may_publish(self, source: str | None) -> bool:
        """Whether the challenger's stream differs from the stream of the records."""
        stream = self._settings.challenger_stream
        if stream is None or self._settings.test_run:
            return False
        if source is None or stream not in {source, stream_name(source)}:
            return True
        self._say("challenger does not publish", remedy="CHALLENGER_STREAM is the input stream; name another")
        return False

    def _switch_off(self, error: Exception) -> None:
        self._off = True
        # A process that ended by itself has an exit status as soon as the kernel has cleared up.
        grace = 0.0 if isinstance(error, TimeoutError) else _GRACE_SECONDS
        ended = self._process.kill(grace) if self._process else "was not started"
        if isinstance(error, (_Useless, TooLong)):
            why = str(error)
        elif isinstance(error, TimeoutError):
            why = f"it did not answer within {self._settings.challenger_timeout_ms} ms, CHALLENGER_TIMEOUT_MS"
        else:
            why = type(error).__name__
        self._say("challenger switched off", remedy=why, ended=ended)

    def _say(self, message: str, *, warning: bool = True, **fields: Any) -> None:
        """Have *message* logged with the current batch, unless logged before."""
        if message not in self._said:
            self._said.add(message)
            self._notices.append(Notice(message, fields, warning))


def _shown(result: BatchResult) -> Sequence[int]:
    """Return the positions of the records that the challenger is shown."""
    return result.settled_positions[:MOST_RECORDS]


def _scored(result: BatchResult) -> list[Outcome]:
    """Return the outcomes of the records that the challenger is shown and the champion has scored."""
    outcomes = result.outcomes()
    return [outcomes[at] for at in _shown(result) if not outcomes[at].reason]


def _shapes(columns: Sequence[Column]) -> list[str]:
    """Return the columns in the notation of MODEL_COLUMNS."""
    return [f"{column.name}:{column.type}{'' if column.required else '?'}" for column in columns]
