"""
The Lambda function for small intervals: one interval, one input, one invocation.

The rule: the function returns the summary of the committed results, or raises. A repeated invocation finds the results
committed and returns the same summary without scoring again.

The event is EventBridge Scheduler's ``{"scheduled_time": "<aws.scheduler.scheduled-time>"}``, EventBridge's ``Scheduled
Event``, or ``{"date": "2021-03-01"}``. For ``{}``, the environment gives the interval. A warm-up or a null event scores
nothing and returns the model. Any other event is refused: the arrival of an object is not the end of an interval.
"""

import functools
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from stream_consumer.aws.warm_up import asks_for_nothing
from stream_consumer.batch.job import Job, committed, run
from stream_consumer.batch.parallel import jobs_of
from stream_consumer.batch.schedule import Schedule
from stream_consumer.batch.storage import Stores
from stream_consumer.contract.printable import log_line
from stream_consumer.environment_variables import powertools
from stream_consumer.errors import StreamConsumerError, UsageError
from stream_consumer.log_escaping import escape_logs
from stream_consumer.model import Model
from stream_consumer.models.files import default_s3
from stream_consumer.models.loading import load_model
from stream_consumer.settings import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from types_boto3_s3 import S3Client

_PARAMETERS = {"date": "date", "scheduled_time": "scheduled_time", "time": "scheduled_time"}
_WANTED = (
    'wanted {"date": "2021-03-01"}, {"scheduled_time": "2021-03-01T00:00:00Z"}, EventBridge\'s Scheduled Event or {}; '
    "objects that arrive are scored by stream-consumer worker (docs/worker.md)"
)


class Handler:
    """Answers Lambda's invocations."""

    def __init__(  # noqa: PLR0913 (its parts)
        self,
        model: Model,
        environ: Mapping[str, str],
        stores: Stores,
        logger: "Logger",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        jobs: int = 1,
    ) -> None:
        self._model = model
        self._environ = environ
        self._stores = stores
        self._logger = logger
        self._now = now
        self._jobs = jobs

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """
        Score the interval of *event*.

        Raises:
            StreamConsumerError: Nothing was committed. The message has the cause.
        """
        said = {"request_id": getattr(context, "aws_request_id", None)}
        if asks_for_nothing(event):
            return {"scored": False, "model": self._model.name, "model_version": self._model.version}
        try:
            job = self._job(event)
            said |= {"input": str(job.source), "output": str(job.target)}
            summary = committed(job, self._stores, model=self._model) or run(
                job, model=self._model, stores=self._stores, jobs=self._jobs
            )
        except StreamConsumerError as error:
            # The runtime logs the traceback of a raised error.
            self._logger.error("batch failed", extra=said | {"error": type(error).__name__, "remedy": str(error)})  # noqa: TRY400
            raise
        answer: dict[str, Any] = msgspec.to_builtins(summary)
        self._logger.info("batch committed", extra=said | {"rows": summary.rows, "predicted": summary.predicted})
        if summary.rejected:
            self._logger.warning("rejected rows", extra=said | {"rejected": answer["rejected"]})
        return answer

    def _job(self, event: Any) -> Job:
        schedule = Schedule.of(self._environ, self._now(), **_times(event))
        return Job.of(schedule.names.fill(schedule.source), schedule.names.fill(schedule.target))


def _times(event: Any) -> dict[str, str]:
    """
    Return the date or scheduled time in *event*. Empty for ``{}``.

    Raises:
        UsageError: The event is of another kind, or its value is not a text.
    """
    if not isinstance(event, Mapping):
        raise UsageError(f"the event is {_kind(event)}; {_WANTED}")
    if event.get("detail-type") == "Scheduled Event":
        event = {"time": event.get("time")}
    unknown = [str(key) for key in event if key not in _PARAMETERS]
    if unknown:
        raise UsageError(f"the event is {_kind(event)}; {_WANTED}")
    if len(event) > 1:
        raise UsageError(f"the event names {' and '.join(event)}; {_WANTED}")
    for name, text in event.items():
        if not isinstance(text, str) or not text:
            raise UsageError(f"the event says {text!r} as {name}; wanted a date or a time as text, 2021-03-01")
    return {_PARAMETERS[name]: text for name, text in event.items()}


def _kind(event: Any) -> str:
    """Describe the kind of *event*, without any text of its producer."""
    if not isinstance(event, Mapping):
        return f"a JSON value of type {type(event).__name__}"
    arrival = "Records" in event or event.get("detail-type") == "Object Created"
    return "a notification of other work, such as an object's arrival" if arrival else "of an unknown kind"


def build_handler(environ: Mapping[str, str], s3: "Callable[[], S3Client]") -> Handler:
    """
    Compose the handler for the settings in *environ*.

    Raises:
        InitError: The environment or the model is wrong.
    """
    settings, jobs = Settings.of(environ), jobs_of(environ)
    escape_logs()
    logger = powertools(environ).Logger(
        service=environ.get("POWERTOOLS_SERVICE_NAME", "stream-consumer"), json_serializer=log_line
    )
    model = load_model(settings.model_location, s3=s3, choice=settings.choice)
    logger.info("model loaded", extra={"model": model.name, "version": model.version, "digest": model.digest})
    return Handler(model, environ, Stores(s3), logger, jobs=jobs)


@functools.cache
def _handler() -> Handler:
    return build_handler(os.environ, functools.cache(default_s3))


def lambda_handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer an invocation. See :class:`Handler`."""
    return _handler()(event, context)


# Lambda's init phase is the import of this module. Outside Lambda the import has no effect.
if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    _handler()
