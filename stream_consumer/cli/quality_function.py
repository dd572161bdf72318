"""
``monitor quality`` as a Lambda function that a schedule invokes once a day, its options the variables ``QUALITY_…``.

The rule: a version that rings is a result and no failure. A day that cannot be judged raises, so Lambda tries again.
"""

from collections.abc import Mapping
from typing import Any

from stream_consumer.cli.app import app
from stream_consumer.errors import UsageError
from stream_consumer.log_escaping import escape_logs

_COMMAND = ("monitor", "quality", "--emf")
_RINGS: Mapping[object, bool] = {0: False, 1: True}
"""By the exit code. A command that failed raises, since nothing here makes a code of its exception."""


def lambda_handler(event: Any, _: object) -> dict[str, Any]:
    """
    Judge the last day whose outcomes are in time, or that of *event*: ``{"day": "2026-11-20"}``.

    Raises:
        StreamConsumerError: The day was not judged; the message says why.
    """
    escape_logs()
    try:
        app([*_COMMAND, *_day(event)])
    except SystemExit as ended:
        if ended.code not in _RINGS:
            raise UsageError("the options of monitor quality are wrong. The line above names the fault") from None
        return {"rings": _RINGS[ended.code]}
    raise AssertionError  # a command ends by an exit


def _day(event: Any) -> list[str]:
    if not isinstance(event, Mapping) or event.keys() - {"day"}:
        raise UsageError(
            'the event is wrong, wanted {} or {"day": "2026-11-20"} with the day of the predictions in UTC'
        )
    return [f"--day={event['day']}"] if event else []
