"""The types of a table's columns that hold the values of an Arrow type exactly."""

from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from stream_consumer.batch.errors import UnfitTable
from stream_consumer.errors import in_one_line


def column_type(kind: Any, text: Any) -> Any:
    """Return the type of a column for values of the Arrow type *kind*. None if no type holds them."""
    types = pa.types
    held = [
        (types.is_boolean, sa.Boolean()),
        (types.is_integer, sa.BigInteger()),
        (types.is_floating, sa.Double()),
        (types.is_date, sa.Date()),
        (types.is_timestamp, sa.DateTime(timezone=getattr(kind, "tz", None) is not None)),
        (types.is_binary, sa.LargeBinary()),
        (types.is_large_binary, sa.LargeBinary()),
        (types.is_string, text),
        (types.is_large_string, text),
        (types.is_dictionary, text),  # model and version
        (types.is_null, text),
    ]
    return next((column for is_kind, column in held if is_kind(kind)), None)


def storable(batch: Any) -> Any:
    """
    Return *batch* with times as databases store them: microseconds, and UTC if they have a zone.

    Raises:
        UnfitTable: A time has a finer resolution.
    """
    if not any(pa.types.is_timestamp(kind) for kind in batch.schema.types):
        return batch
    fields = []
    for field in batch.schema:
        zone = getattr(field.type, "tz", None) and "UTC"
        fields.append(field.with_type(pa.timestamp("us", zone)) if pa.types.is_timestamp(field.type) else field)
    try:
        return batch.cast(pa.schema(fields))
    except pa.ArrowInvalid as error:
        raise UnfitTable(
            f"a time is finer than a microsecond, and a table has no such: {in_one_line(error)}"
        ) from error


# Types that hold the values of a wanted column type exactly. MySQL has no boolean type, and SQLite has columns without
# a type.
HOLDING: dict[Any, Any] = {
    sa.Boolean: (sa.Boolean, sa.Integer, sa.NUMERIC, sa.types.NullType),
    sa.BigInteger: (sa.Integer, sa.NUMERIC, sa.DECIMAL, sa.types.NullType),
    sa.Double: (sa.Float, sa.Numeric, sa.types.NullType),
    sa.Text: (sa.String, sa.types.NullType),
    sa.Date: (sa.Date, sa.types.NullType),
    sa.DateTime: (sa.DateTime, sa.types.NullType),
    sa.LargeBinary: (sa.LargeBinary, sa.types.NullType),
}
