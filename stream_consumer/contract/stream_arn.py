"""
Parse a stream's ARN into the stream's own ARN, region, account and name.

Records of an enhanced fan-out mapping also name the consumer, ``…:stream/rides/consumer/scorer:1700000000``. The
stream's name stands between ``stream/`` and the next ``/``.
"""

import re
from typing import NamedTuple

_KINESIS = re.compile(r"(arn:[^:]+:kinesis:([^:]+):([^:]+):stream/([^/]+))(?:/.*)?", re.DOTALL)
_NAME = re.compile(r":stream/([^/]*)")


class KinesisStream(NamedTuple):
    arn: str
    """ARN without the consumer."""
    region: str
    account: str
    name: str


def kinesis_stream(arn: str) -> KinesisStream | None:
    """Return the Kinesis stream of *arn*, or None if *arn* belongs to no Kinesis stream."""
    found = _KINESIS.fullmatch(arn)
    return KinesisStream(*found.groups()) if found else None


def stream_name(arn: str) -> str:
    """Return the name of the stream of *arn*. The stream may be of any kind."""
    found = _NAME.search(arn)
    return found[1] if found else arn.rpartition("/")[2]
