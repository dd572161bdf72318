"""
The reference profile of a trained model, for comparison with its inputs and predictions in service.

The rule: the columns come from the rides of the fit, since the model knows these. The predictions come from the test
rides: a model may follow the rides of its fit more closely than any rides in service.
"""

from stream_consumer.contract.event_schema import Column
from stream_consumer.profiling.profile import Profile
from stream_consumer.profiling.reference import reference_of, samples_of
from stream_consumer.training.fit import Fitted
from stream_consumer.training.rides import FEATURES, Rides

COLUMNS = tuple(map(Column, FEATURES, ("long", "long", "double")))
"""The model's signature."""


def reference(fitted: Fitted, training: Rides, test: Rides) -> Profile:
    """Return the reference of a model *fitted* on the rides of *training*."""
    rows = [getattr(training, name) for name in FEATURES]
    predictions = fitted.model.predict(test.matrix()).tolist()
    return reference_of(samples_of(COLUMNS, rows, predictions, fitted.categories))
