"""
The challenger's process. It loads the model, scores batches from the function and counts the differing predictions.

The rule: every fault of the challenger stays inside this process. The function kills the process when an answer is
late, and loses nothing with the process.
"""

import contextlib
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from stream_consumer.aws.clients import client, client_config, default_session
from stream_consumer.challenger.channel import Answer, Batch, Channel, Loaded, Start
from stream_consumer.comparison import Outcome, RunningComparison, outcome_of
from stream_consumer.contract.prediction import Prediction, encode_prediction
from stream_consumer.contract.record import InvalidRecord, Record
from stream_consumer.errors import StreamConsumerError, described
from stream_consumer.inference import Decider
from stream_consumer.kinesis.stream_writer import PredictionStream
from stream_consumer.model import Model
from stream_consumer.models.loading import load_model
from stream_consumer.settings import Settings
from stream_consumer.sinks import Entry, Sink

ROWS = 1_000
"""Number of rows in a call of the model. Bounds the memory of a prediction."""
# Between invocations Lambda freezes an environment for minutes, and with it this process in the middle of loading.
_LONGEST_LOAD_SECONDS = 86_400
_LONGEST_LOAD_PROCESSOR_SECONDS = 120
_WORST_OOM_SCORE = "1000"
_LATE = "late"
_LONGEST_FAULT = 2_000
_decode_batch = msgspec.msgpack.Decoder(Batch).decode


class Judge:
    """Scores batches with the challenger and compares its predictions with the champion's."""

    def __init__(
        self, model: Model, *, threshold: float = 0.0, sink: Sink | None = None, clock: Callable[[], float]
    ) -> None:
        """Predictions go to *sink*, if given, as far as the sink accepts them."""
        self._decider = Decider(model, clock)
        self._threshold = threshold
        self._sink = sink
        self._clock = clock

    def answer(self, batch: Batch) -> Answer:
        """
        Return the differences between the two models on *batch*.

        A failing model gives a fault, never an exception.
        """
        until = self._clock() + batch.seconds
        running = RunningComparison(threshold=self._threshold)
        predictions: list[Prediction] = []
        fault = ""
        for at in range(0, len(batch.datas), ROWS):
            rows = slice(at, at + ROWS)
            event_ids = batch.event_ids[rows]
            try:
                made = self._decided(list(map(Record, batch.datas[rows], event_ids)), until)
            except Exception as error:  # noqa: BLE001 (a model may raise anything)
                made, fault = [], _named(error)
            predictions += [one for one in made if isinstance(one, Prediction)]
            outcomes = [*map(outcome_of, made), *[Outcome(reason=_LATE)] * (len(event_ids) - len(made))]
            running.add(batch.champion[rows], outcomes, list(map(str, event_ids)))
        found = running.comparison()
        return Answer(
            compared=found.predicted_by_both,
            disagreeing=found.disagreeing,
            failures=found.one_alone,
            numbers=found.scored_by_both,
            mean=found.mean,
            p95=found.p95,
            published=self._publish(predictions, until, batch.seconds / 2) if batch.publish else 0,
            fault=fault,
        )

    def _decided(self, records: Sequence[Record], until: float) -> list[Prediction | InvalidRecord]:
        # Half of the remaining time. Isolating rows for longer would leave no time to answer.
        now = self._clock()
        return self._decider.decide(records, now + (until - now) / 2).outcomes() if now < until else []

    def _publish(self, predictions: Sequence[Prediction], until: float, most: float) -> int:
        """
        Publish to the challenger's own stream for at most *most* seconds.

        Return the number of predictions accepted.
        """
        if self._sink is None or not predictions:
            return 0
        entries = [Entry(one.partition_key, encode_prediction(one)) for one in predictions]
        # A part of the remaining time is reserved for the answer.
        now = self._clock()
        written = self._sink.write(entries, now + min((until - now) * 3 / 4, most))
        return len(entries) - len(written.unwritten)


