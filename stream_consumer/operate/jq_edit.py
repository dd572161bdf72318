"""
Mending a letter's data with a jq program.

jq, and not JSON Patch: what is wrong with many letters is rarely mended by one constant. A distance as text becomes a
number by ``.ride.trip_distance |= tonumber``, each letter's own; a patch could only write the same one everywhere.
"""

import itertools

import jq

from stream_consumer.contract import kpl
from stream_consumer.errors import UsageError


class NotEdited(ValueError):
    """The program cannot be applied to this data; the message says why and what to do instead."""


class Edit:
    """A jq program that makes one JSON value of one JSON value."""

    def __init__(self, program: str) -> None:
        """
        Compile *program*.

        Raises:
            UsageError: It is no jq program.
        """
        try:
            # `tojson` writes numbers that the program left alone as they were; what the binding makes of them are
            # Python's floats, and a ride_id beyond 2**53 would become another one.
            self._program = jq.compile(f"({program}\n) | tojson")
        except ValueError as error:
            raise UsageError(f"{program!r} is no jq program: {error}") from None

    def __call__(self, data: bytes) -> bytes:
        """
        Return what the program makes of *data*.

        Raises:
            NotEdited: *data* is not JSON, or the program fails on it or does not give exactly one value.
        """
        if data.startswith(kpl.MAGIC):
            raise NotEdited(
                "a KPL aggregate cannot be edited as a whole: redrive it without --edit, and what is invalid in it "
                "comes back as dead letters of its own"
            )
        try:
            results = list(itertools.islice(self._program.input_text(data.decode()), 2))
        except UnicodeDecodeError:
            raise NotEdited(
                "it is not text in UTF-8, which no jq program can edit; leave it out, by --reason"
            ) from None
        except ValueError as error:
            raise NotEdited(f"jq: {error}; mend the program for this kind, or leave it out, by --reason") from None
        if len(results) != 1:
            raise NotEdited(f"the jq program gives {'more than one value' if results else 'no value'}; wanted one")
        [edited] = results
        return str(edited).encode()
