"""
The local event source mapping: read a Kinesis stream and invoke a function as AWS Lambda's mapping does.

Each shard has a thread. The rules of delivery are in ``delivery_rules``. docs/event-source-mapping.md lists the
imitated behaviour with its sources, and the omissions.

Example: three records of a stream whose shard p was split into c1 and c2::

    record   shard   thread   steps
    r1       p       p        read, invoke, checkpoint r1, then find the end of the closed shard: p is finished
    r2       c1      c1       starts when p is finished: read, invoke, checkpoint r2
    r3       c2      c2       at the same time as c1: read, invoke, checkpoint r3

Invariant: no record of a child shard is delivered before each record of its parents is settled or discarded. A
checkpoint never passes an unsettled record. Therefore each record is delivered at least once, even if the process is
killed: the next run delivers the records in flight again.
"""

import threading
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from stream_consumer.kinesis.shard_reader import ShardReader, Start
from stream_consumer.local.mapping.checkpoints import Checkpoints, MemoryCheckpoints, Position, StreamProgress
from stream_consumer.local.mapping.clock import Clock, SystemClock
from stream_consumer.local.mapping.config import MappingConfig, Pace
from stream_consumer.local.mapping.events import Event, Observer, ShardFinished, ShardStarted, unobserved
from stream_consumer.local.mapping.lambda_records import ShardSource
from stream_consumer.local.mapping.lanes import LaneThreads
from stream_consumer.local.mapping.shard_consumer import ShardConsumer, Surroundings
from stream_consumer.local.mapping.shard_discovery import Shard, Stream

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient

    from stream_consumer.local.mapping.on_failure import OnFailureDestination
    from stream_consumer.local.runtime.functions import Function


