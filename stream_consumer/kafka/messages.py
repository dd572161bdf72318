"""
A message of librdkafka → a record, as Lambda would deliver it.

The rule: a record is made of every message. Nothing that a producer chose keeps the record from the consumer.
"""

import logging
import operator
from collections.abc import Mapping
from typing import Any, Protocol

from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME

from stream_consumer.contract.dead_letter import encodable
from stream_consumer.contract.kafka_event import kafka_record
from stream_consumer.contract.record import Header, KafkaOrigin, Record

_TIMESTAMP_TYPES: Mapping[int, str] = {
    TIMESTAMP_CREATE_TIME: "CREATE_TIME",
    TIMESTAMP_LOG_APPEND_TIME: "LOG_APPEND_TIME",
}
"""By the names of Lambda's events."""
# Of such headers the library returns a broken list and sets an exception. Python does not look for the exception behind
# a method that it calls often, and the list ends the process. A call from C always looks.
_checked_headers = operator.methodcaller("headers")
_LOGGER = logging.getLogger(__name__)


class Message(Protocol):
    """What is asked of librdkafka's message."""

    def error(self) -> Any: ...

    def topic(self) -> str | None: ...

    def partition(self) -> int | None: ...

    def offset(self) -> int | None: ...

    def key(self) -> Any: ...

    def value(self) -> Any: ...

    def headers(self) -> Any: ...

    def timestamp(self) -> tuple[int, int]: ...


def record_of(message: Message, location: str) -> Record:
    """Return the record of *message*, which is no error; *location* is its topic with its cluster."""
    kind, timestamp = message.timestamp()
    known = _TIMESTAMP_TYPES.get(kind)
    origin = KafkaOrigin(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        message.key(),
        timestamp if known else None,
        known,
        _headers(message),
    )
    return kafka_record(message.value(), origin, location)


def _headers(message: Message) -> list[Header]:
    """
    Return the headers of *message*, or none if the library cannot read them: a name is not UTF-8.

    Source: seen with confluent-kafka 2.16.1; tests/group/test_group_real.py has it.
    """
    try:
        found = _checked_headers(message)
    except (SystemError, UnicodeDecodeError):
        where = f"{message.topic()}-{message.partition()}:{message.offset()}"
        _LOGGER.warning("%s goes on without its headers: the name of one is not UTF-8", where)
        return []
    return [Header(encodable(name), value) for name, value in found] if found else []
