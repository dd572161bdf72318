"""What a skops file may hold without a pin: scikit-learn's own data, of any estimator, and nothing else."""

import copy
import functools
import io
import json
import operator
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from scipy.sparse import csr_matrix
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_files
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from stream_consumer.errors import ModelError
from stream_consumer.models.skops_file import load_skops
from tests.models.estimators import ROWS, TARGETS, fitted_estimators, outputs

Schema = dict[str, Any]
PARTS = 4

# The estimators that need a pin, with what their files name beyond data.
NEED_A_PIN = {
    "BisectingKMeans": "sklearn.cluster._kmeans._kmeans_single_lloyd",  # C code, which takes its arguments on trust
}
NOT_SAVED = {"Birch"}  # skops refuses to save it
NOT_OF_NUMBERS = {"FeatureHasher", "HashingVectorizer", "PatchExtractor"}  # fit anything, take no rows of numbers


def saved(estimator: Any, path: Path, edit: Callable[[Schema, dict[str, bytes]], object] | None = None) -> Path:
    """Save *estimator* and let *edit* change the schema and the members of the archive."""
    data = skops.io.dumps(estimator)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members["schema.json"])
    if edit is not None:
        edit(schema, members)
    members["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path / "model.skops", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path / "model.skops"


def refusal(path: Path, *, pinned: bool = False) -> str:
    with pytest.raises(ModelError) as caught:
        load_skops(path, "here", pinned=pinned)
    message = str(caught.value)
    assert message.startswith("model.skops of the model at here ")
    assert "\n" not in message
    return message


def attributes(schema: Schema) -> Schema:
    """Return the states of an estimator's attributes."""
    content: Schema = schema["content"]["content"]
    return content


def dense(value: Any) -> Any:
    """Return what a method gave as comparable values; some give several arrays, some a sparse one."""
    return [dense(item) for item in value] if isinstance(value, list) else getattr(value, "toarray", lambda: value)()


def equal(found: Any, wanted: Any) -> bool:
    """Whether both are the same, but for the last bits of numbers: they depend on where an array lies in memory."""
    if isinstance(wanted, list):
        return all(map(equal, found, wanted))
    if wanted.dtype.kind == "f":
        return np.allclose(found, wanted, rtol=1e-9, atol=1e-9, equal_nan=True)
    return np.array_equal(found, wanted)


# --- what loads -------------------------------------------------------------------------------------------------------


@pytest.mark.zoo
@pytest.mark.filterwarnings("ignore::FutureWarning")  # some of them will go
@pytest.mark.parametrize("part", range(PARTS))
def test_every_estimator_of_scikit_learn_loads_without_a_pin_and_predicts_the_same(part: int, tmp_path: Path) -> None:
    refused, tried = {}, 0
    for name, estimator in fitted_estimators(part, PARTS):
        if name in NOT_SAVED:
            continue
        path = saved(estimator, tmp_path)
        if name in NEED_A_PIN:
            refused[name] = refusal(path)
            loaded = load_skops(path, "here", pinned=True)
        else:
            loaded = load_skops(path, "here", pinned=False)
        tried += 1
        if name in NOT_OF_NUMBERS:
            continue
        wanted, found = outputs(estimator), outputs(loaded)
        assert wanted.keys() == found.keys()
        for method, value in wanted.items():
            assert equal(dense(found[method]), dense(value)), f"{name}.{method}"
    assert tried >= 45
    assert all(NEED_A_PIN[name] in message and "MODEL_DIGEST" in message for name, message in refused.items())


WORDS = np.array(["a", "b", "c", "d", "e"], dtype=object)[np.floor(ROWS).astype(int)]
PIPELINES = {
    "a universal function": (make_pipeline(FunctionTransformer(np.log1p), LinearRegression()), ROWS),
    "a search by a named score": (GridSearchCV(Ridge(), {"alpha": [1, 2]}, scoring="r2"), ROWS),
    "words": (make_pipeline(OneHotEncoder(drop="first", max_categories=3), LinearRegression()), WORDS),
    "texts": (make_pipeline(TfidfVectorizer(stop_words=["e"]), LinearRegression()), ["aa bb", "bb cc", "cc"] * 20),
    "as many threads as there are": (RandomForestRegressor(3, n_jobs=-1, random_state=1), ROWS),
}


@pytest.mark.parametrize("kind", PIPELINES)
def test_pipelines_of_every_day_load_without_a_pin(kind: str, tmp_path: Path) -> None:
    estimator, rows = PIPELINES[kind]
    estimator.fit(rows, TARGETS[0])
    loaded = load_skops(saved(estimator, tmp_path), "here", pinned=False)
    assert loaded.predict(rows).tolist() == pytest.approx(estimator.predict(rows).tolist())


def test_a_pipeline_that_chose_its_columns_by_type_loads_without_a_pin(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"distance": ROWS[:, 0], "payment": WORDS[:, 1]})
    features = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include=np.number)),
        (OneHotEncoder(), make_column_selector(dtype_exclude=np.number)),
    )
    estimator = make_pipeline(features, LinearRegression()).fit(frame, TARGETS[0])
    loaded = load_skops(saved(estimator, tmp_path), "here", pinned=False)
    assert loaded.predict(frame).tolist() == pytest.approx(estimator.predict(frame).tolist())


