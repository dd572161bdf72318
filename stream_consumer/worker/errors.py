"""Errors of the queue's worker and of its starter."""

from stream_consumer.errors import StreamConsumerError


class TasksNotStarted(StreamConsumerError):
    """ECS refused tasks that the queue has work for; the next run of the starter tries again."""


class QueueUnusable(StreamConsumerError):
    """The queue cannot be received from, and trying again will not mend it."""
