"""Loading a model: what is read from an MLflow model directory, and what is refused with which remedy."""

import errno
import importlib
import json
import math
import os
import pickle
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
import skops.io
import yaml
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline

from stream_consumer.contract.event_schema import Column, EventSchema
from stream_consumer.contract.record import InvalidRecord
from stream_consumer.errors import ModelError
from stream_consumer.model import Model
from stream_consumer.models.description import describe
from stream_consumer.models.files import directory_digest, unchanging
from stream_consumer.models.loading import Choice, load_model
from stream_consumer.models.skops_file import load_skops
from stream_consumer.outputs import Output
from tests.example_models import EXAMPLE, RIDE_SIGNATURE, changed, save, signature_of, with_metadata


def no_s3() -> Any:
    raise AssertionError("no S3 client is needed")


def load(path: Path | str, **options: Any) -> Model:
    return load_model(str(path), s3=no_s3, choice=Choice(**options))


def refusal(path: Path | str, **options: Any) -> str:
    with pytest.raises(ModelError) as caught:
        load(path, **options)
    message = str(caught.value)
    assert str(path) in message
    return message


# --- what is loaded ---------------------------------------------------------------------------------------------------


def test_a_model_carries_what_its_directory_says(rides_model: Path) -> None:
    model = load(rides_model)
    assert model.name == "ride-duration"
    assert model.location == str(rides_model)
    assert model.digest == directory_digest(rides_model)
    assert model.schema.columns == (
        Column("PULocationID", "long", minimum=1, maximum=265),
        Column("DOLocationID", "long", minimum=1, maximum=265),
        Column("trip_distance", "double", minimum=0.0, maximum=200.0),
    )
    assert model.categories == {"PULocationID": {130, 74}, "DOLocationID": {205, 75}}
    assert model.example == list(EXAMPLE.values())
    assert model.predict(model.example).tolist() == pytest.approx(model.expected)


def test_a_model_of_the_default_kind_predicts_what_its_estimator_predicts(boosted_rides_model: Path) -> None:
    estimator = load_skops(boosted_rides_model / "model.skops", "here", pinned=False)
    columns: list[list[Any]] = [[1, 130, 199], [265, 205, 1], [0.0, 3.66, 19.5]]
    assert load(boosted_rides_model).predict(columns).tolist() == estimator.predict(np.array(columns).T).tolist()


def test_a_location_may_be_a_file_url(rides_model: Path) -> None:
    assert load(f"file://{rides_model}").name == "ride-duration"


def test_an_optional_number_that_is_missing_reaches_the_model_as_nan(tmp_path: Path) -> None:
    """A model of numbers and booleans is fed one matrix of floats."""
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415

    estimator = HistGradientBoostingRegressor(max_iter=1, min_samples_leaf=1)
    estimator.fit([[math.nan, 0.0], [1.0, 1.0]] * 20, [10.0, 20.0] * 20)
    signature = signature_of((("tolls", "double", False), ("shared", "boolean", True)))
    model = load(save(estimator, tmp_path / "model", signature=signature))
    missing, present = model.predict([[None, 1.0], [False, True]])
    assert missing < present


@pytest.mark.parametrize(
    ("change", "registered", "named"),
    [
        ({}, None, ("ride-duration", "<digest>")),
        ({"model_id": "m-1"}, None, ("ride-duration", "m-1")),
        ({"model_id": "m-1", "run_id": "r-1"}, None, ("ride-duration", "r-1")),
        ({"model_id": "m-1", "metadata": {}}, None, ("m-1", "m-1")),
        ({"metadata": None}, None, ("model", "<digest>")),
        ({"model_id": "m-1", "run_id": "r-1"}, {"model_name": "rides", "model_version": "7"}, ("rides", "7")),
        ({}, {"model_name": "rides", "model_version": 7}, ("rides", "7")),
        ({"model_id": "m-1"}, {"model_name": None, "model_version": None}, ("ride-duration", "m-1")),
    ],
    ids=[
        "saved by hand",
        "logged",
        "logged by a run",
        "without our metadata",
        "nameless",
        "registered",
        "a number",
        "fetched by its id",
    ],
)
def test_name_and_version_are_the_registrys_else_the_models_own(
    rides_model: Path, tmp_path: Path, change: Any, registered: Any, named: tuple[str, str]
) -> None:
    """RUN_ID overrides the version whatever the model says."""
    path = changed(rides_model, tmp_path / "model", lambda content: content.update(change))
    digest = directory_digest(path)
    if registered:
        (path / "registered_model_meta").write_text(yaml.safe_dump(registered), encoding="utf-8")
    model = load(path)
    assert (model.name, model.version.replace(digest[:12], "<digest>")) == named
    assert load(path, version="Test123").version == "Test123"


