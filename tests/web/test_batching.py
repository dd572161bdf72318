"""Micro-batching: who shares a call with whom, what may wait, and that nobody gets another's predictions."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_consumer.contract.prediction import Prediction
from stream_consumer.contract.record import InvalidRecord, Reason, Record
from stream_consumer.errors import ModelError
from stream_consumer.inference import Decider, Decision
from stream_consumer.web.batching import Batcher, Limits
from stream_consumer.web.model_call import Outcome, inline_items
from stream_consumer.web.waiting import CallFailed, QueueFull, TimedOut, TooManyRefused
from tests.rides import FakeModel, minutes_of, ride_event
from tests.web.loop import VirtualLoop, run

LIMITS = Limits(batch_items=10, queue_items=20, seconds=5, inline_items=10)
REFUSED, NOT_FINITE = 13.0, 17.0  # distances


def row(pickup: int, dropoff: int, distance: float) -> float:
    if distance == REFUSED:
        raise ValueError("no such ride")
    return float("nan") if distance == NOT_FINITE else minutes_of(pickup, dropoff, distance)


def loop() -> VirtualLoop:
    return cast("VirtualLoop", asyncio.get_running_loop())


@dataclass
class Bench:
    """A batcher in virtual time; what would run in a thread is collected, to be run when a test says so."""

    limits: Limits = LIMITS
    seconds: float = 0.0
    """That each call takes."""
    model: FakeModel = field(default_factory=lambda: FakeModel(row))
    raises: list[Exception] = field(default_factory=list)
    """By the next calls."""
    threads: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        clock = loop().time
        self.decider = Decider(self.model, clock)
        self.batcher = Batcher(self.decide, self.limits, spawn=self.threads.append, clock=clock)

    def decide(self, records: Sequence[Record], deadline: float) -> Decision:
        loop().pass_time(self.seconds)
        if self.raises:
            raise self.raises.pop(0)
        return self.decider.decide(records, deadline)

    def ask(self, *items: bytes) -> asyncio.Task[list[Outcome]]:
        return loop().create_task(self.batcher.outcomes([Record(item) for item in items]))

    def end_call(self) -> None:
        [work] = self.threads
        self.threads.clear()
        work()

    async def finish(self, *until: asyncio.Task[list[Outcome]]) -> None:
        """End one call after another until *until* is answered, or nobody waits."""
        await turn()
        while self.threads and not (until and all(task.done() for task in until)):
            self.end_call()
            await turn()


async def turn() -> None:
    """Let everything happen that needs neither time nor a thread."""
    for _ in range(20):
        await asyncio.sleep(0)


def ride_ids(outcomes: Sequence[Outcome]) -> list[int | str | None]:
    return [outcome.prediction.id if isinstance(outcome, Prediction) else None for outcome in outcomes]


def test_requests_that_arrive_together_share_one_call_and_get_their_own_back() -> None:
    async def main() -> None:
        bench = Bench()
        answers = await asyncio.gather(
            bench.ask(ride_event(1)), bench.ask(ride_event(2), b"no"), bench.ask(ride_event(3))
        )
        assert [ride_ids(answer) for answer in answers] == [[1], [2, None], [3]]
        assert bench.model.calls == [3]

    run(main())


def test_what_arrives_while_a_call_runs_goes_into_the_next() -> None:
    async def main() -> None:
        bench = Bench(Limits(10, 20, 5, inline_items=0))
        first = bench.ask(ride_event(1))
        await turn()
        later = [bench.ask(ride_event(at)) for at in (2, 3, 4)]
        await turn()
        assert len(bench.threads) == 1
        bench.end_call()
        assert ride_ids(await first) == [1]
        bench.end_call()
        assert [ride_ids(await one) for one in later] == [[2], [3], [4]]
        assert bench.model.calls == [1, 3]

    run(main())


def test_a_lone_request_is_decided_without_waiting() -> None:
    async def main() -> None:
        bench = Bench()
        for at in range(3):
            await bench.ask(ride_event(at))
        assert loop().time() < 0.0005
        assert bench.model.calls == [1, 1, 1]

    run(main())


def test_where_many_asked_a_moment_ago_the_first_of_the_next_waits_for_the_others_but_not_long() -> None:
    """Half of the time that a call took, and a millisecond at most."""

    async def main() -> None:
        bench = Bench(seconds=0.001)
        await asyncio.gather(*(bench.ask(ride_event(at)) for at in range(4)))
        first = bench.ask(ride_event(5))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert bench.model.calls == [4]
        others = [bench.ask(ride_event(at)) for at in (6, 7, 8)]
        await asyncio.gather(first, *others)
        assert bench.model.calls == [4, 4]
        lone = bench.ask(ride_event(9))
        await turn()
        loop().pass_time(0.0006)
        await lone
        assert bench.model.calls == [4, 4, 1]

    run(main())


def test_where_many_asked_an_hour_ago_nobody_is_waited_for() -> None:
    async def main() -> None:
        bench = Bench(seconds=0.001)
        await asyncio.gather(*(bench.ask(ride_event(at)) for at in range(4)))
        await asyncio.sleep(3600)
        since = loop().time()
        await bench.ask(ride_event(5))
        assert loop().time() - since < 0.0011

    run(main())


def test_a_call_that_is_full_waits_for_nobody() -> None:
    """What is more than a call can take is no reason to wait for more."""

    async def main() -> None:
        bench = Bench(Limits(batch_items=2, queue_items=20, seconds=5, inline_items=10), seconds=0.002)
        await asyncio.gather(*(bench.ask(ride_event(at)) for at in range(10)))
        assert bench.model.calls == [2, 2, 2, 2, 2]
        assert loop().time() < 5 * 0.002 + 0.0005

    run(main())


def test_a_call_takes_whole_requests_up_to_its_size_and_one_that_is_larger_alone() -> None:
    async def main() -> None:
        bench = Bench(Limits(batch_items=3, queue_items=20, seconds=5, inline_items=10))
        sizes = (2, 2, 5, 1)
        await asyncio.gather(*(bench.ask(*[ride_event(1)] * size) for size in sizes))
        assert bench.model.calls == [2, 2, 5, 1]

    run(main())


def test_a_request_of_nothing_is_answered_with_nothing() -> None:
    async def main() -> None:
        assert await Bench().ask() == []

    run(main())


def test_the_queue_is_bounded_by_items_and_says_so() -> None:
    async def main() -> None:
        bench = Bench(Limits(10, queue_items=3, seconds=5))
        first = bench.ask(ride_event(1))
        await turn()
        waiting = bench.ask(*[ride_event(2)] * 2)
        await turn()
        full = [bench.batcher.full]
        with pytest.raises(QueueFull, match="2 events wait for the model and 3 may: no room for 2 more"):
            await bench.ask(*[ride_event(3)] * 2)
        last = bench.ask(ride_event(4))
        await turn()
        assert [*full, bench.batcher.full] == [False, True]
        for _ in range(2):
            bench.end_call()
            await turn()
        assert [ride_ids(await one) for one in (first, waiting, last)] == [[1], [2, 2], [4]]
        assert bench.batcher.queued == 0

    run(main())


def test_a_call_that_takes_too_long_times_out_its_requests_and_those_that_waited_as_long() -> None:
    async def main() -> None:
        bench = Bench(Limits(10, 20, seconds=5))
        running = bench.ask(ride_event(1))
        await turn()
        waiting = bench.ask(ride_event(2))
        await asyncio.sleep(1)
        younger = bench.ask(ride_event(3))
        await asyncio.sleep(4.5)
        for one in (running, waiting):
            with pytest.raises(TimedOut, match="not decided within 5 s"):
                await one
        assert bench.batcher.queued == 1
        assert len(bench.threads) == 1, "a second call began beside the one that hangs"
        bench.end_call()
        await turn()
        bench.end_call()
        assert ride_ids(await younger) == [3]

    run(main())


def test_a_request_that_is_cancelled_leaves_the_queue() -> None:
    async def main() -> None:
        bench = Bench(Limits(10, 20, 5))
        running, gone, other = (bench.ask(ride_event(at)) for at in (1, 2, 3))
        await turn()
        late, later = bench.ask(ride_event(4)), bench.ask(ride_event(5))
        await turn()
        for task in (gone, late):
            task.cancel()
        await turn()
        assert bench.batcher.queued == 1
        bench.end_call()
        await turn()
        bench.end_call()
        assert [ride_ids(await one) for one in (running, other, later)] == [[1], [3], [5]]
        assert bench.model.calls == [3, 1]

    run(main())


def test_a_broken_model_is_told_to_all_who_share_the_call_after_one_call_and_the_next_goes_on() -> None:
    async def main() -> None:
        bench = Bench(raises=[ModelError("fails on its own example")])
        answers = await asyncio.gather(bench.ask(ride_event(1)), bench.ask(ride_event(2)), return_exceptions=True)
        causes = [answer.__cause__ for answer in answers if isinstance(answer, CallFailed)]
        assert list(map(repr, causes)) == ["ModelError('fails on its own example')"] * 2
        assert bench.model.calls == []
        assert ride_ids(await bench.ask(ride_event(3))) == [3]

    run(main())


def test_a_call_that_is_too_large_for_the_machine_fails_only_the_request_that_is() -> None:
    """Its neighbours are decided without it."""

    async def main() -> None:
        bench = Bench()

        def small(*values: float) -> float:
            if bench.model.calls[-1] > 3:
                raise MemoryError("too small")
            return row(*values)  # type: ignore[arg-type]

        bench.model._row = small  # noqa: SLF001 (the fake's own behaviour)
        neighbours = [bench.ask(ride_event(at)) for at in (1, 2)]
        large = bench.ask(*[ride_event(3)] * 4)
        await bench.finish()
        assert [ride_ids(await one) for one in neighbours] == [[1], [2]]
        with pytest.raises(CallFailed, match="too small"):
            await large

    run(main())


def test_a_list_of_refused_rows_does_not_make_its_neighbours_wait_until_all_of_them_are_isolated() -> None:
    """Isolating 8 of them takes at least 8 calls of 2 s; a neighbour has its answer after one slice and its own."""

    async def main() -> None:
        bench = Bench(Limits(10, 20, seconds=100))

        def slow(*values: float) -> float:
            loop().pass_time(2.0 if values[2] == REFUSED else 0.0)
            return row(*values)  # type: ignore[arg-type]

        bench.model._row = slow  # noqa: SLF001 (the fake's own behaviour)
        offender = bench.ask(*[ride_event(at, distance=REFUSED) for at in range(8)])
        await turn()
        for at in range(10, 13):
            neighbour = bench.ask(ride_event(at))
            before = loop().time()
            await bench.finish(neighbour)
            assert ride_ids(await neighbour) == [at]
            assert loop().time() - before < 5
            assert not offender.done()
        await bench.finish()
        assert ride_ids(await offender) == [None] * 8

    run(main())


class Slow(FakeModel):
    """A model whose every call takes *seconds*, also one of its example."""

    def __init__(self, seconds: float) -> None:
        super().__init__(row)
        self.__dict__["_seconds"] = seconds

    def minutes(self, columns: Sequence[Sequence[Any]]) -> NDArray[np.float64]:
        loop().pass_time(self.__dict__["_seconds"])
        return super().minutes(columns)

    def check(self) -> list[Any]:
        loop().pass_time(self.__dict__["_seconds"])
        self.calls.append(0)
        return super().check()


@pytest.mark.parametrize(("seconds", "most"), [(0.0, 2.0), (0.0005, 2.3), (0.001, 2.3), (0.003, 2.6), (0.03, 4.2)])
def test_a_list_of_nothing_but_refused_rows_costs_few_calls_more_than_halving_it_does(
    seconds: float, most: float
) -> None:
    """Halving n rows until each stands alone takes 2n - 1. A slice adds a try of the example, and of too many rows."""

    async def main() -> None:
        bench = Bench(Limits(500, 500, seconds=1_000, inline_items=0), model=Slow(seconds))
        offender = bench.ask(*[ride_event(0, distance=REFUSED)] * 500)
        await bench.finish()
        assert ride_ids(await offender) == [None] * 500
        assert 2 * 500 - 1 <= len(bench.model.calls) <= most * 500

    run(main())


def test_those_whose_rows_are_isolated_take_no_place_in_the_queue() -> None:
    """As many of them as may wait; more are told to come again."""

    async def main() -> None:
        bench = Bench(Limits(batch_items=4, queue_items=4, seconds=100))

        def slow(*values: float) -> float:
            loop().pass_time(1.0)
            return row(*values)  # type: ignore[arg-type]

        bench.model._row = slow  # noqa: SLF001 (the fake's own behaviour)
        offenders = []
        for _ in range(2):
            offenders.append(bench.ask(*[ride_event(0, distance=REFUSED)] * 3))
            await turn()
            bench.end_call()
            await turn()
            if bench.threads:
                bench.end_call()
                await turn()
        with pytest.raises(TooManyRefused, match="3 events are being isolated"):
            await offenders[1]
        neighbour = bench.ask(*[ride_event(1)] * 4)
        await bench.finish()
        assert ride_ids(await neighbour) == [1] * 4
        assert ride_ids(await offenders[0]) == [None] * 3

    run(main())


def test_the_model_is_broken_until_it_predicts() -> None:
    async def main() -> list[bool]:
        bench = Bench()
        broken = [bench.batcher.failed_within(10)]

        async def then(*items: bytes, after: float = 0.0, raises: Sequence[Exception] = ()) -> None:
            await asyncio.sleep(after)
            bench.raises.extend(raises)
            await asyncio.gather(bench.ask(*items), return_exceptions=True)
            broken.append(bench.batcher.failed_within(10))

        await then(ride_event(1), raises=[MemoryError("too small")])
        await then()
        await then(item(1, "garbled"), item(2, REFUSED))
        await then(item(1, "garbled"), ride_event(2))
        await then(ride_event(1), raises=[MemoryError("too small")])
        await then(after=9.9)
        await then(after=0.2)
        return broken

    assert run(main()) == [False, True, True, True, False, True, True, False]


def test_a_call_that_takes_longer_than_a_request_may_wait_is_stuck_until_it_ends() -> None:
    async def main() -> list[bool]:
        bench = Bench(Limits(10, 20, seconds=5))
        bench.ask(ride_event(1)).add_done_callback(lambda task: task.exception())
        stuck = []
        for seconds in (4.9, 0.2, 3600):
            await asyncio.sleep(seconds)
            stuck.append(bench.batcher.stuck)
        bench.end_call()
        await turn()
        return [*stuck, bench.batcher.stuck]

    assert run(main()) == [False, True, True, False]


def test_isolating_refused_rows_goes_on_beside_the_loop_if_it_takes_long() -> None:
    """A row that the model refuses costs many calls; the loop is kept for a few milliseconds at most."""

    async def main() -> None:
        bench = Bench()

        def slow(*values: float) -> float:
            loop().pass_time(0.002)
            return row(*values)  # type: ignore[arg-type]

        bench.model._row = slow  # noqa: SLF001 (the fake's own behaviour)
        answers = [bench.ask(ride_event(at, distance=REFUSED if at == 2 else 1.0)) for at in range(4)]
        await turn()
        assert not any(answer.done() for answer in answers)
        await bench.finish()
        assert [ride_ids(await answer) for answer in answers] == [[0], [1], [None], [3]]

    run(main())


def test_a_request_whose_rows_are_not_isolated_in_time_is_timed_out_and_no_other() -> None:
    async def main() -> None:
        bench = Bench(Limits(10, 20, seconds=5))

        def slow(*values: float) -> float:
            loop().pass_time(1.0)
            return row(*values)  # type: ignore[arg-type]

        bench.model._row = slow  # noqa: SLF001 (the fake's own behaviour)
        first, second = bench.ask(ride_event(1)), bench.ask(*[ride_event(2, distance=REFUSED)] * 4)
        await bench.finish()
        assert ride_ids(await first) == [1]
        with pytest.raises(TimedOut):
            await second
        assert bench.model.calls == [5, 1, 4, 2], "no call is made for whom nobody waits"

    run(main())


@pytest.mark.parametrize(("micros", "expected"), [(10, 256), (100, 16), (2_000, 1), (9_000, 0)])
def test_so_many_items_are_decided_in_the_loops_own_thread_as_take_a_few_milliseconds(
    micros: int, expected: int
) -> None:
    now = [0.0]

    def decide(records: Sequence[Record], deadline: float) -> Decision:  # noqa: ARG001
        now[0] += len(records) * micros / 1e6
        return Decision([], [], {}, 0, 0, 0.0)

    assert inline_items(decide, [Record(ride_event(1)), Record(ride_event(2))], lambda: now[0]) == expected
    assert inline_items(decide, [], lambda: now[0]) == 0


def test_a_real_thread_decides_what_is_too_large_for_the_loop() -> None:
    async def main() -> list[Outcome]:
        decider = Decider(FakeModel())
        return await Batcher(decider.decide, Limits(10, 20, 5)).outcomes([Record(ride_event(7))])

    assert ride_ids(asyncio.run(main())) == [7]


# What may happen, in any order.
ITEMS = st.lists(
    st.sampled_from([1.5, 2.5, 3.5, REFUSED, NOT_FINITE, -1.0, "garbled", "mistyped"]), min_size=0, max_size=4
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), ITEMS),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("wait"), st.sampled_from([0.0, 0.001, 1.5, 6.0])),
        st.tuples(st.just("end call"), st.none()),
        st.tuples(st.just("break"), st.sampled_from([MemoryError("small"), ModelError("odd")])),
    ),
    max_size=30,
)


def item(ride_id: int, kind: float | str) -> bytes:
    if kind == "garbled":
        return b'{"ride": %d' % ride_id
    return ride_event(ride_id, distance="far" if kind == "mistyped" else kind)


@dataclass
class Asked:
    """One request: what the batcher was like when it came, and when it was over."""

    records: list[Record]
    came: float = 0.0
    queued: int = 0
    over: float = 0.0

    async def of(self, batcher: Batcher) -> list[Outcome]:
        self.came, self.queued = loop().time(), batcher.queued
        try:
            return await batcher.outcomes(self.records)
        finally:
            self.over = loop().time()


@dataclass
class Play:
    """Carries out steps on a bench and keeps what was asked."""

    bench: Bench
    asked: list[tuple[Asked, asyncio.Task[list[Outcome]]]] = field(default_factory=list)
    broken: list[Exception] = field(default_factory=list)

    async def step(self, what: str, detail: Any) -> None:
        if what == "ask":
            records = [Record(item(100 * len(self.asked) + at, kind)) for at, kind in enumerate(detail)]
            asked = Asked(records)
            self.asked.append((asked, loop().create_task(asked.of(self.bench.batcher))))
        elif what == "cancel" and self.asked:
            self.asked[detail % len(self.asked)][1].cancel()
        elif what == "wait":
            await asyncio.sleep(detail)
        elif what == "break":
            self.broken.append(detail)
            self.bench.raises.append(detail)
        elif what == "end call" and self.bench.threads:
            self.bench.end_call()

    async def end(self) -> None:
        while not all(task.done() for _, task in self.asked):
            if self.bench.threads:
                self.bench.end_call()
            await asyncio.sleep(0.0005)

    def judge(self) -> None:
        limits = self.bench.limits
        alone = Decider(FakeModel(row))
        for asked, task in self.asked:
            if task.cancelled():
                continue
            error, seconds = task.exception(), asked.over - asked.came
            assert isinstance(error, QueueFull) == (asked.queued + len(asked.records) > limits.queue_items)
            # The bench's calls keep the loop from its timers: one as the deadline comes, one before the task is told.
            assert seconds <= limits.seconds + 2 * self.bench.seconds + 0.5
            if error is None:
                assert task.result() == alone.decide(asked.records).outcomes()
            elif isinstance(error, TimedOut):
                assert seconds >= limits.seconds - 0.001
            elif isinstance(error, QueueFull):
                assert seconds == 0
            elif isinstance(error, TooManyRefused):
                assert len(self.asked) > 1
            else:
                assert error.__cause__ in self.broken


@given(
    steps=STEPS,
    # What is done in the loop's own thread takes no seconds.
    call=st.sampled_from([(0, 3.0), *itertools.product([0, 2, 100], [0.0, 0.001, 0.006])]),
    queue_items=st.sampled_from([4, 100]),
)
def test_no_prediction_is_mixed_up_between_requests(
    steps: list[tuple[str, Any]], call: tuple[int, float], queue_items: int
) -> None:
    """
    A request gets the outcomes that it would get alone, in its order, or a reason why it was not decided.

    Whatever the interleaving, the failures, the cancellations and the timeouts; nothing is left behind. It is refused
    at once if it does not fit the queue, and only then; it is timed out when its time is over, and not before.
    """

    async def main() -> None:
        inline, seconds = call
        bench = Bench(Limits(batch_items=5, queue_items=queue_items, seconds=5, inline_items=inline), seconds)
        play = Play(bench)
        for what, detail in steps:
            await play.step(what, detail)
            assert len(bench.threads) <= 1
            assert bench.batcher.queued <= queue_items
        await play.end()
        play.judge()
        assert bench.batcher.queued == 0

    run(main())


def test_every_kind_of_fault_reaches_its_own_request() -> None:
    async def main() -> None:
        kinds: list[float | str] = [REFUSED, NOT_FINITE, -1.0, "garbled", "mistyped", 1.5]
        bench = Bench()
        answers = await asyncio.gather(*(bench.ask(item(at, kind)) for at, kind in enumerate(kinds)))
        reasons = [one.reason if isinstance(one, InvalidRecord) else None for [one] in answers]
        unscorable = [Reason.UNSCORABLE, Reason.UNSCORABLE]
        assert reasons == [*unscorable, Reason.BOUNDS, Reason.UNDECODABLE, Reason.SCHEMA, None]

    run(main())
