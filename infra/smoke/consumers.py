"""
Put an event on a stream, and wait for the prediction of each consumer.

All consumers share one event if all their models accept it. Otherwise some consumers get their own events, and the
test first tells which other consumers make dead letters of these.
"""

import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

from infra.clients import Aws
from infra.smoke.example import example_of, merged, settings_of
from infra.smoke.prediction import Consumer, SmokeEvent, Watch
from infra.smoke.wait import MakeWait, Result, Untestable, Wait
from stream_consumer.contract.prediction import encode_prediction
from stream_consumer.errors import StreamConsumerError

_NEW_SECONDS, _SECONDS = 600.0, 180.0
_LEEWAY_SECONDS = 5.0


def through(
    aws: Aws, outputs: Mapping[str, Any], names: Collection[str], baked: str, wait: MakeWait
) -> Iterator[Result]:
    """
    Yield the result of each of the consumers *names*; *baked* is the location of the model in their image.

    Raises:
        SmokeTestFailed: A consumer gives no prediction.
        StreamConsumerError: The settings or the model of a consumer cannot be read.
    """
    consumers = []
    for name in outputs["consumers"]:  # consumers that are not tested also read the events
        try:
            consumers.append(_consumer(aws, outputs, name, baked))
        except Untestable as why:
            if name in names:
                yield Result(name, untested=str(why))
        except StreamConsumerError:
            if name in names:
                raise
    tested = [consumer for consumer in consumers if consumer.name in names]
    waiting = wait(_NEW_SECONDS if any(consumer.is_new for consumer in tested) else _SECONDS)
    kinesis = aws("kinesis")
    since = _now(kinesis, outputs["input_stream"])
    events: dict[str, SmokeEvent] = {}
    identifier = f"smoke-{uuid.uuid4()}"
    for data, members in _events(consumers, identifier):
        if any(member in tested for member in members):
            _tell_of_dead_letters(data, members, consumers, waiting)
            event = SmokeEvent(data, identifier)
            event.put(kinesis, outputs["input_stream"], waiting.clock())
            events |= {member.name: event for member in members}
    for consumer in tested:
        watch = Watch(aws, consumer, events[consumer.name], since, waiting)
        yield Result(consumer.name, encode_prediction(watch.prediction()).decode())


def _consumer(aws: Aws, outputs: Mapping[str, Any], name: str, baked: str) -> Consumer:
    applied = outputs["consumers"][name]
    mapping = aws("lambda").get_event_source_mapping(UUID=applied["mapping_id"])
    if mapping["State"] in {"Disabled", "Disabling"}:
        raise Untestable("its event source mapping is disabled: set mapping.enabled = true")
    function = aws("lambda").get_function_configuration(
        FunctionName=applied["function_name"], Qualifier=applied["alias"]
    )
    settings = settings_of(function["Environment"]["Variables"])
    example = example_of(settings, baked, lambda: aws("s3"))
    return Consumer(name, applied, outputs["input_stream"], settings, mapping, example)


def _events(consumers: Sequence[Consumer], identifier: str) -> list[tuple[bytes, list[Consumer]]]:
    """Return as few events as the models allow, each with the consumers that accept it."""
    events: list[tuple[bytes, list[Consumer]]] = []
    for consumer in consumers:
        own = consumer.example.event(identifier)
        for at, (shared, members) in enumerate(events):
            joined = [*members, consumer]
            both = (merged([shared, own]), merged([own, shared]))
            suiting = [event for event in both if all(member.example.suits(event) for member in joined)]
            if suiting:
                events[at] = (suiting[0], joined)
                break
        else:
            events.append((own, [consumer]))
    return events


def _tell_of_dead_letters(
    data: bytes, members: Sequence[Consumer], consumers: Sequence[Consumer], waiting: Wait
) -> None:
    """Tell which consumers refuse an event for others."""
    refusing = [other.name for other in consumers if other not in members and not other.example.suits(data)]
    if refusing:
        names, others = (" and ".join(some) for some in ([member.name for member in members], refusing))
        waiting.tell(
            f"no event suits the models of {names} and of {others}: the smoke event of {names} becomes a dead letter "
            f"of {others}, unless a filter keeps it away"
        )


def _now(kinesis: Any, stream: str) -> float:
    """Return the time of Kinesis' clock minus some seconds, since this machine's clock may differ."""
    answer = kinesis.describe_stream_summary(StreamName=stream)
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return (parsedate_to_datetime(date).timestamp() if date else time.time()) - _LEEWAY_SECONDS


def keeps_order(kinesis: Any, stream: str) -> bool:
    """Return whether the partition key chooses the shard. Terraform's provider does not tell this."""
    summary: dict[str, Any] = {**kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]}
    return bool(summary.get("RecordDistributionStrategy", "USER_PARTITION_KEY") != "AUTO")
