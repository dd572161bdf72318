"""The demo on topics: a producer, a member of a consumer group, and a reader of the predictions' topic."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from stream_consumer.composition import Composition
from stream_consumer.contract.prediction import Prediction
from stream_consumer.kafka.connection import Authentication, Connection
from stream_consumer.kafka.topic_reader import TopicReader
from stream_consumer.kafka.topic_writer import PredictionTopic
from stream_consumer.kinesis.shard_reader import Start
from stream_consumer.local.demo.consuming import BUCKET, DEAD_LETTER_PREFIX, INPUT_STREAM, OUTPUT_STREAM
from stream_consumer.local.demo.group_consuming import BatchTally, GroupConsuming
from stream_consumer.local.demo.reading import Pause, Reader
from stream_consumer.local.demo.run import Counted, Plan
from stream_consumer.operate.topic_predictions import TopicPredictionReader
from stream_consumer.telemetry import Telemetry

if TYPE_CHECKING:
    from stream_consumer.sinks import Sink

INPUT_TOPIC, OUTPUT_TOPIC = INPUT_STREAM, OUTPUT_STREAM


def consumer_environment(model_location: str, brokers: str) -> dict[str, str]:
    """Return the settings of a consumer that publishes on the output topic of the cluster at *brokers*."""
    return {
        "MODEL_LOCATION": model_location,
        "PREDICTIONS_TOPIC": OUTPUT_TOPIC,
        "PREDICTIONS_STREAM_NAME": "",
        "PUBLISH_AGGREGATE_KEYS": "",
        "KAFKA_BROKERS": brokers,
        "KAFKA_AUTHENTICATION": Authentication.PLAINTEXT,
        "KAFKA_SECRET_ARN": "",
        "KAFKA_CA_SECRET_ARN": "",
        "DEAD_LETTER_BUCKET": BUCKET,
        "DEAD_LETTER_PREFIX": DEAD_LETTER_PREFIX,
        "POWERTOOLS_LOG_LEVEL": "ERROR",
    }


class TopicPlatform:
    """Context manager for a run on the topics of a cluster on loopback."""

    def __init__(self, plan: Plan, brokers: str, composed: Composition, report: Telemetry) -> None:
        self._connection = Connection(brokers, Authentication.PLAINTEXT)
        self.sink: Sink = PredictionTopic(self._connection, INPUT_TOPIC)
        self._plan = plan
        self._composed = composed
        self._tally = BatchTally(report)
        self._consuming: GroupConsuming | None = None
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def start(self) -> None:
        self._consuming = GroupConsuming(
            self._composed, self._connection, INPUT_TOPIC, self._tally, self._plan.batch_size
        )

    def drain(self, meanwhile: Callable[[], None]) -> None:
        if self._consuming:
            topic = self._reader(INPUT_TOPIC)
            self._consuming.drain(topic.tips(topic.partitions()), meanwhile)

    def stop(self) -> None:
        if self._consuming:
            self._consuming.stop()

    def open_reader(self, pause: Pause | None, checkpoint: Mapping[str, Any] | None) -> Reader:
        return TopicPredictionReader(
            self._reader(OUTPUT_TOPIC),
            start=Start(),
            follow=pause is not None,
            envelope=self._plan.envelope,
            checkpoint=checkpoint,
            turn=(lambda: pause(0)) if pause else lambda: None,
        )

    def _reader(self, topic: str) -> TopicReader:
        reader = TopicReader(self._connection, topic)
        self._closing.callback(reader.close)
        return reader

    def counted(self) -> Counted:
        return Counted(0, self._tally.batches, self._tally.failed_batches, self._tally.last_error)

    def out_of_order(self, predictions: Sequence[Prediction]) -> int:
        """Return the predictions that came after that of a later event with their key. Each key has one partition."""
        last: dict[str, int] = {}
        found = 0
        for prediction in predictions:
            offset = int((prediction.event_id or ":0").rpartition(":")[2])
            found += offset < last.get(prediction.partition_key, -1)
            last[prediction.partition_key] = max(offset, last.get(prediction.partition_key, -1))
        return found
