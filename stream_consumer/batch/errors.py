"""Errors of batch runs, arranged by what happens next."""

from stream_consumer.errors import StreamConsumerError, UsageError


class UnusableInput(UsageError):
    """An input of a batch run can never be scored: it is gone, not what its name says, or lacks columns."""


class MixedIds(UnusableInput):
    """An input has both integer and string ids, and an output of columns has one type for them."""


class UnfitTable(UnusableInput):
    """A table of a database has a column of another type than the model's predictions."""


class StoreFailed(StreamConsumerError):
    """A file, object or database could not be read or written this time; nothing was committed."""


class ChunkFailed(StreamConsumerError):
    """The rows of a chunk could not be decided, for want of memory; nothing was committed."""


class CountsDiffer(StreamConsumerError):
    """Rows read, predicted, rejected and written do not add up; nothing was committed."""


class TooManyRejected(StreamConsumerError):
    """A larger share of the rows was rejected than was allowed; nothing was committed."""


class Stopped(StreamConsumerError):
    """A batch run was asked to stop; nothing was committed."""


class NothingPredicted(StreamConsumerError):
    """Every row of an input was rejected; the rejected rows were committed."""
