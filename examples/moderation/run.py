"""Comments on a stream, two consumers of it, and one reader of what both say."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from examples.moderation.classifiers import CLASSIFIERS, ENTITY, ID, Classifier
from examples.moderation.merging import Merged, merged
from stream_consumer.cli.consume import OWN_HANDLER
from stream_consumer.kinesis.stream_writer import PredictionStream
from stream_consumer.local.demo.embedded_aws import EmbeddedAws
from stream_consumer.local.demo.ride_producer import Producer
from stream_consumer.local.mapping.config import MappingConfig, Pace
from stream_consumer.local.mapping.event_source_mapping import EventSourceMapping
from stream_consumer.local.runtime.functions import FunctionConfig, started
from stream_consumer.local.runtime.worker_pool import RuntimeFunction
from stream_consumer.reader import PredictionReader
from stream_consumer.sinks import Entry

INPUT_STREAM = "comments"
BUCKET = "comment-failures"


def moderate(comments: Sequence[str]) -> list[Merged]:
    """
    Return what both classifiers say of each comment.

    Each classifier is a consumer of its own, as two Lambda functions with a mapping each are. Neither knows of the
    other: one may be deployed, fail or lag behind while the other goes on.
    """
    outputs = {classifier.output_stream: 1 for classifier in CLASSIFIERS}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        aws = stack.enter_context(EmbeddedAws(streams={INPUT_STREAM: 1, **outputs}, buckets=[BUCKET]))
        mappings = [stack.enter_context(_consumer(one, one.save(folder), aws)) for one in CLASSIFIERS]
        kinesis = aws.clients().kinesis
        Producer(PredictionStream(kinesis, INPUT_STREAM)).put(_events(comments), lambda *_: None)
        with ThreadPoolExecutor(len(mappings)) as threads:
            for mapping in mappings:
                mapping.drain()
            list(threads.map(EventSourceMapping.run, mappings))
        readers = {
            one.name: PredictionReader(kinesis, one.output_stream, envelope=one.envelope, follow=False)
            for one in CLASSIFIERS
        }
        return list(merged(readers))


def _events(comments: Sequence[str]) -> list[Entry]:
    """Return a record for each comment; its number is its identifier."""
    return [
        Entry(str(number), msgspec.json.encode({ENTITY: {"text": text}, ID: number}))
        for number, text in enumerate(comments)
    ]


@contextmanager
def _consumer(classifier: Classifier, model: Path, aws: EmbeddedAws) -> Iterator[EventSourceMapping]:
    """Give the mapping of a function with its own model, output stream and prefix of dead letters."""
    environment = {
        **os.environ,
        **aws.environment,
        "MODEL_LOCATION": str(model),
        "PREDICTIONS_STREAM_NAME": classifier.output_stream,
        "DEAD_LETTER_BUCKET": BUCKET,
        "DEAD_LETTER_PREFIX": classifier.name,
        "POWERTOOLS_SERVICE_NAME": f"comment-{classifier.name}",
    }
    with RuntimeFunction(FunctionConfig(OWN_HANDLER, name=classifier.name), environment=environment) as function:
        started(function.warm_up())
        config = MappingConfig(stream_name=INPUT_STREAM, report_batch_item_failures=True)
        yield EventSourceMapping(aws.clients().kinesis, function, config, pace=Pace(poll_seconds=0.05))