def test_a_model_predicts_on_one_thread_however_many_it_was_trained_on(tmp_path: Path) -> None:
    estimator = make_pipeline(RandomForestRegressor(2, n_jobs=64)).fit(ROWS, TARGETS[0])
    assert load_skops(saved(estimator, tmp_path), "here", pinned=False)[0].n_jobs is None


def test_with_a_pin_whatever_the_file_names_is_trusted(tmp_path: Path) -> None:
    path = saved(make_pipeline(FunctionTransformer(operator.itemgetter(0)), LinearRegression()), tmp_path)
    assert "operator.itemgetter" in refusal(path)
    assert load_skops(path, "here", pinned=True)[0].transform([1.5, 2.5]) == 1.5


# --- what does not ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (os.system, "posix.system"),
        (eval, "builtins.eval"),
        (load_files, "sklearn.datasets._base.load_files"),
        (np.load, "numpy.load"),
        (operator.methodcaller("tofile", "/tmp/x"), "operator.methodcaller"),  # noqa: S108 (never called)
        (functools.partial(os.system, "true"), "posix.system"),
        (LinearRegression().fit, "sklearn.linear_model._base.LinearRegression"),
        (Path("model"), "pathlib"),
    ],
)
def test_functions_that_do_more_than_compute_are_refused(function: Any, named: str, tmp_path: Path) -> None:
    message = refusal(saved(FunctionTransformer(function), tmp_path))
    assert f"holds types that are not trusted: {named}" in message
    assert message.endswith("train it without them, or, if you trust the file, pin it with MODEL_DIGEST")


CHECK_ARRAY = {"__class__": "check_array", "__module__": "sklearn.utils.validation", "__loader__": "FunctionNode"}


def called_as_a_list(schema: Schema, _members: object) -> None:
    attributes(schema)["steps"] |= {"__class__": "check_array", "__module__": "sklearn.utils.validation"}


def called_as_a_loss(schema: Schema, _members: object) -> None:
    loss = {"__loader__": "LossNode", "__reduce__": {"args": attributes(schema)["steps"]}}
    attributes(schema)["memory"] = CHECK_ARRAY | loss | {"content": attributes(schema)["steps"]}


def called_as_a_key(schema: Schema, _members: object) -> None:
    schema["content"]["key_types"]["content"][0] = CHECK_ARRAY


def read_by_an_old_protocol(schema: Schema, _members: object) -> None:
    schema["protocol"] = 0


def doubled_by_reference(schema: Schema, _members: object) -> None:
    """Nest lists of two, each referring to its first item with its second: an object of 2 to the 20th."""
    node = attributes(schema)["memory"]
    for depth in range(20):
        empty = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "__id__": depth + 1}
        node = empty | {"content": [node, {"__loader__": "ListNode", "__class__": "list", "__module__": "builtins"}]}
        node["content"][1]["__id__"] = depth
    attributes(schema)["memory"] = node


def loader_unknown(schema: Schema, _members: object) -> None:
    schema["__loader__"] = "CachedNode"


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (called_as_a_list, "not trusted: sklearn.utils.validation.check_array"),
        (called_as_a_loss, "not trusted: sklearn.utils.validation.check_array"),
        (called_as_a_key, "has a node of dict that skops does not write"),
        (read_by_an_old_protocol, "has protocol 0, wanted one of (1, 2)"),
        (doubled_by_reference, "cannot be loaded: KeyError: 'content'"),
        (loader_unknown, "not trusted: sklearn.pipeline.Pipeline"),
    ],
)
def test_a_name_is_only_trusted_where_skops_writes_it(
    edit: Callable[[Schema, dict[str, bytes]], object], says: str, tmp_path: Path
) -> None:
    assert says in refusal(saved(make_pipeline(LinearRegression()), tmp_path, edit))


