"""What ``replay`` reads, a range of a stream or of a topic, and the stream or topic that it publishes on."""

import contextlib
import math
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from stream_consumer.cli import kafka_options, options
from stream_consumer.cli.outputs import refuse_absent_stream
from stream_consumer.errors import UsageError
from stream_consumer.kinesis.shard_reader import Start, same_stream

if TYPE_CHECKING:
    from stream_consumer.aws.clients import Clients
    from stream_consumer.contract.record import Record
    from stream_consumer.kafka.connection import Connection
    from stream_consumer.operate.replay import StreamRange
    from stream_consumer.operate.topic_range import TopicRange
    from stream_consumer.sinks import Sink

_RECORD = re.compile(r"(shardId-\d+):(\d+)(?:\.\d+)?")
POSITION = f"a time in ISO 8601 ({options.TIME}), or an event id (shardId-...:4963...)"


class Wanted(NamedTuple):
    """What the options of a replay say."""

    start: str
    until: str | None
    output_stream: str | None
    output_topic: str | None


class Source(NamedTuple):
    """What a replay reads, and where it publishes."""

    batches: "Iterator[list[Record]]"
    predictions: "Sink | None"
    """None if no stream and no topic was named for them."""


def stream_source(clients: "Clients", stream: str, wanted: Wanted) -> Source:
    """
    Return a range of a stream.

    Raises:
        UsageError: The range is none, or the output stream cannot be used.
    """
    from stream_consumer.operate.replay import batches

    span, output = _range_of_stream(wanted.start, wanted.until), wanted.output_stream
    if output and same_stream(clients.kinesis, output, stream):
        raise UsageError(f"--output-stream {output} is the input stream. Name a different stream for the predictions")
    return Source(batches(clients.kinesis, stream, span), _output(clients, output))


@contextlib.contextmanager
def topic_source(clients: "Clients", connection: "Connection", topic: str, wanted: Wanted) -> Iterator[Source]:
    """
    Give a range of a topic.

    Raises:
        UsageError: The range is none, or the output stream cannot be used.
        TopicUnusable: A topic cannot be reached, is not there, or is refused.
    """
    from stream_consumer.kafka.topic_reader import TopicReader
    from stream_consumer.operate.topic_range import topic_batches

    range_, output = _range(topic, wanted.start, wanted.until), wanted.output_topic
    if output == topic:
        raise UsageError(f"--output-topic {output} is the input topic. Name a different topic for the predictions")
    if output is not None:
        predictions: Sink | None = _checked(connection, kafka_options.topic_name(output))
    else:
        predictions = _output(clients, wanted.output_stream)
    reader = TopicReader(connection, topic)
    reader.check()
    try:
        yield Source(topic_batches(reader, range_), predictions)
    finally:
        reader.close()


def _checked(connection: "Connection", topic: str) -> "Sink":
    from stream_consumer.kafka.producer import WRITTEN_BY_COMMAND
    from stream_consumer.kafka.topic_writer import PredictionTopic

    sink = PredictionTopic(connection, topic, use=WRITTEN_BY_COMMAND)
    sink.check()
    return sink


def _range(topic: str, start: str, until: str | None) -> "TopicRange":
    from stream_consumer.operate.topic_range import TopicRange

    record = re.compile(rf"{re.escape(topic)}-(\d{{1,9}}):(\d{{1,18}})")
    place = f"a time in ISO 8601 ({options.TIME}), or an event id ({topic}-0:1500)"
    first, last = (record.fullmatch(text or "") for text in (start, until))
    if first and last and first[1] != last[1]:
        raise UsageError(
            f"--from is in partition {first[1]} and --until in {last[1]}: an event id bounds its own partition only"
        )
    either = first or last
    since = end = None
    if not first and start.upper() not in {"TRIM_HORIZON", "EARLIEST"}:
        since = options.timestamp("--from", start, wanted=f"TRIM_HORIZON, {place}").timestamp()
    if until and not last:
        end = options.timestamp("--until", until, wanted=place).timestamp()
    return TopicRange(
        since,
        end,
        partition=int(either[1]) if either else None,
        first=int(first[2]) if first else None,
        last=int(last[2]) if last else None,
    )


def _range_of_stream(start: str, until: str | None) -> "StreamRange":
    from stream_consumer.operate.replay import StreamRange

    first, last = (_RECORD.fullmatch(text or "") for text in (start, until))
    if first and last and first[1] != last[1]:
        raise UsageError(f"--from is in {first[1]} and --until in {last[1]}: an event id bounds its own shard only")
    if first:
        begin = Start(at=first[2])
    elif start.upper() == "TRIM_HORIZON":
        begin = Start()
    else:
        begin = Start(timestamp=options.timestamp("--from", start, wanted=f"TRIM_HORIZON, {POSITION}").timestamp())
    end = math.inf
    if not last:
        end = options.timestamp("--until", until, wanted=POSITION).timestamp() if until else time.time()
    either = first or last
    return StreamRange(begin, end, shard_id=either[1] if either else None, last=last[2] if last else None)


def _output(clients: "Clients", output_stream: str | None) -> "Sink | None":
    """
    Return the sink of *output_stream*.

    A client that may not describe the stream may still put records on it.

    Raises:
        UsageError: It does not exist.
    """
    from stream_consumer.kinesis.stream_writer import PredictionStream

    if not output_stream:
        return None
    refuse_absent_stream(clients.kinesis, output_stream, f"--output-stream {output_stream}")
    return PredictionStream(clients.kinesis, output_stream)
