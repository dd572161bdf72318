"""The examples in docstrings run as they stand. Examples with a stream or a model get small ones from here."""

import doctest
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from stream_consumer.contract.envelope import Envelope, predicted_type
from stream_consumer.contract.prediction import Prediction, encode_prediction
from stream_consumer.models.files import directory_digest
from tests.cli.model import linear_model
from tests.local.fakes import FakeKinesis

ROOT = Path(__file__).resolve().parent.parent
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted((ROOT / "stream_consumer").rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]
RIDES = {
    "PULocationID": [130, 43, 7],
    "DOLocationID": [205, 151, 7],
    "trip_distance": [3.66, None, 8.2],
    "ride_id": [256, 257, 258],
}
WITH_AN_EXAMPLE = ["stream_consumer.arrow", "stream_consumer.models.loading", "stream_consumer.reader"]
Names = Callable[[str], dict[str, Any]]


def three_predictions() -> FakeKinesis:
    """Return a stream of three predictions, of which the second repeats the first."""
    kinesis, predicted = FakeKinesis(), predicted_type(Envelope())
    for ride_id, minutes in ((256, 21.5), (256, 21.5), (257, 8.0)):
        made = Prediction("rides", "3", predicted(minutes, ride_id), f"shardId-0:{ride_id}")
        kinesis.put(str(ride_id), data=encode_prediction(made))
    return kinesis


@pytest.fixture
def names(tmp_path: Path) -> Names:
    """Return the names that the examples of a module use beside its own."""

    def of(module: str) -> dict[str, Any]:
        if module == "stream_consumer.reader":
            return {"kinesis": three_predictions(), "folder": tmp_path}
        if module in WITH_AN_EXAMPLE:
            location = linear_model(tmp_path / "rides")
            digest = directory_digest(Path(location))
            return {"location": location, "digest": digest, "rides": pa.table(RIDES)}
        return {}

    return of


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_are_what_its_code_says(module: str, names: Names) -> None:
    failures, tried = doctest.testmod(importlib.import_module(module), extraglobs=names(module))
    assert tried
    assert not failures


@pytest.mark.parametrize("module", WITH_AN_EXAMPLE)
def test_each_public_function_and_class_shows_an_example(module: str) -> None:
    """Of the modules that others call from their own code: the reader, the Arrow interface and `load_model`."""
    without = [
        test.name.removeprefix(f"{module}.")
        for test in doctest.DocTestFinder(exclude_empty=False).find(importlib.import_module(module))
        if not test.examples and "_" not in {part[:1] for part in test.name.removeprefix(f"{module}.").split(".")}
    ]
    assert without == {
        "stream_consumer.arrow": [module],
        "stream_consumer.models.loading": [module, "Choice"],
        "stream_consumer.reader": [module, "Received"],
    }.get(module)
