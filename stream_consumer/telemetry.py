"""
An operator's view: JSON logs, and one line of metrics per invocation.

The rule: silence is success, numbers are metrics, no line has a payload, and no report can fail a batch. The
predictions of a reported batch are published already, and an exception would only publish them again.
"""

import contextlib
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from enum import Enum, StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from stream_consumer.consumer import BatchResult
from stream_consumer.contract.printable import log_line, printable
from stream_consumer.contract.record import Reason
from stream_consumer.environment_variables import misspelt, powertools
from stream_consumer.log_escaping import escape_logs
from stream_consumer.model import Model

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from aws_lambda_powertools.metrics import EphemeralMetrics

    from stream_consumer.challenger.challenger import Challenged

# Source: Amazon CloudWatch API reference, "MetricDatum": larger values are refused.
LARGEST_VALUE = 2.0**360

# Each label's metric costs money, and a metric set holds at most 100 metrics.
_NUMBERS, _LABELS = {int, float}, {bool, str}
_MOST_LABELS = 20
_LONGEST_LABEL = 100

_LONGEST_DIMENSION = 1024

# The dead-letter object tells more than further lines would.
_DEAD_LETTERS_LOGGED = 20


class Unit(StrEnum):
    """CloudWatch's names of units."""

    COUNT = "Count"
    MILLISECONDS = "Milliseconds"
    NO_UNIT = "None"


