"""
Derived columns: texts composed of other columns, as the model's metadata declares.

The templates come from an untrusted file. A field is the exact name of a column and nothing else, and never reaches
``str.format``.
"""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stream_consumer.contract.event_schema import Column
from stream_consumer.errors import ModelError
from stream_consumer.model import Columns


@dataclass(frozen=True, slots=True)
class Derived:
    """
    A derived column.

    The template ``{PULocationID}_{DOLocationID}`` makes the text ``130_205`` of the zones 130 and 205.
    """

    column: Column
    pattern: str
    """The template with every name removed from its braces."""
    sources: tuple[int, ...]
    """Positions in the signature of the template's columns, in the template's order."""

    def values(self, columns: Columns) -> list[str | None]:
        """Return n texts for *columns* of n values. None if a source is missing."""
        sources = [python_values(columns[source]) for source in self.sources]
        if self.column.required:
            return list(map(self.pattern.format, *sources))
        return [None if None in row else self.pattern.format(*row) for row in zip(*sources, strict=True)]


def derive(templates: Mapping[str, str], columns: Sequence[Column], location: str) -> list[Derived]:
    """
    Return the derived columns of *templates*, a mapping from names to templates with columns in braces.

    Raises:
        ModelError: A template is malformed or names no column, or its name is already the name of a column.
    """
    return [_derived(name, template, columns, location) for name, template in templates.items()]


def _derived(name: str, template: str, columns: Sequence[Column], location: str) -> Derived:
    positions = {column.name: position for position, column in enumerate(columns)}
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ModelError(
            f"the derived column {name!r} of the model at {location} has the template {template!r}, which cannot be "
            f"read: {error}; put names of columns in braces"
        ) from error
    fields = [field for _, field, _, _ in pieces if field is not None]
    plain = all(not spec and not conversion for _, _, spec, conversion in pieces)
    if name in positions or not fields or set(fields) - set(positions) or not plain:
        raise ModelError(
            f"the derived column {name!r} of the model at {location} cannot have the template {template!r}; wanted a "
            f"name that no column has, and a template of names in braces, without format, from {list(positions)}"
        )
    sources = tuple(positions[field] for field in fields)
    required = all(columns[source].required for source in sources)
    return Derived(Column(name, "string", required), _pattern(pieces), sources)


def _pattern(pieces: Sequence[tuple[str, str | None, str | None, str | None]]) -> str:
    escaped = [(text.replace("{", "{{").replace("}", "}}"), field) for text, field, _, _ in pieces]
    return "".join(text + ("" if field is None else "{}") for text, field in escaped)


def python_values(values: Sequence[Any]) -> Sequence[Any]:
    """Return *values* as Python objects. The text of a NumPy value would depend on its dtype."""
    return values.tolist() if hasattr(values, "tolist") else values
