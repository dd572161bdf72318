"""
The demo's monitor: the monitoring function, mapped on the input stream with a tumbling window as on AWS.

The rule: what is judged was read back from the profiles that the function has put to S3.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from stream_consumer.archive.layout import archive_at
from stream_consumer.batch.storage import Stores
from stream_consumer.local.demo.consuming import INPUT_STREAM, POLL_SECONDS, Watch
from stream_consumer.local.mapping.config import MappingConfig, Pace
from stream_consumer.local.mapping.event_source_mapping import EventSourceMapping
from stream_consumer.monitor.day_profile import DayProfile, days_to
from stream_consumer.monitor.drift import Drift, drifts
from stream_consumer.profiling.profile import Profile
from stream_consumer.reporting.profiles import day_profile

if TYPE_CHECKING:
    from stream_consumer.aws.clients import Clients
    from stream_consumer.local.runtime.functions import Function

HANDLER = "stream_consumer.monitor.lambda_function.lambda_handler"
BUCKET = "ride-profiles"

_PREFIX = "profiles"

_CONFIG = MappingConfig(
    stream_name=INPUT_STREAM,
    batch_size=5_000,
    maximum_retry_attempts=2,
    report_batch_item_failures=True,
    tumbling_window_in_seconds=900,
)


@dataclass(frozen=True, slots=True)
class Monitored:
    """The monitor's findings about a run."""

    drifts: list[Drift]
    windows: int
    records: int
    invalid: int
    skipped: int
    last_error: str
    """The function's last error. Empty if it never failed."""


def monitor_environment() -> dict[str, str]:
    """Return the monitoring function's own settings, beside those that name the model."""
    return {"PROFILE_BUCKET": BUCKET, "PROFILE_PREFIX": _PREFIX}


def monitored(function: "Function", clients: "Clients", reference: Profile, since: date) -> Monitored:
    """
    Have *function* profile all of the input stream, and compare its profiles with the *reference*.

    The first record came on the day *since*, in UTC.

    The windows close when the stream has been read to its end.

    Raises:
        StoreFailed: The profiles cannot be read.
    """
    watch = Watch()
    pace = Pace(poll_seconds=POLL_SECONDS, retry_seconds=POLL_SECONDS)
    mapping = EventSourceMapping(clients.kinesis, function, _CONFIG, observer=watch, pace=pace)
    mapping.drain()
    mapping.run()
    days = _days(clients, reference, since)
    profile = reduce(add, (day.profile for day in days))
    return Monitored(
        drifts=drifts(reference, profile),
        windows=sum(day.windows for day in days),
        records=sum(day.records for day in days),
        invalid=sum(day.invalid for day in days),
        skipped=sum(day.skipped for day in days),
        last_error=watch.last_error,
    )


def _days(clients: "Clients", reference: Profile, since: date) -> list[DayProfile]:
    stores, profiles, today = (
        Stores(lambda: clients.s3),
        archive_at(f"s3://{BUCKET}/{_PREFIX}"),
        datetime.now(UTC).date(),
    )
    return [day_profile(stores, profiles, day, reference.bins) for day in days_to(today, (today - since).days + 1)]
