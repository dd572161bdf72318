"""AWS's limits of a mapping."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from stream_consumer.errors import UsageError
from stream_consumer.local.mapping.config import MappingConfig, Pace

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def test_the_defaults_are_those_of_aws() -> None:
    config = MappingConfig(stream_name="rides")

    assert config.batch_size == 100
    assert config.maximum_batching_window_in_seconds == 0
    assert config.parallelization_factor == 1
    assert config.maximum_retry_attempts == -1
    assert config.maximum_record_age_in_seconds == -1
    assert config.bisect_batch_on_function_error is False
    assert config.report_batch_item_failures is False
    assert config.tumbling_window_in_seconds == 0


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0, wanted 1 to 10000"),
        ({"batch_size": 10_001}, "batch_size is 10001"),
        ({"maximum_batching_window_in_seconds": 301}, "maximum_batching_window_in_seconds is 301, wanted 0 to 300"),
        ({"parallelization_factor": 11}, "parallelization_factor is 11, wanted 1 to 10"),
        ({"maximum_retry_attempts": -2}, "maximum_retry_attempts is -2, wanted -1 to 10000"),
        ({"maximum_record_age_in_seconds": 59}, "wanted 60 to 604800, or -1 for no limit"),
        ({"maximum_record_age_in_seconds": 604_801}, "maximum_record_age_in_seconds is 604801"),
        ({"tumbling_window_in_seconds": -1}, "tumbling_window_in_seconds is -1, wanted 0 to 900"),
        ({"tumbling_window_in_seconds": 901}, "tumbling_window_in_seconds is 901, wanted 0 to 900"),
        (
            {"tumbling_window_in_seconds": 1, "parallelization_factor": 2},
            "parallelization_factor is 2, wanted 1 with a tumbling window",
        ),
        ({"stream_name": ""}, "stream_name is empty"),
        ({"starting_position": "NOW"}, "starting_position is 'NOW', wanted one of TRIM_HORIZON, LATEST, AT_TIMESTAMP"),
        ({"starting_position": "AT_TIMESTAMP"}, "AT_TIMESTAMP needs starting_position_timestamp"),
        ({"starting_position_timestamp": NOW}, "goes with AT_TIMESTAMP, not with TRIM_HORIZON"),
    ],
)
def test_a_value_outside_the_limits_is_named(option: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        MappingConfig(**{"stream_name": "rides"} | option)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(
        UsageError, match=r"batch_size is 0.*; parallelization_factor is 99.*; starting_position is 'NOW'"
    ):
        MappingConfig(stream_name="rides", batch_size=0, parallelization_factor=99, starting_position="NOW")


def test_the_limits_themselves_are_allowed() -> None:
    config = MappingConfig(
        stream_name="rides",
        starting_position="AT_TIMESTAMP",
        starting_position_timestamp=NOW,
        batch_size=10_000,
        maximum_batching_window_in_seconds=300,
        parallelization_factor=10,
        maximum_retry_attempts=10_000,
        maximum_record_age_in_seconds=60,
    )

    assert config.maximum_record_age_in_seconds == 60
    assert MappingConfig(stream_name="rides", tumbling_window_in_seconds=900).tumbling_window_in_seconds == 900


def test_waits_double_up_to_their_limit() -> None:
    pace = Pace(retry_seconds=1, retry_limit_seconds=10)

    assert [pace.backoff(failures) for failures in (1, 2, 3, 4, 5, 10_000)] == [1, 2, 4, 8, 10, 10]


@pytest.mark.parametrize("seconds", [-1, 86_401, math.inf, math.nan])
def test_waits_that_are_negative_or_longer_than_a_day_are_refused(seconds: float) -> None:
    with pytest.raises(UsageError, match=f"poll_seconds is {seconds}"):
        Pace(poll_seconds=seconds)
