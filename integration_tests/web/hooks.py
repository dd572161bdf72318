"""What schemathesis cannot know of the server."""

from typing import Any

import schemathesis


@schemathesis.hook  # type: ignore[untyped-decorator]
def map_body(_context: Any, body: Any) -> Any:
    """JSON Schema calls 138.0 an integer, the wire contract does not."""
    return _whole(body)


@schemathesis.hook  # type: ignore[untyped-decorator]
def filter_case(_context: Any, case: Any) -> bool:
    """A schema cannot say which text is CSV; tests/web/test_mlflow_format.py has what becomes of it."""
    media_type: str | None = case.media_type
    return media_type != "text/csv"


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _whole(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
