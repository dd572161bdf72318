"""
Deliberate errors, arranged by what happens next; and which errors of AWS another try can mend.

The class of an error is the fate of what raised it; nothing else in the package is raised on purpose. The fault of a
single record is never an exception: it is a value, ``contract.InvalidRecord``.
"""


class StreamConsumerError(Exception):
    """Every error this package raises on purpose; its message names the thing, the value and the remedy."""


def described(error: BaseException) -> str:
    """Return the kind and message of *error*, which a model may have made: its message may raise another."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 (a message is only told: it must not decide)
        return f"{type(error).__name__}, whose message cannot be read"


def in_one_line(error: BaseException) -> str:
    """Return the message of *error*, which a library may have made of several lines."""
    return " ".join(str(error).split())


class InitError(StreamConsumerError):
    """Init fails: nothing is consumed, nothing is dead-lettered, and the operator has something to change."""


class SettingsError(InitError):
    """The environment is wrong; the message lists every fault at once."""


class ModelError(InitError):
    """The model cannot be loaded or fails its self-check."""


class PinNeeded(ModelError):
    """The model is loaded only by who pins its digest, for loading it can run code from its files."""


class TopicUnusable(InitError):
    """A topic cannot be reached, does not exist, or is refused to this client."""


class BatchFailed(StreamConsumerError):
    """Nothing of the batch could be checkpointed: the whole batch comes again, and Lambda's ``Errors`` shows it."""


class DeploymentAtFault(StreamConsumerError):
    """So many records are invalid that the model or the settings are wrong: no dead letter is written."""


class NotAKinesisEvent(StreamConsumerError):
    """The function was invoked with something that no event source mapping sends; nothing was consumed."""


class NotAKafkaEvent(StreamConsumerError):
    """The same, of a batch that looks like Kafka's."""


class ReadFailed(StreamConsumerError):
    """A stream could not be read this time; the same read may be tried again."""


class StreamUnreadable(StreamConsumerError):
    """A stream cannot be read: it is gone, access is denied, or the position is not in it."""


class UsageError(StreamConsumerError):
    """The command line was asked for something it cannot do; printed without a traceback, exit code 2."""


class LocalPlatformError(StreamConsumerError):
    """The local platform cannot go on; it stops where it is, and nothing unsettled was checkpointed."""
