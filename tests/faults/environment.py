"""
An execution environment in simulated time: the real handler with its sinks, in a process that may die under them.

The rule: calls that a sink has in flight together are a round. They are made, one after the other, when it waits for
them, and their durations overlap; an environment that dies in a round leaves any of them carried out and any not.
"""

import json
from collections.abc import Callable, Collection
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, Protocol

from stream_consumer.aws.retry import RetryPolicy
from stream_consumer.consumer import BatchResult, Consumer
from stream_consumer.dead_letter_sink import DeadLetters
from stream_consumer.errors import BatchFailed
from stream_consumer.inference import Decider
from stream_consumer.kinesis.aggregate_writer import AggregatedStream
from stream_consumer.kinesis.stream_writer import PredictionStream
from stream_consumer.lambda_function import Handler
from stream_consumer.local.runtime.functions import FunctionError, Invocation
from stream_consumer.model import Columns
from stream_consumer.settings import Settings
from stream_consumer.telemetry import Telemetry
from tests.fakes import FakeTime
from tests.faults.ingredients import minutes_or_refusal
from tests.faults.run import Delivery, Run
from tests.faults.schedules import TIMEOUT_SECONDS, Again, Die, OutOfMemory, Schedule, SlowModel
from tests.rides import FakeContext, FakeModel

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray


class Died(BaseException):
    """The environment ended; nothing in the handler can catch this."""


class Time(FakeTime):
    """Time that service calls take is kept apart until it is known how they overlap."""

    took = 0.0
    """By the call that is being answered."""

    def spend(self, seconds: float) -> None:
        self.took += seconds


class Surroundings(Protocol):
    """What an environment needs of its world."""

    schedule: Schedule
    time: Time
    run: Run

    def before_call(self) -> None: ...

    def deliver_again(self, again: Again) -> None: ...


class _Held(Future[Any]):
    """A call that begins when somebody waits for it."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__()
        self.call = call
        self.took = 0.0


class _Workers(Executor):
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> _Held:
        return _Held(lambda: fn(*args, **kwargs))


class Silence(Telemetry):
    def __init__(self) -> None:
        """Print nothing."""

    def invoked(self, result: BatchResult, request_id: str | None, now: float) -> None:
        """Print nothing."""


class _Model(FakeModel):
    _before: Callable[[], None]

    def __init__(self, before: Callable[[], None]) -> None:
        super().__init__(minutes_or_refusal)
        self.__dict__["_before"] = before

    def minutes(self, columns: Columns) -> "NDArray[float64]":
        self._before()
        return super().minutes(columns)


class Environment:
    """An execution environment: the real handler, and a process that can be killed under it."""

    def __init__(self, world: Surroundings) -> None:
        schedule, time = world.schedule, world.time
        self._world = world
        self._delivery = Delivery([], None)
        self._rounds = 0
        self._first_model_call = True
        self._again = False
        self._ends = 0.0
        retry = RetryPolicy(time.clock, time.sleep, max, lambda _: _Workers(), self._round)
        model = _Model(self._before_model)
        keys, in_flight = schedule.aggregate_keys, schedule.in_flight
        stream = PredictionStream(
            world.run.kinesis.client, "ride_predictions", in_flight=in_flight, retry=retry, stop_at_refused=keys > 0
        )
        at_once = in_flight * schedule.request_entries
        consumer = Consumer(
            Decider(model, time.clock),
            predictions=AggregatedStream(stream, keys=keys, at_once=at_once, clock=time.clock) if keys else stream,
            dead_letters=DeadLetters(world.run.s3.client, "dead-letters-bucket", "dead-letters", retry=retry)
            if schedule.bucket
            else None,
            clock=time.clock,
        )
        settings = Settings.of({"MODEL_LOCATION": "nowhere", "DEADLINE_MARGIN_MS": str(schedule.margin_ms)})
        self._handler = Handler(consumer, settings, Silence(), monotonic=time.clock, now=time.clock)

    def invoke(self, event: dict[str, Any], delivery: Delivery) -> Invocation:
        """
        Invoke the handler.

        Raises:
            Died: As *delivery* asks for, or at the timeout.
        """
        self._delivery, self._rounds, self._first_model_call, self._again = delivery, 0, True, False
        self._ends = self._world.time.now + TIMEOUT_SECONDS
        try:
            response = self._handler(event, FakeContext(remaining_ms=int(TIMEOUT_SECONDS * 1000)))
        except (BatchFailed, MemoryError) as error:
            return Invocation("", error=FunctionError(type(error).__name__, str(error)))
        self._killed_if(dies=isinstance(delivery.trouble, Die))
        return Invocation("", json.dumps(response).encode())

    def _killed_if(self, *, dies: bool = False) -> None:
        if dies or self._world.time.now > self._ends:
            raise Died

    def _before_model(self) -> None:
        trouble = self._delivery.trouble if self._first_model_call else None
        self._first_model_call = False
        self._world.time.now += self._world.schedule.model_seconds
        match trouble:
            case OutOfMemory():
                self._world.run.struck(trouble)
                raise MemoryError
            case SlowModel(seconds):
                self._world.run.struck(trouble)
                self._world.time.now += seconds
        self._killed_if()

    def _round(self, futures: Collection[Future[Any]], seconds: float) -> set[Future[Any]]:
        """Make the calls of a round, as many as come about, and wait for them."""
        number, trouble = self._rounds, self._delivery.trouble
        self._rounds += 1
        dies = isinstance(trouble, Die) and trouble.round == number
        calls = [future for future in futures if isinstance(future, _Held)]
        if self._world.schedule.backwards:
            calls.reverse()
        for place, held in enumerate(calls):
            if isinstance(trouble, Again) and (trouble.round, trouble.place) <= (number, place) and not self._again:
                self._again = True
                self._world.deliver_again(trouble)
            if not (isinstance(trouble, Die) and dies and place not in trouble.landed):
                self._make(held)
        self._killed_if(dies=dies)
        late: set[Future[Any]] = {held for held in calls if held.took > seconds}
        self._world.time.now += seconds if late else max(held.took for held in calls)
        self._killed_if()
        return late

    def _make(self, held: _Held) -> None:
        world, kinesis, s3 = self._world, self._world.run.kinesis, self._world.run.s3
        requests, letters = len(kinesis.requests), len(s3.requests)
        world.before_call()
        world.time.took = 0.0
        held.set_result(held.call())
        held.took = world.time.took
        self._delivery.requests += kinesis.requests[requests:]
        self._delivery.letters += s3.requests[letters:]
