"""Errors of batch runs, arranged by consequence."""

from stream_consumer.errors import StreamConsumerError, UsageError


class UnusableInput(UsageError):
    """The input can never be scored: the input is gone, has another format than its name says, or lacks columns."""


class MixedIds(UnusableInput):
    """The input has both integer and string ids, and an output of columns has a single type for ids."""


class UnfitTable(UnusableInput):
    """A table of the database has a column of another type than the model's predictions."""


class StoreFailed(StreamConsumerError):
    """A file, object or database could not be read or written this time. Nothing was committed."""


class ChunkFailed(StreamConsumerError):
    """Memory did not suffice to decide the rows of a chunk. Nothing was committed."""


class CountsDiffer(StreamConsumerError):
    """The counts of rows read, predicted, rejected and written do not add up. Nothing was committed."""


class TooManyRejected(StreamConsumerError):
    """A larger share of the rows was rejected than allowed. Nothing was committed."""


class Stopped(StreamConsumerError):
    """The run was asked to stop. Nothing was committed."""


class NothingPredicted(StreamConsumerError):
    """Every row of the input was rejected. The rejected rows were committed."""