# --- sizes ------------------------------------------------------------------------------------------------------------


def packed(path: Path, method: int, **members: bytes) -> Path:
    """Add *members* to a saved model, packed by *method*."""
    with zipfile.ZipFile(saved(LinearRegression(), path), "a", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path / "model.skops"


@pytest.mark.parametrize("pinned", [True, False])
def test_an_archive_that_unpacks_out_of_proportion_is_refused_in_one_line(pinned: bool, tmp_path: Path) -> None:  # noqa: FBT001 (a case)
    path = packed(tmp_path, zipfile.ZIP_DEFLATED, zeros=bytes(80 << 20))
    assert path.stat().st_size < 1 << 20
    message = refusal(path, pinned=pinned)
    assert "bytes, more than the 67108864 allowed; save it without compression" in message


def test_an_archive_of_any_size_is_loaded_if_it_is_not_compressed(tmp_path: Path) -> None:
    assert load_skops(packed(tmp_path, zipfile.ZIP_STORED, zeros=bytes(80 << 20)), "here", pinned=False)


def test_a_method_that_unpacks_without_bounds_is_refused(tmp_path: Path) -> None:
    message = refusal(packed(tmp_path, zipfile.ZIP_BZIP2, zeros=b"0"))
    assert "packs zeros by another method than deflate; save it without compression" in message


def test_a_member_that_is_longer_than_it_says_is_refused(tmp_path: Path) -> None:
    def refer(schema: Schema, _members: object) -> None:
        node = {"__class__": "bytes", "__module__": "builtins", "__loader__": "BytesNode", "file": "zeros"}
        attributes(schema)["steps"]["content"].append(node)

    path = saved(make_pipeline(Ridge()), tmp_path, refer)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(80 << 20))
    path.write_bytes(path.read_bytes().replace((80 << 20).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("zeros").file_size == 10
    assert "cannot be loaded: BadZipFile: Bad CRC-32 for file 'zeros'" in refusal(path)


def test_a_matrix_inside_the_archive_is_no_way_around_its_bounds(tmp_path: Path) -> None:
    estimator = LinearRegression()
    estimator.coef_ = csr_matrix(np.eye(3))

    def bomb(_schema: Schema, members: dict[str, bytes]) -> None:
        (name,) = [name for name in members if name.endswith(".npz")]
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("data.npy", bytes(80 << 20))
        members[name] = buffer.getvalue()

    assert "more than the 67108864 allowed" in refusal(saved(estimator, tmp_path, bomb))


def test_a_member_named_again_and_again_counts_each_time(tmp_path: Path) -> None:
    def repeat(schema: Schema, members: dict[str, bytes]) -> None:
        content = io.BytesIO()
        np.save(content, np.zeros(1 << 20))
        members["one.npy"] = content.getvalue()
        node = {"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode", "type": "numpy"}
        attributes(schema)["steps"]["content"] += [node | {"file": "one.npy"} for _ in range(30)]

    assert "names the same members again and again" in refusal(saved(make_pipeline(Ridge()), tmp_path, repeat))


def test_a_description_of_more_than_32_mib_is_refused(tmp_path: Path) -> None:
    def pad(schema: Schema, _members: object) -> None:
        schema["padding"] = " " * (33 << 20)

    assert "needs more than 33554432 bytes of schema.json" in refusal(saved(LinearRegression(), tmp_path, pad))


# --- the trap is real -------------------------------------------------------------------------------------------------


@pytest.mark.process
def test_a_tree_that_points_out_of_its_nodes_is_refused_and_kills_whoever_loads_it_unchecked(tmp_path: Path) -> None:
    estimator = DecisionTreeRegressor(max_depth=2).fit(ROWS, TARGETS[0])
    tree = copy.deepcopy(estimator.tree_)
    state = tree.__getstate__()
    state["nodes"]["left_child"][0] = state["nodes"]["right_child"][0] = 1 << 40
    tree.__setstate__(state)
    estimator.tree_ = tree
    path = saved(estimator, tmp_path)
    assert "has nodes whose children are not nodes behind them" in refusal(path)
    script = (
        "import sys, skops.io\n"
        "skops.io.load(sys.argv[1], trusted=['sklearn.tree._tree.Tree']).predict([[1.0, 2.0, 3.0, 4.0]])"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, timeout=120, check=False)  # noqa: S603 (our own script)
    assert done.returncode < 0