def test_the_digest_is_that_of_all_names_and_contents(rides_model: Path, tmp_path: Path) -> None:
    """As ``sha256sum`` prints them, in the order of their names; what a registry adds to its copy does not count."""
    path = tmp_path / "model"
    (path / "sub").mkdir(parents=True)
    (path / "b").write_bytes(b"1")
    (path / "sub" / "a").write_bytes(b"")
    assert directory_digest(path) == "58e5ade69ea8ce7c9e584a79deb09a508642922e43b56a528ff3e25db6ad30b8"
    before = directory_digest(rides_model)
    shutil.copytree(rides_model, tmp_path / "copy")
    (tmp_path / "copy" / "registered_model_meta").write_text("model_name: x", encoding="utf-8")
    assert directory_digest(tmp_path / "copy") == before
    (tmp_path / "copy" / "another").write_text("", encoding="utf-8")
    assert directory_digest(tmp_path / "copy") != before


def test_what_is_no_file_of_the_model_is_no_part_of_its_digest(rides_model: Path, tmp_path: Path) -> None:
    """Links lead elsewhere, and Python writes caches; what the registry adds is at the top alone."""
    path, before = tmp_path / "copy", directory_digest(rides_model)
    shutil.copytree(rides_model, path)
    for cache in (path / "__pycache__", path / "code" / "package" / "__pycache__"):
        cache.mkdir(parents=True)
        (cache / "module.cpython-311.pyc").write_bytes(b"compiled")
    (path / "link").symlink_to("/etc/hostname")
    (path / "folder").symlink_to(tmp_path)
    assert directory_digest(path) == before
    (path / "code" / "registered_model_meta").write_text("", encoding="utf-8")
    assert directory_digest(path) != before


def test_a_model_is_loaded_by_the_digest_that_pins_it_and_by_no_other(rides_model: Path) -> None:
    digest = directory_digest(rides_model)
    assert load(rides_model, digest=digest).digest == digest
    assert refusal(rides_model, digest="0" * 64) == (
        f"the model at {rides_model} has the digest {digest}, but MODEL_DIGEST pins {'0' * 64}"
    )


# --- what is refused --------------------------------------------------------------------------------------------------

Change = Callable[[dict[str, Any]], object]


def columns_of(*specs: dict[str, Any]) -> Change:
    return lambda content: content.update(signature={"inputs": json.dumps(specs)}, metadata=None)


def sklearn_flavor(**values: Any) -> Change:
    return lambda content: content["flavors"]["sklearn"].update(values)


