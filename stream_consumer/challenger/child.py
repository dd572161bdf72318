"""
The challenger's process: it loads the model, scores what the function sends, and counts how the predictions differ.

The rule: everything that the challenger may do wrong happens in here. The function kills this process when an answer
is late, and loses nothing with it.
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
"""Of a call of the model: a bound on the memory that a prediction takes."""
# Lambda freezes an environment between invocations, for minutes, and this process in the middle of loading with it.
_LONGEST_LOAD_SECONDS = 86_400
_WORST_OOM_SCORE = "1000"
_LATE = "late"
_LONGEST_FAULT = 2_000
_decode_batch = msgspec.msgpack.Decoder(Batch).decode


class Judge:
    """Scores batches with the challenger and holds its predictions against the champion's."""

    def __init__(
        self, model: Model, *, threshold: float = 0.0, sink: Sink | None = None, clock: Callable[[], float]
    ) -> None:
        """Predictions go to *sink*, if there is one, as far as it takes them."""
        self._decider = Decider(model, clock)
        self._threshold = threshold
        self._sink = sink
        self._clock = clock

    def answer(self, batch: Batch) -> Answer:
        """Return how the two models differ on *batch*; a model that fails is a fault, never an exception."""
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
        # Half of what is left: rows that are isolated for longer than that leave no time to answer.
        now = self._clock()
        return self._decider.decide(records, now + (until - now) / 2).outcomes() if now < until else []

    def _publish(self, predictions: Sequence[Prediction], until: float, most: float) -> int:
        """Return how many of *predictions* the challenger's own stream has taken, after *most* seconds at most."""
        if self._sink is None or not predictions:
            return 0
        entries = [Entry(one.partition_key, encode_prediction(one)) for one in predictions]
        # Of the time that is left, some is for the answer.
        now = self._clock()
        written = self._sink.write(entries, now + min((until - now) * 3 / 4, most))
        return len(entries) - len(written.unwritten)


def _named(error: Exception) -> str:
    """Return what may be logged of *error*: a model's own message may quote a payload."""
    if _is_of_memory(error):
        return "MemoryError: the challenger needs more memory than the champion leaves; give the function more"
    return str(error)[:_LONGEST_FAULT] if isinstance(error, StreamConsumerError) else type(error).__name__


def _is_of_memory(error: BaseException | None) -> bool:
    """Whether *error* came of a lack of memory, which a library may have taken for a fault of its own."""
    return error is not None and (isinstance(error, MemoryError) or _is_of_memory(error.__cause__ or error.__context__))


def serve(channel: Channel, load: Callable[[Settings], tuple[Model, Judge]]) -> None:
    """
    Load the model that the first message names, and answer batches until the function ends.

    Raises:
        OSError: The function has ended.
    """
    start = msgspec.msgpack.decode(channel.receive(), type=Start)
    try:
        _limit_memory(start.memory)
        with _alarm(_LONGEST_LOAD_SECONDS):
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
def _alarm(seconds: float) -> Iterator[None]:
    """Have the kernel end this process after *seconds*: the function that would kill it may itself be gone."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _limit_memory(room: int) -> None:
    """
    Let allocations beyond *room* bytes fail, and have the kernel choose this process first if memory runs out.

    The limit counts what is reserved for data, so it allows as much more as is reserved now and not in use.
    """
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()
    resident, data = (int(pages[at]) * os.sysconf("SC_PAGE_SIZE") for at in (1, 5))
    limit, hard = room + max(0, data - resident), resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
    with contextlib.suppress(OSError):  # where /proc may not be written to
        Path("/proc/self/oom_score_adj").write_text(_WORST_OOM_SCORE, encoding="ascii")


def load(settings: Settings) -> tuple[Model, Judge]:
    """
    Load the challenger, and make the sink for its predictions if it has a stream.

    Raises:
        InitError: The model cannot be served, or no client can be made.
    """
    # The environment names the version of one model, which is the champion's.
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
