"""
A message of librdkafka → a record, as Lambda would deliver it.

The rule: every message becomes a record. No content of a message keeps the record from the consumer.
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
"""Timestamp types by their names in Lambda's events."""
# For unreadable headers the library sets an exception, but returns a broken list instead of NULL. Python does not check
# for the exception after a method that it calls often, and the broken list crashes the process. A call from C always
# checks.
_checked_headers = operator.methodcaller("headers")
_LOGGER = logging.getLogger(__name__)


class Message(Protocol):
    """The part of librdkafka's message that is used."""

    def error(self) -> Any: ...

    def topic(self) -> str | None: ...

    def partition(self) -> int | None: ...

    def offset(self) -> int | None: ...

    def key(self) -> Any: ...

    def value(self) -> Any: ...

    def headers(self) -> Any: ...

    def timestamp(self) -> tuple[int, int]: ...


def record_of(message: Message, location: str) -> Record:
    """Return the record of *message*, which must not be an error. *location* is its topic with its cluster."""
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
    Return the headers of *message*, or an empty list if a name is not UTF-8, which the library cannot read.

    Source: seen with confluent-kafka 2.16.1, and tested in tests/group/test_group_real.py.
    """
    try:
        found = _checked_headers(message)
    except (SystemError, UnicodeDecodeError):
        where = f"{message.topic()}-{message.partition()}:{message.offset()}"
        _LOGGER.warning("%s loses its headers: the name of a header is not UTF-8", where)
        return []
    return [Header(encodable(name), value) for name, value in found] if found else []