UNUSABLE: dict[str, tuple[Change, str]] = {
    "unsigned": (lambda content: content.pop("signature"), "has no signature of named columns"),
    "a signature of nothing": (columns_of(), "has no signature of named columns"),
    "a tensor signature": (
        columns_of({"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 3]}}),
        "mlflow.models.set_signature",
    ),
    "columns without names": (
        columns_of({"type": "double"}),
        "`stream-consumer model sign {path} --example events.ndjson -o DIR`",
    ),
    "a column of arrays": (
        columns_of({"name": "x", "type": "array", "items": {"type": "double"}}),
        "column 'x' has the type 'array', which cannot be read from JSON",
    ),
    "two columns of one name": (columns_of(*[{"name": "x", "type": "long"}] * 2), "['x', 'x'] cannot be read"),
    "bounds for no column": (with_metadata({"bounds": {"fare": {"minimum": 0}}}), "declares bounds for ['fare']"),
    "bounds of another kind": (
        with_metadata({"bounds": {"trip_distance": {"least": 0}}}),
        "MLmodel of the model at {path} cannot be read: Object contains unknown field `least`",
    ),
    "bounds that are text": (
        with_metadata({"bounds": {"trip_distance": {"minimum": "0"}}}),
        "Expected `int | float | null`, got `str` - at `$.metadata.stream_consumer.bounds[...].minimum`",
    ),
    "bounds that contradict": (
        with_metadata({"bounds": {"trip_distance": {"minimum": 1, "maximum": 0}}}),
        "column 'trip_distance' of type 'double' cannot have the minimum 1 and the maximum 0",
    ),
    "metadata of another shape": (lambda content: content.update(metadata=[]), "Expected `object | null`, got `array`"),
    "no flavours": (lambda content: content.pop("flavors"), "missing required field `flavors`"),
    "another flavour": (
        lambda content: content.update(flavors={"spark": {}}),
        "has the flavours ['spark']; log it with sklearn or xgboost or lightgbm or catboost or onnx or python_function",
    ),
    "no file named": (
        lambda content: content["flavors"]["sklearn"].pop("pickled_model"),
        "has no 'pickled_model'; log the model again",
    ),
    "a file that is not there": (sklearn_flavor(pickled_model="absent.skops"), "absent.skops"),
    "an older scikit-learn": (
        sklearn_flavor(sklearn_version="1.2.2"),
        f"was saved by scikit-learn 1.2.2 and this is {sklearn.__version__}",
    ),
    "a newer scikit-learn": (
        sklearn_flavor(sklearn_version="2.0.0"),
        "make image MODEL=… SKLEARN=2.0`, or train the model again",
    ),
    "pickled": (sklearn_flavor(serialization_format="cloudpickle"), "or, if you trust it, pin it with MODEL_DIGEST"),
    "pickled by an older mlflow": (
        lambda content: content["flavors"]["sklearn"].pop("serialization_format"),
        "can run code from its files",
    ),
    "pyfunc": (lambda content: content["flavors"].pop("sklearn"), "can run code from its files; if you trust it, pin"),
    "other predictions than training recorded": (
        with_metadata({"example_predictions": [1.0, 2.0]}),
        "but training recorded [1.0, 2.0]; the library versions differ from those of training",
    ),
    "fewer predictions than training recorded": (with_metadata({"example_predictions": [1.0]}), "recorded [1.0]"),
}


@pytest.mark.parametrize(("change", "says"), UNUSABLE.values(), ids=UNUSABLE)
def test_an_unusable_model_is_an_error_that_says_what_to_do(
    rides_model: Path, tmp_path: Path, change: Change, says: str
) -> None:
    path = changed(rides_model, tmp_path / "model", change)
    with pytest.raises(ModelError) as caught:
        load(path)
    assert says.format(path=path) in str(caught.value)


def test_a_patch_release_of_scikit_learn_is_no_other_version(rides_model: Path, tmp_path: Path) -> None:
    major, minor, _ = sklearn.__version__.split(".", 2)
    path = changed(rides_model, tmp_path / "model", sklearn_flavor(sklearn_version=f"{major}.{minor}.99"))
    assert load(path).name == "ride-duration"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("MLmodel", None, "does not exist; name the directory that holds it, an s3:// prefix, a champion.json or"),
        ("MLmodel", b"", "Expected `object`, got `null`"),
        ("MLmodel", b"- a\n- b", "Expected `object`, got `array`"),
        ("MLmodel", b"{", "MLmodel of the model at"),
        ("MLmodel", b"a: [\n", 'did not find expected node content in "<byte string>", line 2, column 1; log the'),
        ("MLmodel", b"\xff", "cannot be read"),
        ("MLmodel", b"a: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("model.skops", None, "names the file 'model.skops', which is not a regular file inside its directory"),
        ("model.skops", b"", "cannot be loaded: BadZipFile"),
        ("model.skops", b"PK\x03\x04 but no zip", "cannot be loaded"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_broken_file_is_named(rides_model: Path, tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    path = shutil.copytree(rides_model, tmp_path / "model")
    if content is None:
        (path / name).unlink()
    else:
        (path / name).write_bytes(content)
    message = refusal(path)
    assert name.removesuffix(".json").replace("_", " ") in message.replace("_", " ")
    assert says in message


NO_EXAMPLES = {
    "absent": None,
    "not rows": b'{"columns": ["a"], "data": [[1, 2]]}',
    "other columns": b'{"columns": ["PULocationID"], "data": [[1]]}',
    "out of bounds": b'{"columns": ["PULocationID", "DOLocationID", "trip_distance"], "data": [[1000, 1, 1.0]]}',
    "bare NaN": b'{"columns": ["PULocationID", "DOLocationID", "trip_distance"], "data": [[1, 1, NaN]]}',
    "nested too deeply": b"[" * 100_000,
}


@pytest.mark.parametrize("content", NO_EXAMPLES.values(), ids=NO_EXAMPLES)
def test_an_example_that_cannot_be_used_is_passed_over_and_a_row_is_made(
    rides_model: Path, tmp_path: Path, content: bytes | None
) -> None:
    path = shutil.copytree(rides_model, tmp_path / "model")
    (path / "input_example.json").unlink()
    if content is not None:
        (path / "input_example.json").write_bytes(content)
    model = load(path)
    assert [list(values) for values in model.example] == [[130], [205], [1.0]]
    assert model.output == Output((), ("double",))


def test_an_example_keeps_the_column_that_is_the_events_identifier(rides_model: Path) -> None:
    """Numbered instead, the rows would not give the predictions that training recorded."""
    choice = Choice(envelope={"entity": "", "id": "PULocationID"})
    model = load_model(str(rides_model), choice=choice)
    assert [list(values) for values in model.example] == list(EXAMPLE.values())
    assert len(model.expected) == 2


@pytest.mark.parametrize("location", ["/nonexistent", "relative/nonexistent", "file:///nonexistent"])
def test_a_location_where_nothing_is_is_named(location: str) -> None:
    assert refusal(location).startswith(f"there is no MLflow model at {location}: ")


def test_columns_come_to_the_estimator_in_the_order_in_which_it_was_fitted(tmp_path: Path) -> None:
    """Fed in the order of the signature, it would mistake one column for another."""
    import pandas as pd  # noqa: PLC0415

    fitted = LinearRegression().fit(pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 1.0]}), [1.0, 2.0])
    swapped = signature_of((("b", "double", True), ("unused", "double", True), ("a", "double", True)))
    model = load(save(fitted, tmp_path / "swapped", signature=swapped))
    assert model.predict([[1.0], [7.0], [3.0]]).tolist() == pytest.approx([3.0])
    assert (
        "was fitted on the column 'b', which its signature or MODEL_COLUMNS does not have beside ['a']; correct"
        in refusal(save(fitted, tmp_path / "short", signature=signature_of([("a", "double", True)])))
    )


def pinned(path: Path) -> Model:
    return load(path, digest=directory_digest(path))


PICKLED = {"serialization_format": "cloudpickle", "skops_trusted_types": None}


def test_probabilities_have_the_names_of_their_labels(tmp_path: Path) -> None:
    fitted = LogisticRegression().fit([[0.0], [1.0]], ["leaves", "stays"])
    options = PICKLED | {"pyfunc_predict_fn": "predict_proba", "signature": signature_of([("x", "double", True)])}
    model = pinned(save(fitted, tmp_path / "model", **options))
    (probabilities,) = model.values([[0.5]])
    assert probabilities == pytest.approx({"leaves": 0.5, "stays": 0.5})


def test_probabilities_of_several_outputs_are_those_of_their_rows(tmp_path: Path) -> None:
    """Two rows, as there are two outputs: each row has the probabilities that it has alone."""
    inputs = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 3.0], [3.0, 2.0]])
    fitted = MultiOutputClassifier(LogisticRegression()).fit(inputs, np.array([[0, 1], [0, 0], [1, 1], [1, 0]]))
    signature = signature_of([("x", "double", True), ("y", "double", True)])
    model = pinned(save(fitted, tmp_path / "model", **PICKLED, pyfunc_predict_fn="predict_proba", signature=signature))
    wanted = fitted.predict_proba(inputs)
    together = model.values([[0.0, 1.0], [1.0, 0.0]])
    for row, value in enumerate(together):
        for output in range(2):
            assert list(value[str(output)].values()) == pytest.approx(wanted[output][row])
    assert list(model.output.columns("p")) == ["p_0", "p_1"] if model.output else False


