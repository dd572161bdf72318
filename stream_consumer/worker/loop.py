"""
Objects that a queue tells of: receive, score, delete.

The rule: a message is deleted when the output of each of its objects is committed, and never otherwise. What fails
goes back to the queue with its reason in the log; after as many receives as its redrive policy says, SQS moves it to
the dead-letter queue. A message that is delivered twice finds its output committed. Two workers that meet at one object
both score it: they write the same bytes, and the job fails the run whose results are not those of the object as it is.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError  # noqa: A004

from stream_consumer.aws.retry import is_transient
from stream_consumer.batch.errors import Stopped
from stream_consumer.batch.job import Job, committed, run
from stream_consumer.batch.locations import Kind, Location
from stream_consumer.batch.storage import Stores
from stream_consumer.batch.summary import Summary
from stream_consumer.errors import InitError, UsageError
from stream_consumer.model import Model
from stream_consumer.worker.errors import QueueUnusable
from stream_consumer.worker.lease import Heart, Lease, heart
from stream_consumer.worker.notifications import NewObject, Unintelligible, new_objects
from stream_consumer.worker.queue import Message, Queue, ReceiptLost
from stream_consumer.worker.shutdown import Shutdown

# A signal cannot interrupt a poll without losing what may be on its way, so a poll is short, and a queue is empty after
# as many as make up SQS' longest.
POLL_SECONDS = 5
EMPTY_POLLS = 4

# What can never be scored comes again after 1, 2, 4, … seconds: soon enough that a worker which drains the queue sees
# it into the dead-letter queue, and ever later, lest a queue without one keep it busy. Anything else gets minutes.
_POISON_SECONDS = 1
_TRANSIENT_SECONDS = 30
_RECEIVE_FAILED_SECONDS = 10
_MOST_SECONDS = 3600
_ONLY_S3 = "; the worker reads and writes objects of S3 alone: score those of other clouds with stream-consumer batch"


class Log(Protocol):
    """As far as Powertools' Logger and logging's are called."""

    def info(self, msg: object, *, extra: dict[str, Any]) -> None: ...
    def warning(self, msg: object, *, extra: dict[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Why a message stays in the queue, and for how long it is to be hidden."""

    why: str
    seconds: float


@dataclass(slots=True)
class Tally:
    """What became of the work, by objects and, for what is left to the queue, by messages."""

    scored: int = 0
    already: int = 0
    """Committed before, by this worker or another."""
    left: int = 0
    """Messages handed back or lost, each time counted."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """The batch door, as the worker uses it."""

    run: Callable[[Job, Callable[[], bool]], Summary]
    committed: Callable[[Job], Summary | None]
    target: Callable[[NewObject], str]

    @classmethod
    def of(cls, model: Model, stores: Stores, target: Callable[[NewObject], str], jobs: int = 1) -> "Scoring":
        return cls(
            run=lambda job, stop: run(job, model=model, stores=stores, stop=stop, jobs=jobs),
            committed=lambda job: committed(job, stores, model=model),
            target=target,
        )


def targets(template: str) -> Callable[[NewObject], str]:
    """
    Return what names the output of an object by *template*, with ``{bucket}``, ``{key}`` and ``{stem}``.

    Raises:
        UsageError: It is no ``s3://`` URL, has other fields, is the same for every object or the object itself, or
            names no format.
    """
    samples = [NewObject("bucket", f"folder/{name}.csv") for name in "ab"]

    def target(new: NewObject) -> str:
        return template.format(bucket=new.bucket, key=new.key, stem=Location.parse(new.url).stem)

    try:
        one, other = map(target, samples)
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        raise UsageError(f"--output {template!r}: {error!r}; wanted fields {{bucket}}, {{key}} and {{stem}}") from None
    kind = Location.parse(one).kind
    if kind is not Kind.OBJECT or one == other:
        raise UsageError(
            f"--output {template!r}: wanted an s3:// URL with {{key}} or {{stem}}, an output for each object"
            f"{_ONLY_S3 if kind is Kind.CLOUD else ''}"
        )
    if one == samples[0].url:
        raise UsageError(
            f"--output {template!r}: predictions would replace their input; wanted a folder of their own, as in "
            "s3://{bucket}/predictions/{key}"
        )
    try:
        _ = Location.parse(one).suffix
    except UsageError as error:
        raise UsageError(f"--output {template!r}: {error}") from None
    return target


class _Harmless:
    """A log that lets no exception out: what was scored stays scored, and the next message is received."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def info(self, msg: object, *, extra: dict[str, Any]) -> None:
        with contextlib.suppress(Exception):
            self._log.info(msg, extra=extra)

    def warning(self, msg: object, *, extra: dict[str, Any]) -> None:
        with contextlib.suppress(Exception):
            self._log.warning(msg, extra=extra)


