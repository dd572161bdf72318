"""
Turn the arguments INPUT… OUTPUT into jobs.

The rule: no two jobs write to the same location, and no job overwrites an input of any job.
"""

import os
from collections import Counter
from collections.abc import Sequence

from stream_consumer.batch.job import Job
from stream_consumer.batch.locations import Kind, Location
from stream_consumer.batch.targets import locations_written
from stream_consumer.errors import UsageError


def plan(sources: Sequence[str], target: str) -> list[Job]:
    """
    Return a job for each of *sources*. A *target* with a final ``/`` gets a file for each input, in the input's format.

    Raises:
        UsageError: Several inputs have a single output file, an input occurs twice, two inputs have the same stem, or
            an output is an input.
    """
    read, output = [Location.parse(source) for source in sources], Location.parse(target)
    _refuse("the same input is there more than once", [Location(source.kind, source.identity) for source in read])
    if output.kind is Kind.DATABASE:
        return [Job(source, output) for source in read]
    if target.endswith("/"):
        # Rows of a database have no format.
        ends = [".parquet" if source.kind is Kind.DATABASE else source.suffix for source in read]
        outputs = [output.sibling(f"{source.stem}{end}") for source, end in zip(read, ends, strict=True)]
        _refuse(
            "two inputs would write one file, since their names differ only in folder",
            [location for one in outputs for location in locations_written(one)],
        )
    elif len(sources) > 1:
        raise UsageError(
            f"{len(sources)} inputs cannot go into one file, {target}; the last name is the OUTPUT: name a folder, "
            "which ends with /"
        )
    else:
        outputs = [output]
    taken = {source.identity for source in read}
    for one in outputs:
        over = [location for location in locations_written(one) if location.identity in taken]
        if over:
            raise UsageError(f"{over[0]} is an input and would be written over; name another output")
        if one.kind is Kind.FILE and os.path.isdir(one.text):  # noqa: PTH112 (false of a name that is too long)
            raise UsageError(f"{one} is a folder; end it with / to write into it")
    return [Job(source, one) for source, one in zip(read, outputs, strict=True)]


def _refuse(why: str, locations: Sequence[Location]) -> None:
    twice = [location for location, count in Counter(locations).items() if count > 1]
    if twice:
        raise UsageError(f"{why}: {', '.join(map(str, twice))}")