def test_the_reference_solution_is_served_with_a_derived_column(tmp_path: Path) -> None:
    """Its course logs a pipeline of a DictVectorizer, pickled, that is fed with dicts."""
    rides = [{"PU_DO": "130_205", "trip_distance": 3.66}, {"PU_DO": "74_75", "trip_distance": 1.1}]
    fitted = make_pipeline(DictVectorizer(), LinearRegression()).fit(rides, [21.3, 8.0])
    metadata = {"stream_consumer": {"derived": {"PU_DO": "{PULocationID}_{DOLocationID}"}}}
    options = PICKLED | {"signature": signature_of(RIDE_SIGNATURE), "metadata": metadata}
    model = pinned(save(fitted, tmp_path / "model", **options))
    assert [column.name for column in model.schema.columns] == ["PULocationID", "DOLocationID", "trip_distance"]
    assert model.values([[130, 74], [205, 75], [3.66, 1.1]]) == fitted.predict(rides).tolist()


def test_derived_columns_of_another_flavour_are_refused(rides_model: Path, tmp_path: Path) -> None:
    def without_sklearn(content: dict[str, Any]) -> None:
        del content["flavors"]["sklearn"]
        content["metadata"]["stream_consumer"]["derived"] = {"PU_DO": "{PULocationID}"}

    path = changed(rides_model, tmp_path / "model", without_sklearn)
    assert "has derived columns, which only scikit-learn models are given" in refusal(
        path, digest=directory_digest(path)
    )