class Worker:
    """Works on one message at a time; run more of them for more."""

    def __init__(  # noqa: PLR0913 (its parts, each named at the one place that composes them)
        self,
        queue: Queue,
        scoring: Scoring,
        shutdown: Shutdown,
        log: Log,
        *,
        lease_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        heart: Heart = heart,
    ) -> None:
        """*lease_seconds* is for how long the queue hides a message."""
        self._queue = queue
        self._scoring = scoring
        self._shutdown = shutdown
        self._log = _Harmless(log)
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._heart = heart
        self._fault: InitError | None = None
        self.tally = Tally()

    def work(self, *, until_empty: bool) -> None:
        """
        Work until it is asked to stop or, if *until_empty*, until polling finds nothing.

        What other workers hold then is theirs: should one die, its message shows again, and is whoever's runs then.

        Raises:
            QueueUnusable: See there.
            InitError: The model is at fault, which no object is to be blamed for.
        """
        empty = 0
        while not self._shutdown.asked and not (until_empty and empty >= EMPTY_POLLS):
            before = self._clock()
            try:
                message = self._queue.receive(POLL_SECONDS)
            except (ClientError, BotoCoreError) as error:
                if not _may_pass(error):
                    raise QueueUnusable(f"the queue {self._queue.url} cannot be received from: {error}") from error
                self._log.warning("receive failed", extra={"reason": str(error)})
                self._shutdown.wait(_RECEIVE_FAILED_SECONDS)
                continue
            empty = 0 if message else empty + 1
            if message:
                self._settle(message, Lease(self._queue, message, before, self._lease_seconds, self._clock))
            if self._fault:
                raise self._fault

    def _settle(self, message: Message, lease: Lease) -> None:
        with self._heart(self._lease_seconds / 3, lease.beat):
            unsettled = self._unsettled(message, lease)
        try:
            if unsettled is None:
                self._queue.delete(message)
            elif not lease.lost:
                self._queue.hide(message, unsettled.seconds)
        except (ReceiptLost, ClientError, BotoCoreError) as error:
            # It comes again when its time is over, and finds what was committed.
            self._log.warning("message not settled", extra={"message_id": message.id, "reason": str(error)})

    def _unsettled(self, message: Message, lease: Lease) -> Unsettled | None:
        """Score the objects of *message*; why it stays, if it does."""
        try:
            objects = new_objects(message.body)
        except Unintelligible as error:
            reasons = [_poison(error, message)]
            self._complain(message, "", reasons[0])
        else:
            reasons = [why for new in objects if (why := self._object(new, message, lease))]
        self.tally.left += bool(reasons)
        return max(reasons, key=lambda reason: reason.seconds, default=None)

    def _object(self, new: NewObject, message: Message, lease: Lease) -> Unsettled | None:
        reason = None
        try:
            self._scored(new, message, lease)
        except Stopped:
            why = f"lease lost: {lease.lost}" if lease.lost else "stopped"
            reason = Unsettled(why, 0)
        except UsageError as error:
            reason = _poison(error, message)
        except InitError as error:
            self._fault = error
            reason = Unsettled(str(error), 0)
        except Exception as error:  # noqa: BLE001 (a worker outlives its objects; the queue counts how often one fails)
            reason = Unsettled(f"{type(error).__name__}: {error}", _backoff(_TRANSIENT_SECONDS, message))
        if reason:
            self._complain(message, new.url, reason)
        return reason

    def _scored(self, new: NewObject, message: Message, lease: Lease) -> None:
        def stop() -> bool:
            return self._shutdown.overdue or bool(lease.lost)

        job = Job.of(new.url, self._scoring.target(new))
        # The grace is for an object that was begun; this one is more work, though its message may just have come.
        if self._shutdown.asked or lease.lost:
            raise Stopped
        if self._scoring.committed(job):
            self.tally.already += 1
            self._log.info("scored before", extra=_named(job, message))
            return
        started = self._clock()
        summary = self._scoring.run(job, stop)
        self.tally.scored += 1
        figures = {"rows": summary.rows, "predicted": summary.predicted, "rejected": summary.rows - summary.predicted}
        self._log.info("scored", extra=_named(job, message) | figures | {"seconds": self._clock() - started})

    def _complain(self, message: Message, source: str, reason: Unsettled) -> None:
        self._log.warning(
            "not scored",
            extra={
                "message_id": message.id,
                "receives": message.receives,
                "source": source,
                "reason": reason.why,
                "again_in_seconds": round(reason.seconds),
            },
        )


def _poison(error: Exception, message: Message) -> Unsettled:
    return Unsettled(str(error), _backoff(_POISON_SECONDS, message))


def _backoff(seconds: float, message: Message) -> float:
    """Twice as long with every receive."""
    return min(seconds * 2.0 ** min(message.receives - 1, 16), _MOST_SECONDS)


def _may_pass(error: ClientError | BotoCoreError) -> bool:
    if isinstance(error, ClientError):
        return is_transient(error)
    return isinstance(error, (ConnectionError, HTTPClientError))


def _named(job: Job, message: Message) -> dict[str, Any]:
    return {"source": str(job.source), "target": str(job.target), "message_id": message.id}
