"""
The reference profile of a trained model: what its inputs and predictions are compared with while it serves.

The rule: columns are those of the rides that the model was fitted on, for that is what it knows. Predictions are those
of the test's rides: a model may follow the rides of its fit more closely than it can follow any in service.
"""

from stream_consumer.contract.event_schema import Column
from stream_consumer.profiling.profile import Profile
from stream_consumer.profiling.reference import reference_of, samples_of
from stream_consumer.training.fit import Fitted
from stream_consumer.training.rides import FEATURES, Rides

COLUMNS = tuple(map(Column, FEATURES, ("long", "long", "double")))
"""The model's signature."""


def reference(fitted: Fitted, training: Rides, test: Rides) -> Profile:
    """Return the reference of a model that was *fitted* on the rides of *training*."""
    rows = [getattr(training, name) for name in FEATURES]
    predictions = fitted.model.predict(test.matrix()).tolist()
    return reference_of(samples_of(COLUMNS, rows, predictions, fitted.categories))
