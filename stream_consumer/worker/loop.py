"""
Receive messages that name objects, score the objects, delete the messages.

Example: three messages, each with an object::

    message   object   run                        fate of the message
    m1        a.csv    output committed           deleted
    m2        b.csv    UsageError: no such file   hidden for 1 s, then 2 s, 4 s, …, at last moved by SQS
    m3        c.csv    lease lost, so Stopped     left alone, since another worker may have received the message

Invariant: a message is deleted only if the output of each of its objects is committed. A message with a failed object
returns to the queue, and the reason goes to the log. After the number of receives in the queue's redrive policy, SQS
moves the message to the dead-letter queue.

On a second delivery of a message, its output is already committed. If two workers meet at an object, both score the
object and write the same bytes. If the object has changed meanwhile, the job fails the run with outdated results.
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

# A signal cannot interrupt a poll without losing a message on its way. Therefore a poll is short, and a queue counts as
# empty after as many empty polls as make up the longest poll of SQS.
POLL_SECONDS = 5
EMPTY_POLLS = 4

# An object that can never be scored comes again after 1, 2, 4, … seconds. A worker that drains the queue thus runs
# until the message is in the dead-letter queue. Without such a queue, the growing waits keep the worker from being busy
# with the message. Any other failure waits for longer.
_POISON_SECONDS = 1
_TRANSIENT_SECONDS = 30
_RECEIVE_FAILED_SECONDS = 10
_MOST_SECONDS = 3600
_ONLY_S3 = "; the worker reads and writes objects of S3 alone: score those of other clouds with stream-consumer batch"


class Log(Protocol):
    """The methods of Powertools' Logger and of logging's loggers that the worker calls."""

    def info(self, msg: object, *, extra: dict[str, Any]) -> None: ...
    def warning(self, msg: object, *, extra: dict[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Why a message stays in the queue, and the seconds for which the message is hidden."""

    why: str
    seconds: float


@dataclass(slots=True)
class Tally:
    """Counts of the worker's results, by objects and, for work left to the queue, by messages."""

    scored: int = 0
    already: int = 0
    """Objects whose output was committed before, by this worker or another."""
    left: int = 0
    """Messages handed back or lost. A message counts again at each receive."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """The batch interface, as the worker uses it."""

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
    Return a function from an object to the location of its output.

    *template* has the fields ``{bucket}``, ``{key}`` and ``{stem}``.

    Raises:
        UsageError: *template* is no ``s3://`` URL, has other fields, gives the same location for every object or the
            object itself, or names no format.
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
    """A log that raises no exception. A failure to log must not undo a scored object or stop the worker."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def info(self, msg: object, *, extra: dict[str, Any]) -> None:
        with contextlib.suppress(Exception):
            self._log.info(msg, extra=extra)

    def warning(self, msg: object, *, extra: dict[str, Any]) -> None:
        with contextlib.suppress(Exception):
            self._log.warning(msg, extra=extra)


class Worker:
    """Works on a single message at a time. For more throughput, run more workers."""

    def __init__(  # noqa: PLR0913 (its parts, each named where they are composed)
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
        """*lease_seconds* is the time for which the queue hides a received message."""
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
        Work until asked to stop or, if *until_empty*, until polling finds no message.

        Messages held by other workers at this time remain theirs. If another worker dies, its message becomes visible
        again for any worker still running.

        Raises:
            QueueUnusable: Receiving from the queue fails, and a retry will not help.
            InitError: The model is at fault, not an object.
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
            # The message comes again after its visibility timeout. The worker then finds the outputs committed so far.
            self._log.warning("message not settled", extra={"message_id": message.id, "reason": str(error)})

    def _unsettled(self, message: Message, lease: Lease) -> Unsettled | None:
        """Score the objects of *message*. Return why the message stays in the queue, or None."""
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
        # The grace is for an object already begun. This object would be more work, although its message may have just
        # arrived.
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
    """Return the wait, which doubles with every receive."""
    return min(seconds * 2.0 ** min(message.receives - 1, 16), _MOST_SECONDS)


def _may_pass(error: ClientError | BotoCoreError) -> bool:
    if isinstance(error, ClientError):
        return is_transient(error)
    return isinstance(error, (ConnectionError, HTTPClientError))


def _named(job: Job, message: Message) -> dict[str, Any]:
    return {"source": str(job.source), "target": str(job.target), "message_id": message.id}
