"""
Workers and a queue in simulated time: a tape of choices in, the same run out every time.

The rule: each worker and each heartbeat is a thread, and one of them runs at a time, from one service call to the next.
The tape says which, which call fails and how, who is killed, frozen or asked to stop, and what SQS delivers twice;
where it ends nothing goes wrong any more. The worker, its lease and queue are the real ones.
"""
# ruff: noqa: N803 (AWS's names)

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from stream_consumer.batch.errors import Stopped, UnusableInput
from stream_consumer.batch.job import Job
from stream_consumer.batch.summary import Summary
from stream_consumer.worker.loop import Scoring, Worker, targets
from stream_consumer.worker.queue import Queue
from stream_consumer.worker.shutdown import Shutdown

LEASE = 60.0
MAX_RECEIVES = 4


class Killed(BaseException):
    """The process is gone: nothing that it still does has an effect."""


def refused(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": cast("Any", {"HTTPStatusCode": status})}, "Operation"
    )


@dataclass(eq=False)
class Actor:
    """A thread of a process."""

    process: "Process"
    act: Callable[[], None]
    wake: float
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    done: bool = False
    error: BaseException | None = None


@dataclass(eq=False)
class Process:
    """A worker's process."""

    shutdown: Shutdown
    killed: bool = False


class RetryPolicy(Shutdown):
    """A shutdown that waits in the world's time."""

    def __init__(self, world: "World") -> None:
        super().__init__(20.0, lambda: world.now)
        self._world = world

    def wait(self, seconds: float) -> None:
        self._world.pause(seconds)


class World:
    """Plays one tape."""

    def __init__(
        self, tape: Sequence[int], bodies: Sequence[str], poison: Sequence[str] = (), *, calm: bool = False
    ) -> None:
        """*calm*: nothing fails, and the tape only says who is next, how long scoring takes and what comes twice."""
        self.now = 0.0
        self.calm = calm
        self.tape = iter(tape)
        self.sqs = Sqs(self, bodies)
        self.poison = frozenset(poison)
        self.committed: dict[str, bytes] = {}
        """What is at each target."""
        self.completed: list[str] = []
        """The sources that were scored to the end, each time."""
        self.disturbed = False
        """Whether a worker died, froze or met a failing call, and so may have lost its lease."""
        self.warnings: list[dict[str, Any]] = []
        self._actors: list[Actor] = []
        self._current = threading.local()
        self._back = threading.Semaphore(0)

    def choose(self, options: int) -> int:
        """Return a choice of 0 to *options* - 1; 0 is the harmless one."""
        return next(self.tape, 0) % options

    def trouble(self, options: int) -> int:
        return 0 if self.calm else self.choose(options)

    def run(self, workers: int) -> None:
        """Let so many workers drain the queue, another for each that ends, until all is settled."""
        for _ in range(workers):
            self._start()
        for _ in range(100_000):
            if not self._actors:
                return
            self._step()
        raise AssertionError("the queue is never empty")

    def pause(self, seconds: float = 0.0) -> None:
        """Let others go on; called in an actor's thread."""
        actor: Actor = self._current.actor
        actor.wake = self.now + seconds
        self._back.release()
        actor.go.acquire()
        if actor.process.killed:
            raise Killed

    @contextmanager
    def call(self) -> Iterator[None]:
        """A call of a service: it takes effect between two pauses, and either may be the last."""
        self.pause()
        fault = self.trouble(24)
        self.disturbed |= fault in {21, 22, 23}
        if fault == 23:
            raise EndpointConnectionError(endpoint_url="https://aws.invalid")
        if fault == 22:
            raise refused("SlowDown", 503)
        yield
        self.pause(0.05)
        if fault == 21:
            raise ReadTimeoutError(endpoint_url="https://aws.invalid")

    @contextmanager
    def heart(self, seconds: float, beat: Callable[[], None]) -> Iterator[None]:
        over = False

        def beating() -> None:
            while True:
                self.pause(seconds)
                if over:
                    return
                beat()

        actor = self._spawn(self._current.actor.process, beating)
        try:
            yield
        finally:
            over = True
            while not actor.done:
                actor.wake = min(actor.wake, self.now + 0.01)
                self.pause(0.02)

    def committed_before(self, job: Job) -> Summary | None:
        with self.call():
            found = self.committed.get(job.target.text)
        return cast("Summary", SimpleNamespace(rows=1, predicted=1)) if found else None

    def score(self, job: Job, stop: Callable[[], bool]) -> Summary:
        """Take a while, and commit at the end what depends on the source alone."""
        if job.source.text in self.poison:
            raise UnusableInput(f"{job.source.text} lacks a column")
        for _ in range(self.choose(6) + 1):
            self.pause((1.0, LEASE / 2, LEASE * 2)[self.choose(3)])
            if stop():
                raise Stopped
        with self.call():
            self.committed[job.target.text] = expected(job.source.text)
            self.completed.append(job.source.text)
        return cast("Summary", SimpleNamespace(rows=1, predicted=1))

    def _start(self) -> None:
        process = Process(RetryPolicy(self))
        self._spawn(process, lambda: worker(self, process.shutdown).work(until_empty=True), last=self._start)

    def _spawn(self, process: Process, act: Callable[[], None], last: Callable[[], None] | None = None) -> Actor:
        actor = Actor(process, act, self.now)
        self._actors.append(actor)

        def live() -> None:
            self._current.actor = actor
            actor.go.acquire()
            try:
                if not process.killed:
                    act()
            except Killed:
                pass
            except BaseException as error:  # noqa: BLE001 (raised again by the player)
                actor.error = error
            if last and self.sqs.left():
                last()
            actor.done = True
            self._back.release()

        threading.Thread(target=live, daemon=True).start()
        return actor

    def _step(self) -> None:
        self.now = max(self.now, min(actor.wake for actor in self._actors))
        ready = [actor for actor in self._actors if actor.wake <= self.now]
        actor = ready[self.choose(len(ready))]
        self._interfere(actor.process)
        actor.go.release()
        self._back.acquire()
        if actor.error:
            raise actor.error
        self._actors = [actor for actor in self._actors if not actor.done]

    def _interfere(self, process: Process) -> None:
        what = self.trouble(64)
        if what == 63:
            process.killed = self.disturbed = True
        elif what == 62:  # a machine that stands still
            self.disturbed = True
            for actor in self._actors:
                actor.wake += LEASE * 1.5 if actor.process is process else 0.0
        elif what == 61:
            process.shutdown.ask()


