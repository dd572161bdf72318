"""
The one grammar of text cells: the cell of a CSV file → the JSON that its column's type reads.

Every interface that takes CSV asks here, so a row has one verdict wherever it comes in. Numbers are as pandas reads
them: `` 130``, ``+5``, ``007``, ``.5`` and ``1.`` are numbers. NaN, infinities and separators of thousands are not.
"""

import re

import msgspec

from stream_consumer.contract.event_schema import NUMERIC

# Sign, whole part, fraction and exponent make a number of JSON.
_NUMBER = re.compile(r"\s*+(?:\+|(-)?)(?=\.?\d)0*+(\d*+)(?:\.(\d*+))?([eE][+-]?\d+)?\s*+", re.ASCII)


def read(text: str, kind: str | None) -> msgspec.Raw | str:
    """
    Return the JSON value that *text* is in a column of the MLflow type *kind*.

    What is no number in a column of numbers stays a text, and the contract refuses it by its type.
    """
    if kind == "boolean" and text.lower() in {"true", "false"}:
        return msgspec.Raw(text.lower().encode())
    number = _NUMBER.fullmatch(text) if kind in NUMERIC else None
    if not number:
        return text
    sign, whole, fraction, exponent = number.groups(default="")
    point = f".{fraction or 0}" if "." in text else ""
    return msgspec.Raw(f"{sign}{whole or 0}{point}{exponent}".encode())
