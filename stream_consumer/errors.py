"""
Deliberate errors, arranged by what happens next; and which errors of AWS another try can mend.

The class of an error is the fate of what raised it; nothing else in the package is raised on purpose. The fault of a
single record is never an exception: it is a value, ``contract.InvalidRecord``.
"""

from botocore.exceptions import ClientError

# Source: the "Errors" sections of PutRecords, GetRecords, PutObject and ReceiveMessage, and "Common Errors" of each.
_TRANSIENT = frozenset(
    {
        "InternalFailure",
        "InternalFailureException",
        "KMSThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_SERVER_ERROR = 500


def is_transient(error: ClientError) -> bool:
    """Whether another try can mend *error*; every other one is for an operator."""
    code = error.response.get("Error", {}).get("Code")
    return code in _TRANSIENT or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= _SERVER_ERROR


class StreamConsumerError(Exception):
    """Every error this package raises on purpose; its message names the thing, the value and the remedy."""


class InitError(StreamConsumerError):
    """Init fails: nothing is consumed, nothing is dead-lettered, and the operator has something to change."""


class SettingsError(InitError):
    """The environment is wrong; the message lists every fault at once."""


class ModelError(InitError):
    """The model cannot be loaded or fails its self-check."""


class BatchFailed(StreamConsumerError):
    """Nothing of the batch could be checkpointed: the whole batch comes again, and Lambda's ``Errors`` shows it."""


class NotAKinesisEvent(StreamConsumerError):
    """The function was invoked with something that no event source mapping sends; nothing was consumed."""


class ReadFailed(StreamConsumerError):
    """A stream could not be read this time; the same read may be tried again."""


class StreamUnreadable(StreamConsumerError):
    """A stream cannot be read: it is gone, access is denied, or the position is not in it."""


class UsageError(StreamConsumerError):
    """The command line was asked for something it cannot do; printed without a traceback, exit code 2."""


class UnusableInput(UsageError):
    """An input of a batch run can never be scored: it is gone, not what its name says, or lacks columns."""


class MixedIds(UnusableInput):
    """An input has both integer and string ids, and an output of columns has one type for them."""


class StoreFailed(StreamConsumerError):
    """A file, object or database could not be read or written this time; nothing was committed."""


class CountsDiffer(StreamConsumerError):
    """Rows read, predicted, rejected and written do not add up; nothing was committed."""


class TooManyRejected(StreamConsumerError):
    """A larger share of the rows was rejected than was allowed; nothing was committed."""


class Stopped(StreamConsumerError):
    """A batch run was asked to stop; nothing was committed."""


class TasksNotStarted(StreamConsumerError):
    """ECS refused tasks that the queue has work for; the next run of the starter tries again."""


class LocalPlatformError(StreamConsumerError):
    """The local platform cannot go on; it stops where it is, and nothing unsettled was checkpointed."""
