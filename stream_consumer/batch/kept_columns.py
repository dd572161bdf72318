"""
Input columns to pass through to the output: the allowed columns, and their values in JSON.

The rule: no name is used twice. Either the output has the same values as the input, or the run is refused before its
first row.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from stream_consumer.batch.locations import Format
from stream_consumer.errors import UsageError


def check_kept(
    kept: Mapping[str, Any], own: Sequence[str], holds: Callable[[Any], bool], fold: Callable[[str], str] = str
) -> None:
    """
    Return if the output can have the columns *kept*, types by name, beside its *own* columns.

    *fold* maps names to a key. The output treats names with equal keys as the same name.

    Raises:
        UsageError: A name is taken, or *holds* is False for a type.
    """
    counts = Counter(map(fold, [*own, *kept]))
    taken = [name for name in kept if counts[fold(name)] > 1]
    if taken:
        raise UsageError(
            f"--keep {taken[0]}: that name is taken in the output, which has {', '.join(own)}; rename the column of "
            "the input, or leave it out"
        )
    for name, kind in kept.items():
        if not holds(kind):
            raise UsageError(f"--keep {name}: the output holds no column of type {kind}; write .parquet, or cast it")


def holds(output: Format) -> Callable[[Any], bool]:
    """Return a function that tells whether files of the format *output* can hold a kept column of an Arrow type."""
    return _is_sayable if output is not Format.PARQUET else lambda _: True


def _is_sayable(kind: Any) -> bool:
    """Whether values of the Arrow type *kind* have a text form, as CSV and JSON need."""
    try:
        pa.nulls(0, kind).cast(pa.string())
    except pa.ArrowException:
        return False
    types = pa.types
    return not (types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def json_values(column: Any) -> list[Any]:
    """Return the values of *column* for JSON. Values other than numbers, booleans and texts become texts."""
    kind = column.type
    if pa.types.is_float16(kind):
        column = column.cast(pa.float32())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        column = column.cast(pa.string())
    values: list[Any] = column.to_pylist()
    return values