# --- the self-check ---------------------------------------------------------------------------------------------------


def checked(predict: Callable[[Any], Any], expected: tuple[float, ...] = ()) -> None:
    schema = EventSchema([Column("x", "double")])
    Model("m", "1", "here", "0" * 64, schema, predict, example=[[1.0, 2.0]], expected=expected).check()


def test_a_model_that_predicts_its_example_passes() -> None:
    checked(lambda columns: np.array(columns[0]), expected=(1.0, 2.0 + 1e-7))


def test_a_model_without_an_example_cannot_be_checked() -> None:
    Model("m", "1", "here", "0" * 64, EventSchema([Column("x", "double")]), lambda _columns: np.zeros(0)).check()


@pytest.mark.parametrize(
    ("predict", "expected", "says"),
    [
        (lambda _columns: 1 / 0, (), "fails on its own input example: ZeroDivisionError"),
        (lambda _columns: [object(), 1], (), "fails on its own input example: ValueError"),
        (lambda _columns: np.array([1.0]), (), "the model returned the shape (1,) for 2 rows"),
        (lambda _columns: np.array([1.0, np.nan]), (), "predicts [1.0, nan] for the 2 rows"),
        (lambda _columns: np.array([1.0, np.inf]), (), "wanted one finite prediction a row"),
        (lambda columns: np.array(columns[0]), (1.0, 2.1), "training recorded [1.0, 2.1]"),
        (lambda columns: np.array(columns[0]), (1.0,), "training recorded [1.0]"),
    ],
)
def test_a_model_that_fails_on_its_own_example_is_never_served(
    predict: Callable[[Any], Any], expected: tuple[float, ...], says: str
) -> None:
    with pytest.raises(ModelError) as caught:
        checked(predict, expected)
    assert says in str(caught.value)
    assert "here" in str(caught.value)


