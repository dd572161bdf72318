"""
The columns of a model without a signature of named columns: from a setting, else from the fitted estimator.

    >>> parse_columns("PULocationID:long, trip_distance:double?")  # doctest: +NORMALIZE_WHITESPACE
    [Column(name='PULocationID', type='long', required=True, minimum=None, maximum=None, nullable=False),
     Column(name='trip_distance', type='double', required=False, minimum=None, maximum=None, nullable=False)]
"""

from collections.abc import Sequence
from typing import Any

from stream_consumer.contract.event_schema import COLUMN_TYPES, Column
from stream_consumer.models.made_rows import seen_values


def parse_columns(text: str) -> list[Column]:
    """
    Return the columns listed in *text*: ``name:type``, separated by commas.

    A ``?`` behind the type makes a column optional.

    Raises:
        ValueError: An entry has another form or an unknown type, or a name occurs twice.
    """
    columns = [_column(entry) for entry in text.split(",")]
    names = [column.name for column in columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"the column {twice[0]!r} is there more than once")
    return columns


def _column(entry: str) -> Column:
    name, _, kind = entry.strip().rpartition(":")
    required, kind = not kind.endswith("?"), kind.removesuffix("?")
    if not name or kind not in COLUMN_TYPES:
        raise ValueError(
            f"{entry.strip()!r} is not a column; wanted NAME:TYPE, with a type of {', '.join(COLUMN_TYPES)}, such as "
            "PULocationID:long,trip_distance:double?"
        )
    return Column(name, kind, required)


def columns_of(estimator: Any) -> list[Column]:
    """
    Return the columns that a fitted *estimator* knows by name. Empty if none.

    A column is a string if the estimator was fitted on texts in this column, else a double.
    """
    names = [str(name) for name in getattr(estimator, "feature_names_in_", ())]
    if names:
        seen = seen_values(estimator, names)
        return [Column(name, "string" if isinstance(seen.get(name), str) else "double") for name in names]
    first = estimator.steps[0][1] if hasattr(estimator, "steps") else estimator
    return _of_dicts(getattr(first, "feature_names_", ()))


def _of_dicts(features: Sequence[str]) -> list[Column]:
    """Return the keys of the dicts in a DictVectorizer's fit. A text was spread over ``key=value``."""
    kinds = {str(name).partition("=")[0]: "string" if "=" in str(name) else "double" for name in features}
    return [Column(name, kind) for name, kind in kinds.items()]