class Metric(Enum):
    """
    Every metric: name, unit and meaning.

    Metrics have one dimension, ``service``, so an alarm only needs POWERTOOLS_SERVICE_NAME. Metrics of drift also have
    ``column``, metrics of a judgement ``horizon``, and metrics of a group's quality ``group``.
    """

    RECORDS_RECEIVED = ("RecordsReceived", Unit.COUNT, "Records of the batch, KPL aggregates unfolded")
    PREDICTIONS_PUBLISHED = (
        "PredictionsPublished",
        Unit.COUNT,
        "Predictions that the output stream acknowledged",
    )
    DEAD_LETTERS = ("DeadLetters", Unit.COUNT, "Dead letters that S3 acknowledged")
    DEAD_LETTERS_UNDECODABLE = ("DeadLettersUndecodable", Unit.COUNT, "Of these: not JSON")
    DEAD_LETTERS_SCHEMA = (
        "DeadLettersSchema",
        Unit.COUNT,
        "Of these: missing, mistyped or null fields, refused keys",
    )
    DEAD_LETTERS_BOUNDS = ("DeadLettersBounds", Unit.COUNT, "Of these: values outside the model's bounds")
    DEAD_LETTERS_UNSCORABLE = (
        "DeadLettersUnscorable",
        Unit.COUNT,
        "Of these: refused by the model, or not finite",
    )
    ENTRIES_RESENT = ("EntriesResent", Unit.COUNT, "Output entries sent again after Kinesis rejected them")
    RECORDS_UNSETTLED = ("RecordsUnsettled", Unit.COUNT, "Records that the mapping must deliver again")
    MODEL_TIME = ("ModelTime", Unit.MILLISECONDS, "Time in the model's call")
    PUBLISH_TIME = ("PublishTime", Unit.MILLISECONDS, "Time until the output stream had acknowledged")
    DEAD_LETTER_TIME = (
        "DeadLetterTime",
        Unit.MILLISECONDS,
        "Time until S3 had acknowledged; 0 without dead letters",
    )
    OLDEST_RECORD_AGE = (
        "OldestRecordAge",
        Unit.MILLISECONDS,
        "Age of the batch's oldest record when it was settled",
    )
    UNSEEN_ZONES = ("UnseenZones", Unit.COUNT, "Values of categorical columns that training never saw")
    PREDICTION_MEAN = ("PredictionMean", Unit.NO_UNIT, "Mean prediction of the batch, if predictions are numbers")
    PREDICTION_P95 = (
        "PredictionP95",
        Unit.NO_UNIT,
        "95th percentile of the batch's predictions, if they are numbers",
    )
    PREDICTIONS = (
        "Predictions",
        Unit.COUNT,
        "With `.` and a label behind it: predictions of that label, if they are of at most 20 labels",
    )
    CHALLENGER_COMPARED = ("ChallengerCompared", Unit.COUNT, "Records that the champion and the challenger predict")
    CHALLENGER_DISAGREEMENTS = (
        "ChallengerDisagreements",
        Unit.COUNT,
        "Of these: other labels, or numbers that differ by more than CHALLENGER_THRESHOLD",
    )
    CHALLENGER_DISAGREEMENT_SHARE = ("ChallengerDisagreementShare", Unit.NO_UNIT, "Their share, from 0 to 1")
    CHALLENGER_DIFFERENCE_MEAN = (
        "ChallengerDifferenceMean",
        Unit.NO_UNIT,
        "Mean of the challenger's predictions less the champion's, if they are numbers",
    )
    CHALLENGER_DIFFERENCE_P95 = (
        "ChallengerDifferenceP95",
        Unit.NO_UNIT,
        "95th percentile of the absolute difference, within 1 %",
    )
    CHALLENGER_FAILURES = ("ChallengerFailures", Unit.COUNT, "Records that only the champion predicts")
    CHALLENGER_SKIPPED = (
        "ChallengerSkipped",
        Unit.COUNT,
        "Records that the challenger was not shown: no time left, not loaded yet, or switched off",
    )
    CHALLENGER_PUBLISHED = ("ChallengerPublished", Unit.COUNT, "Its predictions that CHALLENGER_STREAM acknowledged")
    CHALLENGER_TIME = ("ChallengerTime", Unit.MILLISECONDS, "How much later the batch was answered for it")
    MONITOR_RECORDS = ("MonitorRecords", Unit.COUNT, "Records of a window that the monitoring function was given")
    MONITOR_INVALID = ("MonitorInvalid", Unit.COUNT, "Of these: dead letters of the consumer, which no profile has")
    MONITOR_SKIPPED = ("MonitorSkipped", Unit.COUNT, "Of these: not profiled, since the monitor failed or had no time")
    MONITOR_WINDOWS_LOST = (
        "MonitorWindowsLost",
        Unit.COUNT,
        "Windows whose profile is not in S3, or lacks what another model has counted",
    )
    MONITOR_WINDOWS = (
        "MonitorWindows",
        Unit.COUNT,
        "Windows of the model that were judged; dimension `horizon`: `day` or `week`",
    )
    MONITOR_WINDOWS_OTHERS = (
        "MonitorWindowsOthers",
        Unit.COUNT,
        "Windows of other models in that time, which cannot be added; dimension `horizon`",
    )
    DRIFT_Z = (
        "DriftZ",
        Unit.NO_UNIT,
        "Drift of a column in 500 rows or more, in standard deviations of chance; dimension `column`, judged `horizon`",
    )
    DRIFT_SIZE = (
        "DriftSize",
        Unit.NO_UNIT,
        "The same as the population stability index less what chance makes of it; dimension `column`",
    )
    DRIFT_RINGS = (
        "DriftRings",
        Unit.COUNT,
        "Columns whose drift is beyond the limits; dimension `horizon`, and with `column` 1 or 0",
    )
    QUALITY_JUDGED = ("QualityJudged", Unit.COUNT, "Predictions of a day that have an outcome to be compared with")
    QUALITY_MISSING = ("QualityMissing", Unit.COUNT, "Predictions of a day without an outcome")
    QUALITY_LATE = ("QualityLate", Unit.COUNT, "Predictions of a day whose outcome came too late")
    QUALITY_COVERAGE = (
        "QualityCoverage",
        Unit.NO_UNIT,
        "The share of a day's predictions that are judged, from 0 to 1",
    )
    QUALITY_RMSE = ("QualityRmse", Unit.NO_UNIT, "Root mean square error of a day; also with the dimension `group`")
    QUALITY_MAE = ("QualityMae", Unit.NO_UNIT, "Mean absolute error of a day")
    QUALITY_BIAS = ("QualityBias", Unit.NO_UNIT, "Mean of a day's predictions less their outcomes")
    QUALITY_ACCURACY = ("QualityAccuracy", Unit.NO_UNIT, "The share of a day's labels that came true, from 0 to 1")
    QUALITY_EXCESS = (
        "QualityExcess",
        Unit.NO_UNIT,
        "How many times the error that the model was registered with; the largest of the day's versions",
    )
    QUALITY_RINGS = ("QualityRings", Unit.COUNT, "Model versions whose error is too large on two days in a row")
    COLD_START = ("ColdStart", Unit.COUNT, "1 on the first invocation of an environment")

    def __init__(self, label: str, unit: Unit, meaning: str) -> None:
        self.label = label
        self.unit = unit
        self.meaning = meaning


