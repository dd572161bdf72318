"""Models that must not be served as they are. Each is refused at init, and the message says what to do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from tests.zoo import data
from tests.zoo.entry import Entry, Made
from tests.zoo.pyfuncs import python_model
from tests.zoo.saving import quietly, refused, save, save_pyfunc, signature
from tests.zoo.ways import CLOUDPICKLE, PICKLE


def _saved(estimator: Any, *, pinned: bool = False, **options: Any) -> Callable[[Path], Made]:
    """Return what logs *estimator* as it is, with a signature of rides unless *options* say otherwise."""

    def make(folder: Path) -> Made:
        with quietly():
            path = save(estimator, folder, **({"signature": signature(data.rides())} | options))
        return refused(path, data.rides(), pinned=pinned)

    return make


def _of_another_version(folder: Path) -> Made:
    made = _saved(Ridge().fit(data.rides(), data.minutes()))(folder)
    description = Path(made.location) / "MLmodel"
    content = yaml.safe_load(description.read_text(encoding="utf-8"))
    content["flavors"]["sklearn"]["sklearn_version"] = "1.5.2"
    description.write_text(yaml.safe_dump(content), encoding="utf-8")
    return made


def _failing_python_model(folder: Path) -> Made:
    with quietly():
        path = save_pyfunc(python_model("SurchargeModel"), folder, signature=signature(data.rides()))
    return refused(path, data.rides(), pinned=True)


def _two_columns() -> Any:
    return Ridge().fit(data.rides().to_numpy()[:, :2], data.minutes())


ENTRIES = [
    Entry(name="broken/unfitted", make=_saved(LinearRegression()), refused="not fitted"),
    Entry(
        name="broken/pipeline unfitted",
        make=_saved(make_pipeline(StandardScaler(), Ridge()), pinned=True, **CLOUDPICKLE),
        refused="not fitted",
    ),
    Entry(name="broken/fewer features than the signature", make=_saved(_two_columns()), refused="features"),
    Entry(
        name="broken/no predict",
        make=_saved(StandardScaler().fit(data.rides())),
        refused="predict",
    ),
    Entry(
        name="broken/pickle without a pin",
        make=_saved(Ridge().fit(data.rides(), data.minutes()), **PICKLE),
        refused="MODEL_DIGEST",
    ),
    Entry(
        name="broken/lambda without a pin",
        make=_saved(
            make_pipeline(FunctionTransformer(lambda table: table), Ridge()).fit(data.rides(), data.minutes()),
            **CLOUDPICKLE,
        ),
        refused="MODEL_DIGEST",
    ),
    Entry(
        name="broken/no columns known",
        make=_saved(Ridge().fit(data.rides().to_numpy(), data.minutes()), signature=None),
        refused="set_signature",
    ),
    Entry(name="broken/another minor version", make=_of_another_version, refused="SKLEARN=1.5"),
    Entry(
        name="broken/python model that fails on every row", make=_failing_python_model, refused="KeyError", lean=False
    ),
]