def worker(world: World, shutdown: Shutdown) -> Worker:
    return Worker(
        Queue(cast("Any", world.sqs), "queue", hidden_seconds=round(LEASE)),
        Scoring(world.score, world.committed_before, targets("s3://out/{key}.parquet")),
        shutdown,
        cast(
            "Any", SimpleNamespace(info=lambda *_, **__: None, warning=lambda *_, extra: world.warnings.append(extra))
        ),
        lease_seconds=LEASE,
        clock=lambda: world.now,
        heart=world.heart,
    )


def expected(source: str) -> bytes:
    return f"predictions of {source}".encode()


def created(*keys: str) -> str:
    """The body of a notification."""
    return json.dumps(
        {
            "Records": [
                {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "in"}, "object": {"key": key}}}
                for key in keys
            ]
        }
    )


@dataclass
class Stored:
    """A message in the queue."""

    id: str
    body: str
    visible_at: float = 0.0
    receives: int = 0


class Sqs:
    """SQS as far as a worker calls it; it delivers at least once."""

    def __init__(self, world: World, bodies: Sequence[str]) -> None:
        self._world = world
        self._messages = {f"m{at}": Stored(f"m{at}", body) for at, body in enumerate(bodies)}
        self.dead: list[str] = []

    def left(self) -> list[Stored]:
        return list(self._messages.values())

    def receive_message(self, *, WaitTimeSeconds: int, VisibilityTimeout: int, **_: object) -> dict[str, Any]:
        until = self._world.now + WaitTimeSeconds
        with self._world.call():
            while not (found := self._next()) and self._world.now < until:
                soonest = min((message.visible_at for message in self.left()), default=until)
                self._world.pause(min(max(soonest, self._world.now + 1.0), until) - self._world.now)
            if not found:
                return {}
            found.receives += 1
            found.visible_at = self._world.now + VisibilityTimeout
            receipt = f"{found.id}/{found.receives}"
        attributes = {"ApproximateReceiveCount": str(found.receives)}
        message = {"MessageId": found.id, "ReceiptHandle": receipt, "Body": found.body, "Attributes": attributes}
        return {"Messages": [message]}

    def _next(self) -> Stored | None:
        twice = self._world.choose(16) == 15
        for message in self.left():
            if message.visible_at <= self._world.now or (twice and message.receives < MAX_RECEIVES):
                if message.receives < MAX_RECEIVES:
                    return message
                self.dead.append(self._messages.pop(message.id).body)
        return None

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:
        del QueueUrl
        with self._world.call():
            message = self._messages.get(ReceiptHandle.partition("/")[0])
            if message is None or message.visible_at <= self._world.now:
                raise refused("ReceiptHandleIsInvalid", 400)
            # An older receipt may do as well.
            message.visible_at = self._world.now + VisibilityTimeout

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> None:
        del QueueUrl
        with self._world.call():
            name, receives = ReceiptHandle.split("/")
            message = self._messages.get(name)
            if message and message.receives == int(receives):  # an older receipt succeeds and deletes nothing
                assert all(f"s3://out/{key}.parquet" in self._world.committed for key in keys(message.body))
                del self._messages[name]


def keys(body: str) -> list[str]:
    return [record["s3"]["object"]["key"] for record in json.loads(body)["Records"]]
