"""
The monitoring Lambda function: profiles the windows of the input stream, and judges the drift of a day and of a week.

The rule: a failure of this function affects no other function. It has its own mapping on the input stream, and the
consumer does not wait for it. Failures of records or of S3 are counted and logged, never raised, since a redelivered
batch would hold up later windows. Only faults of the mapping or the deployment are raised, and a small
MaximumRetryAttempts keeps them from holding up the shard. A judgement may raise, since no mapping invokes it.
"""

import functools
import importlib
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from stream_consumer.aws.clients import client, client_config, default_session
from stream_consumer.aws.invocation import seconds_left
from stream_consumer.contract.lambda_event import records_from_lambda
from stream_consumer.contract.record import Record
from stream_consumer.contract.window_event import WindowEvent, window_from_lambda
from stream_consumer.errors import InitError
from stream_consumer.model import Model
from stream_consumer.models.loading import load_model
from stream_consumer.monitor.batch_profiler import BatchProfiler
from stream_consumer.monitor.drift import drifts
from stream_consumer.monitor.judgement import Judge, asks_for_judgement, day_of
from stream_consumer.monitor.profile_archive import READS_IN_FLIGHT, ColumnDrift, ProfileArchive, WindowProfile
from stream_consumer.monitor.settings import VARIABLES, MonitorSettings
from stream_consumer.monitor.window_tally import WindowTally
from stream_consumer.telemetry import Metric, Telemetry, telemetry

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class Handler:
    """Answers Lambda's invocations."""

    def __init__(  # noqa: PLR0913 (its parts, each named where they are composed)
        self,
        model: Model,
        archive: ProfileArchive,
        report: Telemetry,
        *,
        margin_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """
        Compose a handler.

        Raises:
            ModelError: The model has no reference profile.
        """
        self._model = model
        self._profiler = BatchProfiler(model, monotonic)
        self._archive = archive
        self._report = report
        self._margin_seconds = margin_seconds
        self._monotonic = monotonic
        self._now = now
        self._judge = Judge(model, self._profiler.reference, archive, report)

    def __call__(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """
        Add the batch of *event* to the state of its window, and close the window if this is its final invocation.

        ``{"judge": "2026-11-26"}`` judges a day instead.

        Raises:
            NotAKinesisEvent: The event has another shape, because its mapping has no tumbling window.
            UsageError: The event asks for a judgement but does not name a day.
            ProfileUnreadable: The windows of the day cannot be read.
        """
        seconds = seconds_left(context) - self._margin_seconds
        now = self._monotonic()
        if asks_for_judgement(event):
            today = self._now()
            return self._judge.judge(day_of(event, today), today.astimezone(UTC).date(), now + seconds)
        window, records = window_from_lambda(event), records_from_lambda(event)
        # Half of the time, since a final invocation with records must still write its profile.
        tally = self._resumed(window) + self._tally(records, now + seconds / 2)
        if not (window.is_final or window.is_terminated_early):
            return {"state": tally.state(), "batchItemFailures": []}
        self._close(window, tally, now + seconds)
        return {"state": {}, "batchItemFailures": []}

    def renew(self) -> None:
        """
        Renew connections and random numbers after SnapStart. Otherwise all restored environments would wait alike.

        Source: AWS Lambda developer guide, "Handling uniqueness with Lambda SnapStart".
        """
        self._archive.drop_connections()
        random.seed()

    def _resumed(self, window: WindowEvent) -> WindowTally:
        bins = self._profiler.reference.bins
        try:
            return WindowTally.of(window.state, bins)
        except ValueError as error:
            self._lost(window, str(error))
            return WindowTally.of({}, bins)

    def _tally(self, records: Sequence[Record], deadline: float) -> WindowTally:
        empty = WindowTally.of({}, self._profiler.reference.bins)
        if not records:
            return empty
        try:
            return self._profiler.tally(records, deadline)
        except Exception as error:  # noqa: BLE001 (see above)
            self._report.warned("batch not profiled", error=type(error).__name__, records=len(records))
            return WindowTally(empty.profile, records=len(records), skipped=len(records))

    def _close(self, window: WindowEvent, tally: WindowTally, deadline: float) -> None:
        found = drifts(self._profiler.reference, tally.profile)
        columns = [ColumnDrift(one.bins.title, one.psi, one.size, one.z) for one in found if one.judged]
        reason = self._archive.write(self._profile(window, tally, columns), deadline)
        if reason:
            self._lost(window, reason)
        self._report.measured(
            [
                (Metric.MONITOR_RECORDS, tally.records),
                (Metric.MONITOR_INVALID, tally.invalid),
                (Metric.MONITOR_SKIPPED, tally.skipped),
            ]
        )
        for one in columns:
            self._report.measured([(Metric.DRIFT_Z, one.z), (Metric.DRIFT_SIZE, one.size)], column=one.column)

    def _profile(self, window: WindowEvent, tally: WindowTally, columns: Sequence[ColumnDrift]) -> WindowProfile:
        model = self._model
        return WindowProfile(
            stream=window.stream_arn,
            shard=window.shard,
            start=window.span.start,
            end=window.span.end,
            model=model.name,
            version=model.version,
            digest=model.digest,
            records=tally.records,
            invalid=tally.invalid,
            skipped=tally.skipped,
            drift=tuple(columns),
            profile=msgspec.Raw(tally.profile.encode()),
        )

    def _lost(self, window: WindowEvent, cause: str) -> None:
        start = window.span.start.isoformat()
        self._report.warned("window lost", shard=window.shard, start=start, cause=cause)
        self._report.measured([(Metric.MONITOR_WINDOWS_LOST, 1)])


def build_handler(environ: Mapping[str, str], report: Telemetry) -> Handler:
    """
    Build the handler for the settings in *environ*.

    Raises:
        InitError: The environment or the model is wrong, or the model has no reference profile.
    """
    settings = MonitorSettings.of(environ)
    report.misspelt(VARIABLES, environ)
    consumer, session = settings.consumer, default_session()
    model = load_model(consumer.model_location, s3=lambda: client(session, "s3"), choice=consumer.choice)
    report.started(model)
    s3: S3Client = client(session, "s3", config=client_config(READS_IN_FLIGHT))
    archive = ProfileArchive(s3, settings.bucket, settings.prefix)
    return Handler(model, archive, report, margin_seconds=consumer.deadline_margin_ms / 1000)


@functools.cache
def _handler() -> Handler:
    report = telemetry(os.environ)
    try:
        return build_handler(os.environ, report)
    except InitError as error:
        report.failed_to_start(error)
        raise


def lambda_handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Answer one invocation, see :class:`Handler`."""
    return _handler()(event, context)


# Lambda's init phase is the import of this module. Anywhere else importing it does nothing.
if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    # The hooks come with the runtime interface client, which calls them under SnapStart only.
    importlib.import_module("snapshot_restore_py").register_after_restore(_handler().renew)
