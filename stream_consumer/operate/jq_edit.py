"""
Mending a letter's data with a jq program.

The rule: nothing that a record holds is dropped in silence. A program that gives several values makes as many records.
A program that gives none for one of the record's JSON values leaves the letter where it is.

jq, and not JSON Patch: what is wrong with many letters is rarely mended by one constant. A distance as text becomes a
number by ``.ride.trip_distance |= tonumber``, each letter's own; a patch could only write the same one everywhere.
"""

import jq

from stream_consumer.contract import kpl
from stream_consumer.errors import UsageError, in_one_line

MOST_VALUES = 500
"""Of one letter: a program may never end."""


class NotEdited(ValueError):
    """The program cannot be applied to this data; the message says why and what to do instead."""


class Edit:
    """A jq program that makes JSON values of each JSON value."""

    def __init__(self, program: str) -> None:
        """
        Compile *program*.

        Raises:
            UsageError: It is no jq program.
        """
        try:
            jq.compile(program)  # by itself, so that what is wrong with it is told of it alone
            # `tojson` writes numbers that the program left alone as they were; what the binding makes of them are
            # Python's floats, and a ride_id beyond 2**53 would become another one. A comment may end in a backslash,
            # which continues it over one line feed but not over two.
            self._program = jq.compile(f"[limit({MOST_VALUES + 1}; ({program}\n\n))] | map(tojson)")
        except ValueError as error:
            raise UsageError(f"{program!r} is no jq program: {in_one_line(error)}") from None

    def __call__(self, data: bytes) -> list[bytes]:
        """
        Return the values that the program makes of *data*, at least one of each JSON value in it, in order.

        Raises:
            NotEdited: *data* is not JSON, or the program fails on it, drops a value of it or never ends.
        """
        if data.startswith(kpl.MAGIC):
            raise NotEdited(
                "a KPL aggregate cannot be edited as a whole: redrive it without --edit, and what is invalid in it "
                "comes back as dead letters of its own"
            )
        try:
            text = data.decode()
            results: list[list[str]] = self._program.input_text(text).all()
            wanted: list[int] = _EVENTS.input_text(text).all()
        except UnicodeDecodeError:
            raise NotEdited(
                "it is not text in UTF-8, which no jq program can edit; leave it out, by --reason"
            ) from None
        except ValueError as error:
            raise NotEdited(f"jq: {error}; mend the program for this kind, or leave it out, by --reason") from None
        return [value.encode() for value in _kept(results, wanted)]


# How many events a JSON value holds: an array of objects is several in one record.
_EVENTS = jq.compile('if type == "array" and length > 0 and all(.[]; type == "object") then length else 1 end')


def _kept(results: list[list[str]], wanted: list[int]) -> list[str]:
    """Return all *results*, one list for each JSON value, if each has at least as many values as are *wanted*."""
    made = [value for result in results for value in result]
    if not made:
        raise NotEdited("the jq program gives no value; wanted one at least, since what is dropped is lost")
    if len(made) > MOST_VALUES:
        raise NotEdited(f"the jq program gives more than {MOST_VALUES} values")
    # A program that halts gives no further lists.
    given = [len(result) for result in results] + [0] * (len(wanted) - len(results))
    for number, (count, least) in enumerate(zip(given, wanted, strict=True), start=1):
        if count < least:
            raise NotEdited(
                f"the jq program drops events: JSON value {number} of {len(wanted)} holds {least}, and it gives {count}"
            )
    return made
