"""
Comparing two models on the same records of a stream.

The rule: nothing is published.
"""

from collections.abc import Callable, Iterable, Sequence

from stream_consumer.comparison import Comparison, RunningComparison
from stream_consumer.consumer import Consumer
from stream_consumer.contract.record import Record


def compare(  # noqa: PLR0913 (two models, the records, and what to tell of them)
    delivered: Iterable[Sequence[Record]],
    one: Consumer,
    other: Consumer,
    *,
    keep: int = 10,
    threshold: float = 0.0,
    progress: Callable[[int], object] = lambda _: None,
) -> Comparison:
    """
    Score the batches of a range with both consumers. They must be composed without sinks.

    Args:
        delivered: The batches, as ``replay.batches`` yields them.
        one: The consumer of the reference model.
        other: The consumer of the compared model.
        keep: Number of largest differences to name.
        threshold: Numbers disagree if they differ by more than this.
        progress: Gets each batch's size.
    """
    running = RunningComparison(threshold=threshold, keep=keep)
    for records in delivered:
        first, second = (consumer.process(records).outcomes() for consumer in (one, other))
        running.add(first, second, [str(record.event_id) for record in records])
        progress(len(records))
    return running.comparison()