class EventSourceMapping:
    """
    A mapping from a stream to a function. Call ``run`` once.

    Delivery is at least once, as on AWS. After a kill, the next run resumes from *checkpoints* and delivers the records
    in flight again.
    """

    def __init__(  # noqa: PLR0913 - everything from outside is an argument
        self,
        kinesis: "KinesisClient",
        function: "Function",
        config: MappingConfig,
        *,
        on_failure: "OnFailureDestination | None" = None,
        observer: Observer = unobserved,
        checkpoints: Checkpoints | None = None,
        pace: Pace | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.uuid = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{function.arn} {config.stream_name}"))
        self._kinesis = kinesis
        self._config = config
        self._observer = observer
        self._checkpoints = checkpoints or MemoryCheckpoints()
        self._pace = pace or Pace()
        self._clock = clock or SystemClock()
        self._stream = Stream(kinesis, config.stream_name, self._pace, self._clock)
        self._around = Surroundings(
            config=config,
            pace=self._pace,
            clock=self._clock,
            observer=self._observe,
            function=function,
            on_failure=on_failure,
            mapping_uuid=self.uuid,
            checkpointed=self._checkpointed,
        )
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._draining = threading.Event()
        self._wake = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._wakes: dict[str, threading.Event] = {}
        self._running: set[str] = set()
        self._ended: set[str] = set()
        """Shards finished in this run whose children are still to be looked for."""
        self._childless: set[str] = set()
        """Finished shards whose children were looked for and not listed yet."""
        self._failure: BaseException | None = None

    def run(self) -> None:
        """
        Consume until ``stop``, or until a ``drain`` is complete.

        Raises:
            LocalPlatformError: The stream cannot be read, or reads or on-failure deliveries fail for too long.
            BaseException: Any other cause that ended a shard's thread, such as ``KeyboardInterrupt`` after a clean
                stop.
        """
        try:
            self._begin()
            while not self._stopping.is_set() and (self._running or self._ended or not self._draining.is_set()):
                self._clock.wait(self._wake, self._pace.discovery_seconds if self._childless else None)
                self._wake.clear()
                if self._ended or self._childless:
                    self._start_shards()
        finally:
            self.stop()
            for thread in self._threads.values():
                thread.join()
        if self._failure is not None:
            raise self._failure

    def drain(self) -> None:
        """Let ``run`` return once every shard is settled up to its tip, as found by reads begun after this call."""
        self._draining.set()
        self._wake_all()

    def stop(self) -> None:
        """Let ``run`` return after the current invocations."""
        self._stopping.set()
        self._wake_all()

    def _wake_all(self) -> None:
        for wake in (self._wake, *list(self._wakes.values())):
            wake.set()

    def _begin(self) -> None:
        self._stream_arn = self._stream.arn()
        saved = self._checkpoints.load(self._stream_arn)
        self._progress = saved or StreamProgress(self._stream_arn, self._clock.now())
        self._start_shards(first=saved is None)

    def _start_shards(self, *, first: bool = False) -> None:
        """Start each shard not yet started whose parents are finished."""
        with self._lock:
            looked_for, self._ended = self._ended | self._childless, set()
        shards = self._stream.shards(self._stream_arn, self._stopping)
        if self._stopping.is_set():
            return  # the list may be incomplete
        starts = {shard.shard_id: self._start(shard, first=first) for shard in shards}
        with self._lock:
            if first:
                over = self._config.starting_position == "LATEST"
                there = {shard.shard_id: Position(finished=over and shard.closed) for shard in shards}
                self._progress.shards.update(there)
                self._checkpoints.save(self._progress)
            finished = {shard_id for shard_id, position in self._progress.shards.items() if position.finished}
        self._childless = looked_for - {parent for shard in shards for parent in shard.parents}
        unfinished = starts.keys() - finished
        for shard in shards:
            new = shard.shard_id in unfinished and shard.shard_id not in self._threads
            if new and not shard.parents & unfinished:
                self._start_shard(shard.shard_id, starts[shard.shard_id])

    def _start(self, shard: Shard, *, first: bool) -> Start:
        position = self._progress.shards.get(shard.shard_id)
        if position and position.sequence_number:
            return Start(after=position.sequence_number)
        if self._config.starting_position_timestamp is not None:
            return Start(timestamp=self._config.starting_position_timestamp.timestamp())
        if self._config.starting_position == "TRIM_HORIZON":
            return Start()
        if first:
            return Start("LATEST")
        # A shard listed at the first run without a checkpoint begins at the time of the first run, not at the present
        # tip. A later shard holds no older record.
        return Start(timestamp=self._progress.started) if position else Start()

    def _start_shard(self, shard_id: str, start: Start) -> None:
        source = ShardSource(self._stream_arn, shard_id)
        reader = ShardReader(self._kinesis, self._stream_arn, shard_id, start, now=self._clock.now)
        wake = self._wakes[shard_id] = threading.Event()
        executor = LaneThreads(self._config.parallelization_factor, shard_id)
        consumer = ShardConsumer(source, reader, self._around, executor, wake)
        thread = threading.Thread(target=self._consume, args=(shard_id, consumer, wake), name=shard_id, daemon=True)
        self._threads[shard_id] = thread
        self._running.add(shard_id)
        thread.start()

    def _consume(self, shard_id: str, consumer: ShardConsumer, wake: threading.Event) -> None:
        """Run a shard's thread."""
        try:
            self._observe(ShardStarted(shard_id))
            self._loop(consumer, wake)
            if consumer.done:
                self._finished(shard_id)
        except BaseException as error:  # noqa: BLE001 - a thread's end must be the mapping's, whatever ended it
            self._failure = self._failure or error
            self.stop()
        finally:
            self._running.discard(shard_id)
            self._wake.set()

    def _loop(self, consumer: ShardConsumer, wake: threading.Event) -> None:
        reads_before_drain: int | None = None
        try:
            while True:
                wake.clear()
                if self._stopping.is_set():  # checked after clear(), or a stop between the two would be missed
                    return
                pause = consumer.step()
                if self._draining.is_set():
                    reads_before_drain = consumer.reads if reads_before_drain is None else reads_before_drain
                    if consumer.drained_since(reads_before_drain):
                        return
                if consumer.done:
                    return
                self._clock.wait(wake, pause)
        finally:
            consumer.stop()

    def _finished(self, shard_id: str) -> None:
        with self._lock:
            position = self._progress.shards.get(shard_id, Position())
            self._progress.shards[shard_id] = replace(position, finished=True)
            self._checkpoints.save(self._progress)
            self._ended.add(shard_id)
        self._observe(ShardFinished(shard_id))

    def _checkpointed(self, shard_id: str, sequence_number: str) -> None:
        with self._lock:
            self._progress.shards[shard_id] = Position(sequence_number)
            self._checkpoints.save(self._progress)

    def _observe(self, event: Event) -> None:
        with self._lock:
            self._observer(event)
