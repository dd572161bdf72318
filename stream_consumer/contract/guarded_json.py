"""
JSON that others wrote → values.

Whatever the bytes are, decoding ends in a value or in ``msgspec.DecodeError``. A parser that runs out of stack raises
RecursionError, which is no decode error: a reader that expects decode errors would end at the same bytes for ever.
"""

from typing import TypeVar

import msgspec

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
