"""Where the processor time of one batch goes, stage by stage, and how long publishing takes when the stream is far."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import boto3

from benchmarks.contestants import STREAM, Contestant, Setup, ours, runtime_parse
from benchmarks.stub import StubKinesis
from benchmarks.worker import Worker
from benchmarks.workload import Say, Workload
from stream_consumer.aws.clients import client_config
from stream_consumer.contract.envelope import predicted_type
from stream_consumer.contract.lambda_event import records_from_lambda
from stream_consumer.contract.prediction import Prediction, encode_prediction
from stream_consumer.contract.record import InvalidRecord
from stream_consumer.kinesis.aggregate_writer import AggregatedStream
from stream_consumer.kinesis.answer_parser import shorten
from stream_consumer.kinesis.stream_writer import MAX_ENTRIES, PredictionStream
from stream_consumer.model import Model
from stream_consumer.models.loading import load_model
from stream_consumer.profiling.profile import Profiler
from stream_consumer.profiling.reference import carried_by
from stream_consumer.scoring import Scorer
from stream_consumer.sinks import Entry

BATCH = 10_000
WHOLE, AGGREGATED, PROFILED = "whole", "aggregated", "profiled"
AGGREGATE_KEYS = 8
_PUBLISH_CONCURRENCY = 4
FAR = 0.02
"""Seconds that a far stream takes to answer."""
_IN_FLIGHT = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Parts:
    """The core's parts, beside the handler that is composed of the same."""

    whole: Contestant
    parse: Callable[[bytes], Any]
    model: Model
    stream: PredictionStream
    aggregated: AggregatedStream
    profiler: Profiler


def parts(setup: Setup) -> Parts:
    whole = ours(setup)
    model = load_model(str(setup.model), s3=lambda: boto3.client("s3"))
    single = stream(setup, _PUBLISH_CONCURRENCY)
    folded = AggregatedStream(single, keys=AGGREGATE_KEYS, at_once=_PUBLISH_CONCURRENCY * MAX_ENTRIES)
    _, profiler = carried_by(model)
    return Parts(whole, runtime_parse(), model, single, folded, profiler)


def stream(setup: Setup, in_flight: int) -> PredictionStream:
    config = client_config(in_flight, parameter_validation=False)
    client = shorten(boto3.client("kinesis", endpoint_url=setup.endpoint_url, config=config))
    return PredictionStream(client, STREAM, in_flight=in_flight)


def walk(subject: Parts, payload: bytes) -> dict[str, float]:
    """Processor seconds of each stage of one batch, and of the handler with the same batch."""
    spent: dict[str, float] = {}
    with _timed(spent, WHOLE):
        subject.whole(payload)()
    scorer = Scorer(subject.model)
    with _timed(spent, "parse"):
        event = subject.parse(payload)
    with _timed(spent, "unpack"):
        records = records_from_lambda(event)
    with _timed(spent, "decode"):
        events = list(map(subject.model.schema.decode, [record.data for record in records]))
    valid = [event for event in events if not isinstance(event, InvalidRecord)]
    with _timed(spent, "features"):
        columns = scorer.columns(valid)
        scorer.unseen(columns)
    with _timed(spent, "predict"):
        values = scorer.score(columns, float("inf"))
    with _timed(spent, "encode"):
        name, version = subject.model.name, subject.model.version
        predicted = map(predicted_type(subject.model.schema.envelope), values, [event.id for event in valid])
        predictions = [
            Prediction(name, version, one, record.event_id) for record, one in zip(records, predicted, strict=True)
        ]
        keys = [prediction.partition_key for prediction in predictions]
        entries = list(map(Entry, keys, map(encode_prediction, predictions)))
    with _timed(spent, "publish"):
        subject.stream.write(entries, float("inf"))
    with _timed(spent, AGGREGATED):
        subject.aggregated.write(entries, float("inf"))
    with _timed(spent, PROFILED):
        subject.profiler.profile(columns, values)
    return spent


@contextmanager
def _timed(spent: dict[str, float], stage: str) -> Iterator[None]:
    begun = time.process_time()
    yield
    spent[stage] = time.process_time() - begun


@dataclass(frozen=True, slots=True)
class Stages:
    """Processor microseconds a record of a full batch with the default model."""

    stages: Mapping[str, float]
    whole: float
    """Of the handler, in the same process."""
    aggregated: float
    """Of publishing in KPL aggregates instead."""
    profiled: float
    """Of counting the columns and the prediction in a profile, which the function does not."""

    @property
    def ours(self) -> float:
        """All but the runtime client's parse, the model's prediction and the publishing."""
        return self.whole - self.stages["parse"] - self.stages["predict"] - self.stages["publish"]


def stages(workload: Workload, stub: StubKinesis, rounds: int, say: Say) -> Stages:
    setup, payload = Setup(workload.models["default"], stub.endpoint_url), workload.event(BATCH)
    with Worker(parts, setup) as worker:
        worker.run(walk, payload)
        say("stages")
        walks = [worker.run(walk, payload) for _ in range(rounds * 3)]
    micros = {stage: statistics.median(one[stage] for one in walks) / BATCH * 1e6 for stage in walks[0]}
    beside = {name: micros.pop(name) for name in (WHOLE, AGGREGATED, PROFILED)}
    return Stages(stages=micros, **beside)


def far_stream(workload: Workload, rounds: int, say: Say) -> dict[int, float]:
    """Records a second (wall) that one worker publishes to a stream 20 ms away, by requests in flight."""
    rates: dict[int, float] = {}
    with ExitStack() as stack:
        stub = stack.enter_context(StubKinesis(FAR))
        worker = stack.enter_context(Worker(setup_of, Setup(workload.models["default"], stub.endpoint_url)))
        for in_flight in _IN_FLIGHT:
            say(f"publishing to a stream {FAR * 1000:.0f} ms away, {in_flight} in flight")
            rates[in_flight] = worker.run(_publishing, in_flight, rounds)
    return rates


def setup_of(setup: Setup) -> Setup:
    return setup


def _publishing(setup: Setup, in_flight: int, rounds: int) -> float:
    sink = stream(setup, in_flight)
    entries = [Entry(str(number), b"%0180d" % number) for number in range(BATCH)]
    seconds = []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        sink.write(entries, float("inf"))
        seconds.append(time.perf_counter() - begun)
    return BATCH / statistics.median(seconds[1:])