_BY_REASON = {reason: Metric[f"DEAD_LETTERS_{reason.name}"] for reason in Reason}


class Telemetry:
    """Logs and metrics of one environment."""

    def __init__(self, logger: "Logger", new_metrics: "Callable[[], EphemeralMetrics]") -> None:
        """*new_metrics* makes an empty metric set, so that values of one invocation never leak into the next."""
        self._logger = logger
        self._new_metrics = new_metrics
        self._cold = True

    def started(self, model: Model) -> None:
        self._logger.info(
            "model loaded",
            extra={
                "model": model.name,
                "version": model.version,
                "model_location": model.location,
                "digest": model.digest,
            },
        )

    def misspelt(self, settings: Collection[str], environ: Mapping[str, str]) -> None:
        """Report each variable that resembles one of *settings* and is no setting. The value is not logged."""
        for variable, meant in misspelt(settings, environ).items():
            self._logger.warning("unknown setting", extra={"variable": variable, "meant": meant})

    def failed_to_start(self, error: Exception) -> None:
        self._logger.error("init failed", extra={"error": type(error).__name__, "remedy": str(error)})

    def invoked(self, result: BatchResult, request_id: str | None, now: float) -> None:
        """Report one batch. *now* is in Unix seconds. A failure of the report is not raised."""
        with self._harmless("metrics"):
            self._measure(result, now)
        with self._harmless("warnings"):
            self._warn(result, request_id)

    def not_returned(self, error: Exception) -> None:
        """Report that the response leaves out the predictions of a batch, although they were published."""
        with self._harmless("warnings"):
            self._logger.warning("predictions not returned", extra={"error": type(error).__name__})

    def challenged(self, challenged: "Challenged") -> None:
        """Report a challenger's outcome of a batch, in a line of metrics of its own."""
        with self._harmless("metrics"):
            self._metrics(_challenger_values(challenged)).flush_metrics()
        with self._harmless("warnings"):
            for notice in challenged.notices:
                log = self._logger.warning if notice.warning else self._logger.info
                log(notice.message, extra=notice.fields)

    def measured(self, values: Iterable[tuple[Metric, float]], **dimensions: str) -> None:
        """Report *values* in a line of metrics of their own, with further *dimensions*."""
        with self._harmless("metrics"):
            metrics = self._metrics(values)
            for name, value in dimensions.items():
                metrics.add_dimension(name, _ascii(value))
            metrics.flush_metrics()

    def warned(self, message: str, **fields: object) -> None:
        """Log a warning, without payload."""
        with self._harmless("warnings"):
            self._logger.warning(message, extra=fields)

    @contextlib.contextmanager
    def _harmless(self, what: str) -> Iterator[None]:
        """Let no exception out: the batch is settled, and its outcome must reach Lambda."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 (see above)
            with contextlib.suppress(Exception):  # even the report of the failure may fail
                # The name alone: a message or traceback may quote a payload.
                self._logger.error(  # noqa: TRY400
                    "telemetry failed", extra={"part": what, "error": type(error).__name__}
                )

    def _measure(self, result: BatchResult, now: float) -> None:
        predicted = [one.value for one in result.predictions]
        metrics = self._metrics(_values(result, predicted, now))
        for label, count in _labels(predicted).items():
            metrics.add_metric(f"{Metric.PREDICTIONS.label}.{label}", Metric.PREDICTIONS.unit, count)
        if self._cold:
            metrics.add_metric(Metric.COLD_START.label, Metric.COLD_START.unit, 1)
            self._cold = False
        metrics.flush_metrics()

    def _metrics(self, values: Iterable[tuple[Metric, float]]) -> "EphemeralMetrics":
        metrics = self._new_metrics()
        for metric, value in values:
            if abs(value) <= LARGEST_VALUE:
                metrics.add_metric(metric.label, metric.unit, value)
        return metrics

    def _warn(self, result: BatchResult, request_id: str | None) -> None:
        for letter in result.dead_letters[:_DEAD_LETTERS_LOGGED]:
            self._logger.warning(
                "invalid record",
                extra={
                    "request_id": request_id,
                    "reason": letter.reason.value,
                    "path": letter.path,
                    "event_id": letter.event_id,
                    "sequence_number": letter.sequence_number,
                },
            )
        unlogged = len(result.dead_letters) - _DEAD_LETTERS_LOGGED
        if unlogged > 0:
            self._logger.warning("more invalid records", extra={"request_id": request_id, "count": unlogged})
        if result.unsettled:
            self._logger.warning(
                "redelivery",
                extra={
                    "request_id": request_id,
                    "cause": result.cause,
                    "sequence_number": result.checkpoint,
                    "unsettled": result.unsettled,
                    **_partitions(result),
                },
            )


def _partitions(result: BatchResult) -> dict[str, Any]:
    """Return the first unsettled offset of each Kafka partition. Empty for a batch of Kinesis."""
    offsets = {one.shard: one.kafka.offset for one in result.first_unsettled if one.kafka}
    return {"partitions": offsets} if offsets else {}


def _values(result: BatchResult, predicted: Sequence[Any], now: float) -> Iterator[tuple[Metric, float]]:
    yield Metric.RECORDS_RECEIVED, len(result.records)
    yield Metric.PREDICTIONS_PUBLISHED, result.published
    yield Metric.DEAD_LETTERS, result.dead_letters_written
    by_reason = result.dead_letters_by_reason()
    for reason, metric in _BY_REASON.items():
        yield metric, by_reason[reason]
    yield Metric.ENTRIES_RESENT, result.resent
    yield Metric.RECORDS_UNSETTLED, result.unsettled
    yield Metric.MODEL_TIME, round(result.model_seconds * 1000, 3)
    yield Metric.PUBLISH_TIME, round(result.publish_seconds * 1000, 3)
    yield Metric.DEAD_LETTER_TIME, round(result.dead_letter_seconds * 1000, 3)
    yield Metric.UNSEEN_ZONES, result.unseen_categories
    oldest = result.oldest_arrival
    if oldest is not None:
        yield Metric.OLDEST_RECORD_AGE, round(max(0.0, now - oldest) * 1000)
    numbers = sorted(value for value in predicted if type(value) in _NUMBERS)
    if numbers:
        yield Metric.PREDICTION_MEAN, _mean(numbers)
        yield Metric.PREDICTION_P95, numbers[-(-len(numbers) * 95 // 100) - 1]


def _challenger_values(challenged: "Challenged") -> Iterator[tuple[Metric, float]]:
    answer = challenged.answer
    yield Metric.CHALLENGER_COMPARED, answer.compared
    yield Metric.CHALLENGER_DISAGREEMENTS, answer.disagreeing
    yield Metric.CHALLENGER_FAILURES, answer.failures
    yield Metric.CHALLENGER_SKIPPED, challenged.skipped
    yield Metric.CHALLENGER_PUBLISHED, answer.published
    yield Metric.CHALLENGER_TIME, round(challenged.seconds * 1000, 3)
    if answer.compared:
        yield Metric.CHALLENGER_DISAGREEMENT_SHARE, answer.disagreeing / answer.compared
    if answer.numbers:
        yield Metric.CHALLENGER_DIFFERENCE_MEAN, answer.mean
        yield Metric.CHALLENGER_DIFFERENCE_P95, answer.p95


def _labels(predicted: Sequence[Any]) -> Counter[str]:
    """Count the predictions of each label. Empty if there are too many different texts to be labels."""
    values = [str(value) for value in predicted if type(value) in _LABELS]
    counts = Counter(printable(value)[:_LONGEST_LABEL] for value in values)
    return counts if len(counts) <= _MOST_LABELS else Counter()


def _ascii(value: str) -> str:
    """Return *value* in the characters of a dimension. Source: Amazon CloudWatch API reference, "Dimension"."""
    return printable(value).encode("ascii", "backslashreplace").decode()[:_LONGEST_DIMENSION]


def _mean(values: Sequence[float]) -> float:
    try:
        return math.fsum(values) / len(values)
    except OverflowError:  # only the sum can overflow, never the mean
        return float(sum(map(Fraction, values), Fraction()) / len(values))


def telemetry(environ: Mapping[str, str]) -> Telemetry:
    """
    Make the telemetry of a Lambda function, and escape the logs of libraries.

    Powertools reads its own POWERTOOLS_… variables. Two of them have defaults here.

    Raises:
        SettingsError: A variable of Powertools is wrong.
    """
    library = powertools(environ)
    escape_logs()
    service = environ.get("POWERTOOLS_SERVICE_NAME") or "stream-consumer"
    namespace = environ.get("POWERTOOLS_METRICS_NAMESPACE") or "StreamConsumer"
    logger = library.Logger(service=service, json_serializer=log_line)
    return Telemetry(logger, lambda: library.metrics.EphemeralMetrics(namespace=namespace, service=service))
