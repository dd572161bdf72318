"""What a model says of its reference, and what it says if it has none."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from stream_consumer.errors import ModelError
from stream_consumer.model import Model
from stream_consumer.models.loading import Choice, load_directory
from stream_consumer.profiling.reference import carried_by, reference_of, samples_of


@pytest.fixture
def model(rides_model: Path) -> Model:
    return load_directory(rides_model, "s3://models/rides", Choice())


def test_a_model_without_a_reference_is_named_with_the_remedy(model: Model) -> None:
    assert model.reference == "", "as of a model that was saved before there were references"
    with pytest.raises(ModelError) as raised:
        carried_by(model)
    assert str(raised.value) == (
        "the model at s3://models/rides has no reference profile to compare rows with; train it again, or sign a copy "
        "with `stream-consumer model sign s3://models/rides --example EVENTS --reference EVENTS -o DIR`"
    )


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("{", "cannot be read: Input data was truncated"),
        ('{"bins":[{"name":"fare","kind":"presence"}],"counts":[[1,0]]}', r"for the columns \['fare'\]; the model has"),
        ('{"bins":[{"name":"trip_distance","kind":"presence"}],"counts":[[1]]}', r"has \[1\] counts; wanted \[2\]"),
    ],
)
def test_a_reference_that_is_of_no_use_is_an_error_and_the_model_is_served(
    model: Model, reference: str, says: str
) -> None:
    broken = dataclasses.replace(model, reference=reference)
    with pytest.raises(ModelError, match=says):
        carried_by(broken)


def test_columns_reach_the_profile_in_the_order_of_the_signature(model: Model) -> None:
    """A scorer gives values by column in this order, missing ones as None."""
    rows: list[list[Any]] = [[1, 2, 2], [7, 7, 7], [1.5, None, 2.5]]
    carried = reference_of(samples_of(model.schema.columns, rows, [10.0, 20.0, 20.0], {})).encode().decode()
    profile, profiler = carried_by(dataclasses.replace(model, reference=carried))
    assert profiler.profile(rows, [10.0, 20.0, 20.0]) == profile
    assert [column.tolist() for column in profile.counts] == [
        [2, 1, 0, 0, 0],
        [3, 0, 0, 0],
        [1, 1, 0, 1],
        [1, 2, 0, 0],
    ]