ONE, TWO = [[1.0]], [[1.0, 2.0]]


@pytest.mark.parametrize("example", [ONE, TWO])
def test_a_model_whose_outputs_could_be_taken_for_rows_is_never_served(example: Any) -> None:
    """A list of two columns, of two rows, looks like a list of two rows; of another number of rows it does not."""
    [column] = example
    with pytest.raises(ModelError, match=r"for (1|2) rows; wanted one prediction a row.*\(n, k\)"):
        check_sizes(lambda columns: [np.array(columns[0])] * len(column), example)


@pytest.mark.parametrize("example", [ONE, TWO])
@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_a_row_of_outputs_for_each_row_passes(example: Any, outputs: int) -> None:
    check_sizes(lambda columns: [np.zeros(outputs) for _ in columns[0]], example)
    check_sizes(lambda columns: [np.zeros((len(columns[0]), 2))] * outputs, example)


def test_a_model_that_takes_batches_of_one_size_passes() -> None:
    def predict(columns: Any) -> Any:
        return np.array(columns[0]).reshape(2)

    check_sizes(predict, TWO)


def check_sizes(predict: Callable[[Any], Any], example: Any) -> None:
    model = Model("m", "1", "here", "0" * 64, EventSchema([Column("x", "double")]), predict, example=example)
    model.check()
    model.check_another_size()


# --- other columns ----------------------------------------------------------------------------------------------------


def test_a_model_with_other_columns_decodes_and_predicts_with_no_change_of_code(trips_model: Path) -> None:
    """One string column, one optional, one boolean; test_consumer.py scores it end to end."""
    model = load(trips_model)
    assert [(column.name, column.type, column.required) for column in model.schema.columns] == [
        ("payment", "string", True),
        ("tolls", "double", False),
        ("shared", "boolean", True),
    ]
    assert isinstance(model.schema.decode(b'{"ride":{"payment":1,"shared":true},"ride_id":1}'), InvalidRecord)
    known, missing, unknown = model.predict([["card", "cash", "cheque"], [1.0, None, None], [True, False, False]])
    assert (known, missing) == (pytest.approx(18.0), pytest.approx(20.0))
    assert math.isfinite(unknown)


# --- what loading executes --------------------------------------------------------------------------------------------

EVIL = """
import os, pathlib
pathlib.Path(os.environ["WITNESS"]).write_text("imported")

class Evil:
    def __setstate__(self, state):
        pathlib.Path(os.environ["WITNESS"]).write_text("loaded")
"""


