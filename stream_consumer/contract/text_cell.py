"""
The one grammar of text cells: the cell of a CSV file or a text of a database → the JSON that its column's type reads.

Every interface that takes CSV or a query asks here, so a row has one verdict wherever it comes in. Numbers are as
pandas reads them: `` 130``, ``+5``, ``007``, ``.5`` and ``1.`` are numbers. NaN, infinities and separators of thousands
are not. In a column of integers ``130.0`` is 130, as pandas writes integers beside missing values. An empty cell is
missing, with or without quotes.
"""

import re

import msgspec

from stream_consumer.contract.event_schema import NUMERIC

# Sign, whole part, fraction and exponent make a number of JSON.
_NUMBER = re.compile(r"\s*+(?:\+|(-)?)(?=\.?\d)0*+(\d*+)(?:\.(\d*+))?([eE][+-]?\d+)?\s*+", re.ASCII)


_INTEGER = frozenset({"integer", "long"})


def read(text: str | None, kind: str | None) -> msgspec.Raw | str | None:
    """
    Return the JSON value that *text* is in a column of the MLflow type *kind*; None if it is missing.

    What is no number in a column of numbers stays a text, and the contract refuses it by its type.
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
