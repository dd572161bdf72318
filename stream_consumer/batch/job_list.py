"""
INPUT… OUTPUT → jobs.

The rule: no two jobs write to one place, and none writes over what any of them reads.
"""

import os
from collections import Counter
from collections.abc import Sequence

from stream_consumer.batch.job import Job
from stream_consumer.batch.locations import check_name, identity_of, is_database, is_s3, shown, stem_of, suffix_of
from stream_consumer.batch.targets import places_written
from stream_consumer.errors import UsageError


def plan(sources: Sequence[str], target: str) -> list[Job]:
    """
    Return a job for each of *sources*; a *target* that ends in ``/`` gets a file for each, in its input's format.

    Raises:
        UsageError: Several inputs for one file, one input twice, two of one stem, an output that is an input.
    """
    for place in (*sources, target):
        check_name(place)
    _refuse("the same input is there more than once", [identity_of(source) for source in sources])
    if is_database(target):
        return [Job(source, target) for source in sources]
    if target.endswith("/"):
        # A database's rows have no format of their own.
        ends = [".parquet" if is_database(source) else suffix_of(source) for source in sources]
        targets = [f"{target}{stem_of(source)}{end}" for source, end in zip(sources, ends, strict=True)]
        _refuse(
            "two inputs would write one file, since their names differ only in folder",
            [place for one in targets for place in places_written(one)],
        )
    elif len(sources) > 1:
        raise UsageError(f"{len(sources)} inputs cannot go into one file, {target}; end it with / for a folder")
    else:
        targets = [target]
    read = {identity_of(source) for source in sources}
    for one in targets:
        over = [place for place in places_written(one) if identity_of(place) in read]
        if over:
            raise UsageError(f"{over[0]} is an input and would be written over; name another output")
        if not is_s3(one) and os.path.isdir(one):  # noqa: PTH112 (false of a name that is too long)
            raise UsageError(f"{one} is a folder; end it with / to write into it")
    return [Job(source, one) for source, one in zip(sources, targets, strict=True)]


def _refuse(why: str, places: Sequence[str]) -> None:
    twice = [place for place, count in Counter(places).items() if count > 1]
    if twice:
        raise UsageError(f"{why}: {', '.join(map(shown, twice))}")
