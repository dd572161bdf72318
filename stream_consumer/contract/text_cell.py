"""
The grammar of text cells: convert a cell of a CSV file or a text of a database into JSON for the type of its column.

Every interface for CSV or queries uses this module, so a row has the same verdict everywhere. Numbers follow pandas: ``
130``, ``+5``, ``007``, ``.5`` and ``1.`` are numbers. NaN, infinities and thousands separators are not. In a column of
integers, ``130.0`` is 130, as pandas writes integers beside missing values. An empty cell is missing, with or without
quotes.
"""

import re

import msgspec

from stream_consumer.contract.event_schema import NUMERIC

# The sign, whole part, fraction and exponent of a JSON number.
_NUMBER = re.compile(r"\s*+(?:\+|(-)?)(?=\.?\d)0*+(\d*+)(?:\.(\d*+))?([eE][+-]?\d+)?\s*+", re.ASCII)


_INTEGER = frozenset({"integer", "long"})


def read(text: str | None, kind: str | None) -> msgspec.Raw | str | None:
    """
    Return *text* as a JSON value for a column of the MLflow type *kind*. None if the value is missing.

    In a column of numbers, a text that is not a number stays a text. The contract then refuses the text by its type.
    """
    if not text:
        return None
    if kind == "boolean" and text.lower() in {"true", "false"}:
        return msgspec.Raw(text.lower().encode())
    number = _NUMBER.fullmatch(text) if kind in NUMERIC else None
    if not number:
        return text
    sign, whole, fraction, exponent = number.groups(default="")
    whole_number = kind in _INTEGER and not exponent and not fraction.strip("0")
    point = f".{fraction or 0}" if "." in text and not whole_number else ""
    return msgspec.Raw(f"{sign}{whole or 0}{point}{exponent}".encode())
