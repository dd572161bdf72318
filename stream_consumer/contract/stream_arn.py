"""
A stream's ARN: the stream that it means, in which account and region, and what that stream is called.

Records of an enhanced fan-out mapping name the consumer as well, ``…:stream/rides/consumer/scorer:1700000000``. The
stream stands between ``stream/`` and the next ``/``.
"""

import re
from typing import NamedTuple

_KINESIS = re.compile(r"(arn:[^:]+:kinesis:([^:]+):([^:]+):stream/([^/]+))(?:/.*)?", re.DOTALL)
_NAME = re.compile(r":stream/([^/]*)")


class KinesisStream(NamedTuple):
    """A Kinesis stream."""

    arn: str
    """Without the consumer."""
    region: str
    account: str
    name: str


def kinesis_stream(arn: str) -> KinesisStream | None:
    """Return the stream that *arn* means, None if it means no Kinesis stream."""
    found = _KINESIS.fullmatch(arn)
    return KinesisStream(*found.groups()) if found else None


def stream_name(arn: str) -> str:
    """Return what the stream of *arn* is called, whatever kind of stream it is."""
    found = _NAME.search(arn)
    return found[1] if found else arn.rpartition("/")[2]