def _named(error: Exception) -> str:
    """Return a text about *error* that may be logged. A model's own message may quote a payload."""
    if _is_of_memory(error):
        return "MemoryError: the challenger needs more memory than the champion leaves; give the function more"
    return str(error)[:_LONGEST_FAULT] if isinstance(error, StreamConsumerError) else type(error).__name__


def _is_of_memory(error: BaseException | None) -> bool:
    """Whether a lack of memory caused *error*. A library may have wrapped the MemoryError in its own exception."""
    return error is not None and (isinstance(error, MemoryError) or _is_of_memory(error.__cause__ or error.__context__))


def serve(channel: Channel, load: Callable[[Settings], tuple[Model, Judge]]) -> None:
    """
    Load the model of the first message, and answer batches until the function ends.

    Raises:
        OSError: The function has ended.
    """
    start = msgspec.msgpack.decode(channel.receive(), type=Start)
    try:
        _limit_memory(start.memory)
        with _alarm(_LONGEST_LOAD_SECONDS), _alarm(_LONGEST_LOAD_PROCESSOR_SECONDS, signal.ITIMER_PROF):
            model, judge = load(start.settings)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is told)
        lacking = f"{_named(error)} (it may take {start.memory // 2**20} MB)"
        fault = lacking if _is_of_memory(error) else described(error)[:_LONGEST_FAULT]
        channel.send(msgspec.msgpack.encode(Loaded(fault=fault)))
        return
    channel.send(
        msgspec.msgpack.encode(
            Loaded(name=model.name, version=model.version, digest=model.digest, columns=model.schema.columns)
        )
    )
    while True:
        batch = _decode_batch(channel.receive())
        with _alarm(batch.seconds + 1):
            answer = judge.answer(batch)
        channel.send(msgspec.msgpack.encode(answer))


@contextlib.contextmanager
def _alarm(seconds: float, timer: int = signal.ITIMER_REAL) -> Iterator[None]:
    """Have the kernel end this process after *seconds*. The function might be gone and unable to kill the process."""
    signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        signal.setitimer(timer, 0)


def _limit_memory(room: int) -> None:
    """
    Let allocations beyond *room* bytes fail, and make this process the kernel's first victim if memory runs out.

    The limit counts the memory reserved for data. Memory already reserved and unused is therefore added to the limit.
    """
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()
    resident, data = (int(pages[at]) * os.sysconf("SC_PAGE_SIZE") for at in (1, 5))
    limit, hard = room + max(0, data - resident), resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
    with contextlib.suppress(OSError):  # /proc may be read-only
        Path("/proc/self/oom_score_adj").write_text(_WORST_OOM_SCORE, encoding="ascii")


def load(settings: Settings) -> tuple[Model, Judge]:
    """
    Load the challenger, and make the sink for its predictions if the settings name a stream.

    Raises:
        InitError: The model cannot be served, or a client cannot be made.
    """
    # RUN_ID names the version of a single model, the champion.
    choice = replace(settings.choice, digest=settings.challenger_digest, version=None)
    model = load_model(str(settings.challenger_location), choice=choice)
    sink = _sink(settings, settings.challenger_stream) if settings.challenger_stream else None
    return model, Judge(model, threshold=settings.challenger_threshold, sink=sink, clock=time.monotonic)


def _sink(settings: Settings, stream: str) -> Sink:
    in_flight = settings.publish_concurrency
    config = client_config(in_flight)
    kinesis = client(default_session(), "kinesis", endpoint_url=settings.kinesis_endpoint_url, config=config)
    return PredictionStream(kinesis, stream, in_flight=in_flight)


def main(descriptor: int) -> None:
    os.nice(10)
    channel = Channel(socket.socket(fileno=descriptor))
    with contextlib.suppress(OSError):
        serve(channel, load)


if __name__ == "__main__":
    main(int(sys.argv[1]))
