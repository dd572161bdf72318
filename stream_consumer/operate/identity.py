"""
The identity of a dead letter's event, equal in every document that holds the event.

The rule: dead letters that may be two events have two identities. Otherwise the second would neither be listed nor put
back, and its document could be deleted. So if one document has two equal dead letters, the second is copy 1, in every
document that holds both.
"""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from stream_consumer.contract.stream_arn import kinesis_stream


class Identity(NamedTuple):
    """An event: its stream, or its document for a row of a file, and its name there."""

    stream_arn: str | None
    """None if the dead letter has no ARN. Then the stream's name counts."""
    place: str | None
    event: str
    copy: int = 0


def of_record(stream_arn: str | None, stream: str | None, event: str, copy: int = 0) -> Identity:
    """Return the identity of a record of a stream or of a direct invocation."""
    known = kinesis_stream(stream_arn) if stream_arn else None
    return Identity(known.arn if known else stream_arn, stream, event, copy)


def of_row(document: str, event: str, sha256: str, copy: int = 0) -> Identity:
    """Return the identity of a file's row. Files with one name in two folders give their rows the same event ids."""
    return Identity(None, document, f"{event} {sha256}", copy)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


_ANY = "*"


class Identities:
    """A set of identities. A stream without an ARN matches every stream of its name."""

    def __init__(self, identities: Iterable[Identity] = ()) -> None:
        self._known: set[Identity] = set()
        self.update(identities)

    def add(self, identity: Identity) -> None:
        self._known |= {identity, identity._replace(stream_arn=_ANY)}

    def update(self, identities: Iterable[Identity]) -> None:
        for identity in identities:
            self.add(identity)

    def __contains__(self, identity: Identity) -> bool:
        if identity.stream_arn is None:
            return identity._replace(stream_arn=_ANY) in self._known
        return identity in self._known or identity._replace(stream_arn=None) in self._known
