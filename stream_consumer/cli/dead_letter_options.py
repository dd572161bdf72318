"""Shared by the ``dead-letters`` commands: the choice of dead letters, and the report of foreign objects."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from stream_consumer.cli import options
from stream_consumer.cli.terminal import complain
from stream_consumer.contract.record import Reason

if TYPE_CHECKING:
    from stream_consumer.operate.dead_letter_bucket import DeadLetterBucket, Foreign, Selection, StoredDeadLetter

Item = TypeVar("Item")

Bucket = Annotated[str, typer.Option(metavar="NAME", envvar="DEAD_LETTER_BUCKET", help="Bucket of the dead letters.")]
Prefix = Annotated[
    str, typer.Option(metavar="PREFIX", envvar="DEAD_LETTER_PREFIX", help="Key prefix of the dead letters.")
]

Reasons = Annotated[
    list[str] | None,
    typer.Option(
        "--reason",
        metavar="REASON",
        help=f"Only dead letters with this reason: {', '.join(Reason)}, or a condition of the event source mapping "
        "such as RetryAttemptsExhausted. May be repeated.",
        show_default="all reasons",
    ),
]
Shards = Annotated[
    list[str] | None,
    typer.Option(
        "--shard", metavar="ID", help="Only records of this shard. May be repeated.", show_default="all shards"
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Only records with an arrival at or after this ISO 8601 time.", show_default="no limit"
    ),
]
Until = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Only records with an arrival before this ISO 8601 time.", show_default="no limit"
    ),
]


def selection(
    event_ids: list[str] | None,
    reasons: list[str] | None,
    shards: list[str] | None,
    since: str | None,
    until: str | None,
) -> "Selection":
    """
    Return the selection of dead letters by the options.

    Raises:
        UsageError: A time is none.
    """
    from stream_consumer.contract.timestamps import iso_milliseconds
    from stream_consumer.operate.dead_letter_bucket import Selection

    first, last = (
        iso_milliseconds(options.timestamp(option, text, wanted=options.TIME).timestamp()) if text else None
        for option, text in (("--since", since), ("--until", until))
    )
    return Selection(
        frozenset(event_ids or ()), frozenset(reasons or ()), frozenset(shards or ()), since=first, until=last
    )


class Search:
    """Finds dead letters in a bucket, names foreign objects on standard error, and counts these."""

    def __init__(self, bucket: "DeadLetterBucket") -> None:
        self.passed_over = 0
        self._bucket = bucket

    def letters(
        self, selection: "Selection", keys: list[str] | None = None, read: Callable[[int], object] = lambda _: None
    ) -> Iterator["StoredDeadLetter"]:
        """Yield the selected dead letters of the documents under *keys*, by default all. Call *read* per document."""
        from stream_consumer.operate.dead_letter_bucket import letters

        documents = self._bucket.documents(self._bucket.keys() if keys is None else keys)
        return letters(told(documents, read), selection, self._foreign)

    def end(self) -> None:
        """
        End the command.

        Raises:
            typer.Exit: With 1, if an object was passed over.
        """
        if self.passed_over:
            complain(f"passed over in all: {self.passed_over:,}")
            raise typer.Exit(1)

    def _foreign(self, foreign: "Foreign") -> None:
        self.passed_over += 1
        complain(f"passed over: s3://{self._bucket.name}/{foreign.key}: {foreign.why}")


def told(items: Iterable[Item], tell: Callable[[int], object]) -> Iterator[Item]:
    """Yield *items*, having told of each."""
    for item in items:
        tell(1)
        yield item
