# ruff: noqa: ANN001, ANN201 (MLflow reads type hints, and most Python models have none)
# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False, disable-error-code="override"
"""Python models as people write them. Importing this module imports mlflow."""

import pickle
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.pyfunc.model import PythonModel


class ArrayModel(PythonModel):
    def predict(self, context, model_input, params=None):  # noqa: ARG002 (MLflow's names)
        return (model_input["trip_distance"] * 3 + 5).to_numpy()


class SeriesModel(PythonModel):
    def predict(self, context, model_input):  # noqa: ARG002 (MLflow's names)
        return model_input["trip_distance"] * 3 + model_input["PULocationID"]


class ListModel(PythonModel):
    def predict(self, model_input):
        return [int(zone) * 2 for zone in model_input["PULocationID"]]


class FrameModel(PythonModel):
    def predict(self, model_input):
        return pd.DataFrame({"minutes": model_input["trip_distance"] * 3, "far": model_input["trip_distance"] > 10})


class DictsModel(PythonModel):
    def predict(self, model_input):
        rows = zip(model_input["PULocationID"], model_input["trip_distance"], strict=True)
        return [{"zone": int(zone), "fare": distance * 2.5} for zone, distance in rows]


class WordsModel(PythonModel):
    def predict(self, model_input):
        return ["far" if distance > 10 else "near" for distance in model_input["trip_distance"]]


class FlagsModel(PythonModel):
    def predict(self, model_input):
        return (model_input["trip_distance"] > 10).to_numpy()


class ParamsModel(PythonModel):
    def predict(self, context, model_input, params=None):  # noqa: ARG002 (MLflow's names)
        return (model_input["trip_distance"] * params["pace"]).to_numpy()


class ArtifactModel(PythonModel):
    def load_context(self, context):
        self.estimator = pickle.loads(Path(context.artifacts["estimator"]).read_bytes())  # noqa: S301 (our own)

    def predict(self, context, model_input):  # noqa: ARG002 (MLflow's names)
        return self.estimator.predict(model_input)


class HintedModel(PythonModel):
    def predict(self, model_input: pd.DataFrame) -> Any:
        return (model_input["trip_distance"] * 4).to_numpy()


class RowsModel(PythonModel):
    def predict(self, model_input: list[dict[str, float]]) -> list[float]:
        return [row["trip_distance"] * 2 for row in model_input]


class TextsModel(PythonModel):
    def predict(self, model_input: list[str]) -> list[str]:
        return [text.upper() for text in model_input]


class SurchargeModel(PythonModel):
    """Asks for a column that the signature of rides does not have."""

    def predict(self, model_input):
        return model_input["surcharge"] * 2


class TravellingModel(PythonModel):
    """Imports a module that travels with it."""

    def predict(self, model_input):
        from zoo_steps import fare  # type: ignore[import-not-found]  # noqa: PLC0415

        return fare(model_input)
