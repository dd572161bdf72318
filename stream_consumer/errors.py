"""
The deliberate errors of the package, arranged by consequence.

The class of an error is the fate of the records or the process. The package deliberately raises nothing else. The fault
of a single record is never an exception but a value, ``contract.record.InvalidRecord``.
"""

import signal


class StreamConsumerError(Exception):
    """Base of every deliberate error. The message names the thing, the value seen and the remedy."""


def described(error: BaseException) -> str:
    """
    Return the class and message of *error*.

    If reading the message of a model's error fails, return the class alone.
    """
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 (a message is only told: it must not decide)
        return f"{type(error).__name__}, whose message cannot be read"


def in_one_line(error: BaseException) -> str:
    """Return the message of *error* on a single line. Messages of libraries may have several."""
    return " ".join(str(error).split())


class InitError(StreamConsumerError):
    """Init fails. No record is consumed and none becomes a dead letter. The operator must change something."""


class SettingsError(InitError):
    """The environment is wrong. The message lists every fault at once."""


class ModelError(InitError):
    """The model cannot be loaded or fails its self-check."""


class PinNeeded(ModelError):
    """The model is loaded only with a pinned digest, because loading can run code from the model's files."""


class TopicUnusable(InitError):
    """A topic is unreachable, does not exist, or denies access to this client."""


class BatchFailed(StreamConsumerError):
    """
    No record of the batch could be checkpointed.

    The whole batch is redelivered, and Lambda counts it in ``Errors``.
    """


class DeploymentAtFault(StreamConsumerError):
    """So many records are invalid that the model or the settings must be wrong. No dead letter is written."""


class NotAKinesisEvent(StreamConsumerError):
    """The function was invoked with an event of no event source mapping. No record was consumed."""


class NotAKafkaEvent(StreamConsumerError):
    """The function was invoked with an event like Kafka's, but of another shape. No record was consumed."""


class ReadFailed(StreamConsumerError):
    """A read of a stream failed. The same read may be retried."""


class StreamUnreadable(StreamConsumerError):
    """A stream cannot be read: the stream is gone, access is denied, or the position is not part of the stream."""


class UsageError(StreamConsumerError):
    """
    The command line asks for something impossible.

    The message is printed without a traceback, and the exit code is 2.
    """


class LocalPlatformError(StreamConsumerError):
    """The local platform cannot go on and stops. No unsettled record was checkpointed."""


class Terminated(SystemExit):
    """SIGTERM ended the command. A handler that runs in this process did not exit by itself."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)
