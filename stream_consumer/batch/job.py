"""
Score an input with the model and commit the results to an output.

The rule: results are made in scratch, counted, and committed last. The summary is the commit mark. A commit removes the
old summary before any other change, and writes the new summary after all other files. Where a summary exists, all files
named in the summary exist too. A run that is killed, stopped or fails leaves no partial file and no mark, and the next
run makes the same bytes.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

from stream_consumer.batch.chunk_scoring import Judge
from stream_consumer.batch.chunks import RowProgress, never, silent
from stream_consumer.batch.errors import CountsDiffer, Stopped, StoreFailed, TooManyRejected
from stream_consumer.batch.locations import Location
from stream_consumer.batch.parallel import Decided, decided
from stream_consumer.batch.readers import Wanted
from stream_consumer.batch.sources import Source, source_of
from stream_consumer.batch.storage import Stores
from stream_consumer.batch.summary import Summary, decode_summary, encode_summary
from stream_consumer.batch.targets import REJECTED, SUMMARY, Target, target_of
from stream_consumer.batch.writers import DeadLetterWriter, Writer, columns_of, writer, written
from stream_consumer.consumer import LARGE_BATCH, commonest_fault
from stream_consumer.contract.record import Reason
from stream_consumer.model import Model


@dataclass(frozen=True, slots=True)
class Job:
    """An input and the location of its predictions."""

    source: Location
    target: Location

    @classmethod
    def of(cls, source: str, target: str) -> Self:
        """
        Parse paths, URLs of objects or database URLs.

        Raises:
            UsageError: One of them is not a valid name.
        """
        return cls(Location.parse(source), Location.parse(target))


@dataclass(frozen=True, slots=True)
class Options:
    """Optional choices of a run."""

    id_column: str | None = None
    """
    Name of the column of ids.

    By default the id field of events, or ``<input stem>_<row>`` if no such column exists.
    """
    query: str | None = None
    """The query to run, if the source is a database."""
    table: str | None = None
    """The table for predictions, if the target is a database."""
    max_rejected: float | None = None
    """
    Largest share of rejected rows. A run with a larger share fails.

    With None, only a large input without a valid row fails.
    """
    keep: tuple[str, ...] = ()
    """Input columns to append to the output."""


def check(job: Job, stores: Stores, options: Options = Options()) -> None:
    """
    Check the input and the output of *job*, before a model is loaded for it.

    Raises:
        UnusableInput, UsageError, StoreFailed: As :func:`run`.
    """
    source, target = _ends(job, stores, options)
    source.version()
    target.check()


def run(  # noqa: PLR0913 (its parts, each named)
    job: Job,
    *,
    model: Model,
    stores: Stores,
    stop: Callable[[], bool] = never,
    progress: RowProgress = silent,
    options: Options = Options(),
    jobs: int = 1,
) -> Summary:
    """
    Score the rows of ``job.source``, commit the outcomes and return the summary of the commit.

    *stop* is called between chunks. Up to *jobs* chunks are scored at once. The number changes nothing but the time.

    Raises:
        Stopped: *stop* returned True.
        UnusableInput: The input can never be scored: the input is gone, has another format than its name says, or lacks
            columns.
        UsageError: The name of the input or output shows no format, the output is the input, or the output exists and
            was not made by a run of the same input.
        StoreFailed: The input could not be fetched, scratch is full, or the output could not be written.
        TooManyRejected: See ``Options.max_rejected``.
        CountsDiffer: The counts of rows read, decided and written do not add up.
        ModelError: The model fails on its own example.
        ChunkFailed: Memory does not suffice.

        Nothing was committed, except that the summary of an earlier run may be gone after StoreFailed.
    """
    source, target = _ends(job, stores, options)
    version = source.version()
    target.check()
    with stores.scratch() as scratch:
        files = {ending: scratch / f"made{ending}" for ending in (target.suffix, REJECTED, SUMMARY)}
        wanted = Wanted(model.schema, options.id_column, options.keep)
        with source.open(wanted, scratch, lambda: _go_on(stop)) as rows:
            target.check_kept(rows.kept, model)
            made = files[target.suffix]
            output, letters = writer(made, model, source.identity, rows.kept), DeadLetterWriter(files[REJECTED])
            judge = Judge(model, source.identity, columns_of(made, model))
            with contextlib.closing(output), contextlib.closing(letters), decided(rows.chunks, judge, jobs) as outcomes:
                counts = _written(outcomes, rows.rows, output=output, letters=letters, stop=stop, progress=progress)
        counts.check(source.label, options.max_rejected, rows.rows)
        _check_written(files[target.suffix], counts.predicted)
        _check_written(files[REJECTED], counts.rejected.total())
        if source.version() != version:
            raise StoreFailed(f"{source.label} changed while it was read; nothing was committed: run again")
        sizes = {ending: file.stat().st_size for ending, file in files.items() if file.exists()}
        summary = counts.summary(source.identity, version, model, options, sizes)
        files[SUMMARY].write_bytes(encode_summary(summary))
        _go_on(stop)
        target.commit(files)
    if source.version() != version:  # another run may have scored the new content, and these results replaced its own
        raise StoreFailed(f"{source.label} changed while its results were committed: run again")
    return summary


def _ends(job: Job, stores: Stores, options: Options) -> tuple[Source, Target]:
    source = source_of(job.source, options.query, stores)
    return source, target_of(job.target, options.table, source, stores)


def _check_written(file: Path, expected: int) -> None:
    found = written(file) if file.exists() else 0
    if found != expected:
        raise CountsDiffer(
            f"{expected} rows were written as {file.suffix} and {found} are there; nothing was committed"
        )


def committed(
    job: Job,
    stores: Stores,
    *,
    model: Model | None = None,
    options: Options = Options(),
) -> Summary | None:
    """
    Return the summary of an earlier run of the same input version, if all files of the summary exist.

    With *model*, the summary must also match this model and *options*.

    Raises:
        UnusableInput: The input is gone.
        StoreFailed: The input or the output cannot be accessed.
    """
    source, target = _ends(job, stores, options)
    version, document = source.version(), target.summary()
    if version is None or document is None:
        return None
    summary = decode_summary(document)
    if summary is None:
        return None
    same = (
        (summary.source, summary.source_version, summary.id_column) == (source.identity, version, options.id_column)
        and (summary.keep or ()) == options.keep
        and (model is None or _identity(model) == _identity_in(summary))
        and sum(summary.rejected.values())
        <= summary.rows * (1 if options.max_rejected is None else options.max_rejected)
        and target.holds(summary.sizes)
    )
    return summary if same else None


def _identity(model: Model) -> tuple[str | None, ...]:
    return model.name, model.version, model.digest, model.schema.digest


def _identity_in(summary: Summary) -> tuple[str | None, ...]:
    return summary.model, summary.model_version, summary.model_digest, summary.schema_digest


@dataclass(slots=True)
class _Counts:
    rows: int
    predicted: int
    rejected: Counter[Reason]
    fault: str = ""
    """The commonest fault of the first rejected rows."""

    def check(self, source: str, max_rejected: float | None, announced: int | None) -> None:
        rejected = self.rejected.total()
        if self.predicted + rejected != self.rows or announced not in {None, self.rows}:
            raise CountsDiffer(
                f"{source}: {self.rows} rows were read of {announced}, {self.predicted} predicted and "
                f"{rejected} rejected; nothing was committed: this is a fault of the program, please report it"
            )
        if max_rejected is None:
            if rejected >= LARGE_BATCH and not self.predicted:
                raise TooManyRejected(
                    f"{source}: none of the {self.rows:,} rows is valid: {self.fault}; nothing was committed: "
                    "--max-rejected 100% commits it all the same"
                )
        elif rejected > self.rows * max_rejected:
            most = ", ".join(f"{count} {reason}" for reason, count in self.rejected.most_common())
            raise TooManyRejected(
                f"{source}: {rejected} of {self.rows} rows were rejected ({most}), more than "
                f"{max_rejected:.1%}; nothing was committed"
            )

    def summary(
        self, source: str, version: str | None, model: Model, options: Options, sizes: Mapping[str, int]
    ) -> Summary:
        return Summary(
            source=source,
            source_version=version,
            model=model.name,
            model_version=model.version,
            model_digest=model.digest,
            schema_digest=model.schema.digest,
            id_column=options.id_column,
            keep=options.keep or msgspec.UNSET,
            rows=self.rows,
            predicted=self.predicted,
            rejected={reason: self.rejected[reason] for reason in Reason if self.rejected[reason]},
            sizes=sizes,
        )


def _written(  # noqa: PLR0913 (its parts)
    chunks: Iterable[Decided],
    announced: int | None,
    *,
    output: Writer,
    letters: DeadLetterWriter,
    stop: Callable[[], bool],
    progress: RowProgress,
) -> _Counts:
    counts = _Counts(0, 0, Counter())
    for rows, outcomes in chunks:
        _go_on(stop)
        output.write(outcomes)
        letters.write(outcomes.dead_letters)
        counts.rows += rows
        counts.predicted += len(outcomes.values)
        counts.rejected.update(letter.reason for letter in outcomes.dead_letters)
        counts.fault = counts.fault or commonest_fault(outcomes.dead_letters)
        with contextlib.suppress(Exception):  # a display that fails must not fail the run
            progress(counts.rows, announced)
    return counts


def _go_on(stop: Callable[[], bool]) -> None:
    if stop():
        raise Stopped("stopped before the end; nothing was committed")
