"""
The whole handler on fakes: batches in, a response or an exception out, and all that it left behind.

How to use it::

    run = Harness([RESET_AFTER])                       # faults of PutRecords, one a call; s3_faults likewise
    run.invoke([ride_event(1), b"not JSON"])           # one batch; `first` numbers its records, for a redelivery
    run.kinesis.records, run.s3.letters, run.logs      # what is on the stream, in the bucket, and in the log
"""

import io
import itertools
import json
from collections.abc import Callable, Iterable
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from stream_consumer.challenger.challenger import Asked, Challenger
from stream_consumer.consumer import BatchResult, Consumer
from stream_consumer.contract import kpl
from stream_consumer.contract.prediction import Prediction, decode_prediction
from stream_consumer.dead_letter_sink import DeadLetters
from stream_consumer.inference import Decider
from stream_consumer.kinesis.aggregate_writer import AggregatedStream
from stream_consumer.kinesis.stream_writer import MAX_ENTRIES, PredictionStream
from stream_consumer.lambda_function import Handler
from stream_consumer.model import Model
from stream_consumer.settings import Settings
from stream_consumer.telemetry import Telemetry
from tests.fakes import FakeKinesis, FakeS3, FakeTime, Fault
from tests.rides import ARRIVAL, FakeContext, FakeModel, kinesis_event

BUCKET = "dead-letters-bucket"

# Powertools keeps one logger a name, with the stream it was first given.
_names = itertools.count()


class Harness:
    """One environment of the function; the metrics' lines go to standard output."""

    def __init__(  # noqa: PLR0913 (what a test may vary, each with a default)
        self,
        faults: Iterable[Fault | None] = (),
        *,
        s3_faults: Iterable[Fault | None] = (),
        model: Model | None = None,
        time: FakeTime | None = None,
        bucket: bool = True,
        challenger: "Callable[[Settings], Asked] | None" = None,
        **environ: str,
    ) -> None:
        """*environ* are further settings, by their variables' names; *challenger* starts the process of one."""
        self.time = time or FakeTime()
        self.kinesis = FakeKinesis(self.time, faults)
        self.s3 = FakeS3(self.time, s3_faults)
        model = model or FakeModel()
        self.settings = Settings.of({"MODEL_LOCATION": "unused", "PUBLISH_CONCURRENCY": "2"} | environ)
        retry = self.time.retry()
        in_flight = self.settings.publish_concurrency
        keys = self.settings.publish_aggregate_keys
        stream = PredictionStream(
            self.kinesis.client, "ride_predictions", in_flight=in_flight, retry=retry, stop_at_refused=keys > 0
        )
        at_once = in_flight * MAX_ENTRIES
        folded = AggregatedStream(stream, keys=keys, at_once=at_once, clock=self.time.clock)
        predictions = folded if keys else stream
        dead_letters = DeadLetters(self.s3.client, BUCKET, "dead-letters", retry=retry)
        self.consumer = Consumer(
            Decider(model, self.time.clock),
            predictions=None if self.settings.test_run else predictions,
            dead_letters=dead_letters if bucket else None,
            max_dead_letter_share=self.settings.dead_letter_max_share,
            clock=self.time.clock,
        )
        self._log = io.StringIO()
        self.telemetry = Telemetry(
            Logger(service=f"harness-{next(_names)}", stream=self._log, level="INFO"),
            lambda: EphemeralMetrics(namespace="StreamConsumer", service="stream-consumer"),
        )
        self.handler = Handler(
            self.consumer,
            self.settings,
            self.telemetry,
            challenger=Challenger(self.settings, model.schema.columns, start=challenger, clock=self.time.clock)
            if challenger
            else None,
            monotonic=self.time.clock,
            now=lambda: ARRIVAL + 2.5,
        )

    def invoke(self, datas: Iterable[bytes], *, first: int = 0, remaining_ms: int = 60_000) -> dict[str, Any]:
        return self.handler(kinesis_event(datas, first), FakeContext(remaining_ms))

    def invoke_with(self, event: dict[str, Any], *, remaining_ms: int = 60_000) -> dict[str, Any]:
        return self.handler(event, FakeContext(remaining_ms))

    @property
    def predictions(self) -> list[Prediction]:
        datas = [entry.data for entry in self.kinesis.records]
        if self.settings.publish_aggregate_keys:
            datas = [part.data for data in datas for part in kpl.unfold(data)]
        return list(map(decode_prediction, datas))

    @property
    def ride_ids(self) -> list[int | str]:
        """What is on the output stream, in short."""
        return [prediction.prediction.id for prediction in self.predictions]

    @property
    def logs(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.getvalue().splitlines()]


def outline(result: BatchResult) -> tuple[int, str]:
    """Return how far a batch is settled, and why no further."""
    return result.settled, result.cause