@pytest.fixture
def witness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a file that appears when the code of a hostile model runs; its module is there to be imported."""
    (tmp_path / "evil_module.py").write_text(EVIL, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("WITNESS", str(tmp_path / "witness"))
    yield tmp_path / "witness"
    sys.modules.pop("evil_module", None)


def test_a_hostile_file_is_refused_before_anything_of_it_runs(rides_model: Path, tmp_path: Path, witness: Path) -> None:
    """The file's own list of trusted types is the file's word, and ignored."""
    path = changed(rides_model, tmp_path / "hostile", sklearn_flavor(skops_trusted_types=["evil_module.Evil"]))
    estimator = LinearRegression().fit([[1.0, 1.0, 1.0]], [1.0])
    estimator.trap = importlib.import_module("evil_module").Evil()
    estimator.trap.bait = 1
    skops.io.dump(estimator, path / "model.skops")
    del sys.modules["evil_module"]
    witness.unlink()

    assert "holds types that are not trusted: evil_module.Evil" in refusal(path)
    assert not witness.exists()
    # The trap is real: trusted, it springs.
    skops.io.load(path / "model.skops", trusted=["evil_module.Evil"])
    assert witness.read_text() == "loaded"


def test_a_pickle_is_not_even_opened_without_the_right_digest(rides_model: Path, tmp_path: Path, witness: Path) -> None:
    path = changed(rides_model, tmp_path / "pickled", sklearn_flavor(serialization_format="cloudpickle"))
    (path / "model.skops").write_bytes(b"cbuiltins\nexec\n(S'import evil_module'\ntR.")
    assert "can run code from its files" in refusal(path)
    assert "MODEL_DIGEST pins" in refusal(path, digest="0" * 64)
    assert not witness.exists()
    # The trap is real: pinned, it springs.
    refusal(path, digest=directory_digest(path))
    assert witness.read_text() == "imported"


@pytest.mark.parametrize(
    "file", ["../elsewhere", "{elsewhere}", "link", "folder/elsewhere", "absent", ".", "sub/../model.skops"]
)
def test_only_regular_files_inside_the_directory_are_loaded(
    rides_model: Path, tmp_path: Path, witness: Path, file: str
) -> None:
    """No digest covers anything else."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"cbuiltins\nexec\n(S'import evil_module'\ntR.")
    name = file.format(elsewhere=elsewhere)
    flavor = sklearn_flavor(serialization_format="cloudpickle", pickled_model=name)
    path = changed(rides_model, tmp_path / "pickled", flavor)
    (path / "link").symlink_to(elsewhere)
    (path / "folder").symlink_to(tmp_path)
    assert f"names the file {name!r}" in refusal(path, digest=directory_digest(path))
    assert not witness.exists()


@pytest.mark.parametrize("key", ["data", "code", "python_model"])
@pytest.mark.parametrize("value", ["../elsewhere", "/elsewhere", "a/../../elsewhere"])
def test_no_path_of_a_flavor_leads_outside(rides_model: Path, tmp_path: Path, key: str, value: str) -> None:
    path = changed(
        rides_model,
        tmp_path / "model",
        lambda content: content.update(flavors={"python_function": {"loader_module": "x", key: value}}),
    )
    assert f"names the file {value!r} as its {key}" in refusal(path, digest=directory_digest(path))


def test_a_file_exchanged_while_the_model_is_loaded_is_not_loaded(
    rides_model: Path, tmp_path: Path, witness: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes that were hashed are the bytes that are loaded."""
    path = changed(rides_model, tmp_path / "pickled", sklearn_flavor(serialization_format="cloudpickle"))
    (path / "model.skops").write_bytes(pickle.dumps(LinearRegression().fit([[1.0, 2.0, 3.0]], [2.0])))
    digest = directory_digest(path)

    def describe_late(*arguments: Any) -> Any:
        (path / "model.skops").write_bytes(b"cbuiltins\nexec\n(S'import evil_module'\ntR.")
        return describe(*arguments)

    monkeypatch.setattr("stream_consumer.models.loading.describe", describe_late)
    assert "input example" in refusal(path, digest=digest)  # loaded, and another model than the example's
    assert not witness.exists()


def test_a_cache_beside_the_code_of_a_model_is_not_run(rides_model: Path, tmp_path: Path) -> None:
    path = shutil.copytree(rides_model, tmp_path / "model")
    (path / "__pycache__").mkdir()
    pin = directory_digest(rides_model)
    copy, digest = unchanging(path, pin)
    assert digest == pin
    assert not (copy / "__pycache__").exists()
    assert copy.stat().st_mode & 0o077 == 0


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that copies of pinned models are made in, by a process that has made none."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("stream_consumer.models.files._COPIES", {})
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_pinned_model_that_is_loaded_again_has_one_copy_and_the_version_of_today(
    rides_model: Path, tmp_path: Path, copies: Path
) -> None:
    """The first copy stays, since code may be imported from it later. What the pin lets through is the same bytes."""
    path, digest = shutil.copytree(rides_model, tmp_path / "model"), directory_digest(rides_model)
    versions = []
    for registered in ("7", "8", None):
        (path / "registered_model_meta").unlink(missing_ok=True)
        if registered:
            text = yaml.safe_dump({"model_name": "rides", "model_version": registered})
            (path / "registered_model_meta").write_text(text, encoding="utf-8")
        versions.append(load(path, digest=digest).version)
        assert len(list(copies.iterdir())) == 1
    assert versions == ["7", "8", digest[:12]]


@pytest.mark.parametrize("harm", [lambda copy: (copy / "model.skops").write_bytes(b"other"), shutil.rmtree])
def test_a_copy_that_is_not_whole_any_more_is_not_used_again(
    rides_model: Path, copies: Path, harm: Callable[[Path], object]
) -> None:
    """Machines clean their temporary folders now and then."""
    digest = directory_digest(rides_model)
    load(rides_model, digest=digest)
    [copy] = copies.iterdir()
    harm(copy)
    model = load(rides_model, digest=digest)
    assert model.predict(model.example).tolist() == pytest.approx(model.expected)


def test_no_copy_is_left_of_a_model_that_is_not_the_pinned_one(rides_model: Path, copies: Path) -> None:
    refusal(rides_model, digest="0" * 64)
    assert list(copies.iterdir()) == []


def test_no_copy_is_left_where_there_is_no_room_for_one(
    rides_model: Path, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_source: Path, target: Path) -> str:
        target.write_bytes(b"as much as fits")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    monkeypatch.setattr("stream_consumer.models.files._copied", full)
    assert "No space left on device" in refusal(rides_model, digest=directory_digest(rides_model))
    assert list(copies.iterdir()) == []


BOMBS = {
    "nested": "a: " + "[" * 100_000,
    "nested blocks": "".join(f"{' ' * depth}a:\n" for depth in range(2_000)),
    "aliases of aliases": "a0: &a0 [x, x]\n"
    + "".join(f"a{at}: &a{at} [*a{at - 1}, *a{at - 1}]\n" for at in range(1, 40)),
    "merges of merges": "a0: &a0 {x: 1, y: 2}\n"
    + "".join(f"a{at}: &a{at} {{<<: [*a{at - 1}, *a{at - 1}]}}\n" for at in range(1, 40)),
    "an alias of itself": "a: &a [*a]",
    "a huge file": "a: " + "x" * (4 * 2**20),
    "a huge number": "a: " + "9" * 10_000,
    "a date at the end of the calendar": "a: 0001-01-01T00:00:00+23:00",
    "no integer": "a: !!int ''",
    "no boolean": "a: !!bool maybe",
    "no date": "a: !!timestamp now",
    "a list for a key": "? [a]\n: b",
    "not UTF-8": b"a: \xff\xfe",
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_a_description_that_would_kill_or_hang_is_refused_in_one_line(
    rides_model: Path, tmp_path: Path, content: str | bytes
) -> None:
    path = tmp_path / "model"
    shutil.copytree(rides_model, path)
    (path / "MLmodel").write_bytes(content if isinstance(content, bytes) else content.encode())
    message = refusal(path)
    assert message.startswith(f"MLmodel of the model at {path} cannot be read: ")


def test_a_pickled_model_is_loaded_if_its_digest_is_pinned(tmp_path: Path) -> None:
    estimator = LinearRegression().fit([[1.0], [2.0]], [2.0, 4.0])
    options = {"serialization_format": "cloudpickle", "skops_trusted_types": None}
    path = save(estimator, tmp_path / "model", signature=signature_of((("x", "double", True),)), **options)
    assert load(path, digest=directory_digest(path)).predict([[3.0]]).tolist() == pytest.approx([6.0])


def test_a_broken_pickle_is_named(rides_model: Path, tmp_path: Path) -> None:
    path = changed(rides_model, tmp_path / "model", sklearn_flavor(serialization_format="pickle"))
    assert "model.skops of the model at" in refusal(path, digest=directory_digest(path))


def test_the_process_environment_is_left_alone(rides_model: Path) -> None:
    before = dict(os.environ)
    load(rides_model)
    assert dict(os.environ) == before
