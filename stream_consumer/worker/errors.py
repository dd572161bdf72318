"""Errors of the queue's worker and of its starter."""

from stream_consumer.errors import StreamConsumerError


class TasksNotStarted(StreamConsumerError):
    """ECS refused to start tasks that the queue has work for. The next run of the starter retries."""


class QueueUnusable(StreamConsumerError):
    """Messages cannot be received from the queue, and a retry will not help."""
