"""The registered errors of model versions, from the file ``champion.json`` or from the user."""

from stream_consumer.models.champion import Champion
from stream_consumer.quality.daily import Registry
from stream_consumer.quality.result import Registered


def registered_in(champion: Champion) -> Registry:
    """Return the registered errors of *champion* and of the champions before."""
    known: dict[str, Registered] = {}
    one: Champion | None = champion
    while one:
        known.setdefault(one.version, Registered(one.metrics.get("rmse"), one.metrics.get("accuracy")))
        one = one.previous
    return lambda _model, version: known.get(version)


def registered_as(rmse: float | None, accuracy: float | None) -> Registry:
    """Return these errors for any version. Without errors, no version is registered."""
    said = Registered(rmse, accuracy) if rmse is not None or accuracy is not None else None
    return lambda _model, _version: said
