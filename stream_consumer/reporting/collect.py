"""Reading the profiles and results of some days from their locations."""

from collections.abc import Sequence
from datetime import date

from stream_consumer.batch.locations import Location
from stream_consumer.batch.storage import Stores
from stream_consumer.model import Model
from stream_consumer.profiling.reference import carried_by
from stream_consumer.quality.results import Results
from stream_consumer.reporting.findings import Findings
from stream_consumer.reporting.profiles import day_profile


def collect(  # noqa: PLR0913 (each is an option of the command)
    stores: Stores, model: Model, days: Sequence[date], profiles: Location, results: Location | None, *, today: date
) -> Findings:
    """
    Return the findings of *days*, as of *today*.

    Raises:
        ModelError: The model has no reference.
        StoreFailed: A location cannot be read.
        ProfileUnreadable, ResultUnreadable: An object is not a profile or a result.
    """
    reference, _ = carried_by(model)
    return Findings(
        model=f"{model.name} {model.version}",
        reference=reference,
        days=[day_profile(stores, profiles, day, reference.bins, model.digest) for day in days],
        results=list(Results(stores, results).between(days[0], days[-1])) if results else [],
        today=today,
    )
