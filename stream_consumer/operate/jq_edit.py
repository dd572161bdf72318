"""
Correcting the data of a dead letter with a jq program.

The rule: an edit drops no event in silence. A program that gives several values makes as many records. If a program
gives no value for one of the record's JSON values, the dead letter is not redriven.

Why jq, not JSON Patch: the same constant is seldom right for many dead letters. The program
``.ride.trip_distance |= tonumber`` turns each distance from text into its own number. A patch could only write one
number everywhere.
"""

import jq

from stream_consumer.contract import kpl
from stream_consumer.errors import UsageError, in_one_line

MOST_VALUES = 500
"""Time limit for one dead letter, since a program may run forever."""


class NotEdited(ValueError):
    """The program cannot be applied to the data. The message has the reason and a remedy."""


class Edit:
    """A jq program that turns each JSON value into one value or more."""

    def __init__(self, program: str) -> None:
        """
        Compile *program*.

        Raises:
            UsageError: *program* is not a jq program.
        """
        try:
            jq.compile(program)  # alone, so that the error does not mention the wrapper below
            # `tojson` keeps the digits of unchanged numbers. The binding would turn them into Python's floats, and
            # change a ride_id beyond 2**53. The program may end in a comment with a backslash, which continues the
            # comment over one line feed but not over two.
            self._program = jq.compile(f"[limit({MOST_VALUES + 1}; ({program}\n\n))] | map(tojson)")
        except ValueError as error:
            raise UsageError(f"{program!r} is no jq program: {in_one_line(error)}") from None

    def __call__(self, data: bytes) -> list[bytes]:
        """
        Return the program's values for *data* in order, at least one for each JSON value in *data*.

        Raises:
            NotEdited: *data* is not JSON, or the program fails, drops a value or runs too long.
        """
        if data.startswith(kpl.MAGIC):
            raise NotEdited(
                "a KPL aggregate cannot be edited as a whole: redrive it without --edit, and its invalid records come "
                "back as dead letters of their own"
            )
        try:
            text = data.decode()
            results: list[list[str]] = self._program.input_text(text).all()
            wanted: list[int] = _EVENTS.input_text(text).all()
        except UnicodeDecodeError:
            raise NotEdited("the data is not UTF-8 text, so jq cannot edit it; leave it out with --reason") from None
        except ValueError as error:
            raise NotEdited(f"jq: {error}; correct the program for such data, or leave it out with --reason") from None
        return [value.encode() for value in _kept(results, wanted)]


# Number of events in a JSON value: an array of objects has one event per object.
_EVENTS = jq.compile('if type == "array" and length > 0 and all(.[]; type == "object") then length else 1 end')


def _kept(results: list[list[str]], wanted: list[int]) -> list[str]:
    """Return all *results*, one list for each JSON value, if every list has at least its *wanted* number of values."""
    made = [value for result in results for value in result]
    if not made:
        raise NotEdited("the jq program gives no value; wanted at least one, since a dropped event is lost")
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
