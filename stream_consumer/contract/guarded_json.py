"""
Decode foreign JSON safely.

Decoding any bytes ends in a value or in ``msgspec.DecodeError``. A parser without stack left raises
RecursionError, and this is not a decode error. A reader that only expects decode errors would fail at the same bytes
forever.
"""

import itertools
import re
from typing import TypeVar

import msgspec

# Deeper JSON is refused before a parser sees the data. A parser's own recursion limit depends on the caller's stack,
# and the verdict on a record must not.
MAX_NESTING = 64

T = TypeVar("T")


def decode(data: bytes | str, type: type[T]) -> T:  # noqa: A002 (msgspec's own word)
    """
    Return the value of *type* in *data*.

    Raises:
        msgspec.DecodeError: *data* is not JSON in UTF-8, is nested too deeply, or has another shape.
    """
    try:
        return msgspec.json.decode(data, type=type)
    except msgspec.DecodeError:
        raise
    except RecursionError:
        raise msgspec.DecodeError("JSON is nested too deeply to be read") from None
    except ValueError as error:  # text with lone surrogates, numbers of thousands of digits
        raise msgspec.DecodeError(str(error)) from None


# Possessive quantifiers: otherwise the regular expression engine remembers every character of a string.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = [1 if byte in b"[{" else -1 for byte in range(256)]


def too_deep(data: bytes) -> bool:
    """Whether *data* nests more than :data:`MAX_NESTING` objects and arrays."""
    brackets = _STRING.sub(b"", data).translate(None, _NO_BRACKETS)
    depths = itertools.accumulate(_STEPS[bracket] for bracket in brackets)
    return any(depth > MAX_NESTING for depth in depths)
