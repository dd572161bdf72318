"""
JSON that others wrote → values.

Whatever the bytes are, decoding ends in a value or in ``msgspec.DecodeError``. A parser that runs out of stack raises
RecursionError, which is no decode error: a reader that expects decode errors would end at the same bytes for ever.
"""

import itertools
import re
from typing import TypeVar

import msgspec

# Deeper JSON is refused before it is parsed: where a parser's own recursion limit strikes depends on the caller's
# stack, and the verdict on a record must not.
MAX_NESTING = 64

T = TypeVar("T")


def decode(data: bytes | str, type: type[T]) -> T:  # noqa: A002 (msgspec's own word)
    """
    Return the value of *type* that *data* holds.

    Raises:
        msgspec.DecodeError: *data* is not JSON in UTF-8, is nested too deeply to be read, or holds another shape.
    """
    try:
        return msgspec.json.decode(data, type=type)
    except msgspec.DecodeError:
        raise
    except RecursionError:
        raise msgspec.DecodeError("JSON is nested too deeply to be read") from None
    except ValueError as error:  # text with lone surrogates, numbers of thousands of digits
        raise msgspec.DecodeError(str(error)) from None


# Possessive: otherwise the expression's engine remembers every character of a string.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = [1 if byte in b"[{" else -1 for byte in range(256)]


def too_deep(data: bytes) -> bool:
    """Whether *data* opens more than :data:`MAX_NESTING` objects and arrays inside each other."""
    brackets = _STRING.sub(b"", data).translate(None, _NO_BRACKETS)
    return any(map(MAX_NESTING.__lt__, itertools.accumulate(map(_STEPS.__getitem__, brackets))))
