"""Models of texts and of dicts, among them the MLOps Zoomcamp reference solution."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from tests.zoo import data
from tests.zoo.entry import Entry, Made
from tests.zoo.saving import made, quietly, save, signature, signature_of_columns, values_of
from tests.zoo.ways import CLOUDPICKLE, PICKLE

_TYPES = {"PULocationID": "long", "DOLocationID": "long", "trip_distance": "double"}


def _texts(
    estimator: Any, *, signed: bool = False, names: Sequence[str] | None = None, **options: Any
) -> Callable[[Path], Made]:
    """
    Log a pipeline that was fitted on a column of texts.

    ``mlflow.pyfunc`` hands a signed one a DataFrame, whose column's name it takes for the only text. So what is right
    is the estimator's own answer.
    """

    def make(folder: Path) -> Made:
        frame = data.reviews()[["review"]]
        texts = frame["review"]
        estimator.fit(texts, data.moods())
        output = getattr(estimator, options.get("pyfunc_predict_fn", "predict"))(texts)
        signing = {"signature": signature(frame, output)} if signed else {}
        with quietly():
            path = save(estimator, folder, **signing, **options)
            return made(path, frame, expected=values_of(output, names), columns=not signed)

    return make


def _dicts(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    return frame.to_dict("records")


def _of_dicts(estimator: Any, frame: pd.DataFrame, *, signed: bool = False, **options: Any) -> Callable[[Path], Made]:
    """Log a pipeline that was fitted on dicts; ``mlflow.pyfunc`` takes them if the model is unsigned."""

    def make(folder: Path) -> Made:
        dicts = _dicts(frame)
        output = estimator.fit(dicts, data.minutes()).predict(dicts)
        signing = {"signature": signature(frame, output)} if signed else {}
        with quietly():
            path = save(estimator, folder, **signing, **options)
            return made(path, frame, expected=values_of(output), columns=not signed)

    return make


def _zoned() -> pd.DataFrame:
    """Return rides whose zones are texts, which DictVectorizer encodes one by one."""
    return data.rides().astype({"PULocationID": str, "DOLocationID": str})


def _derived(folder: Path) -> Made:
    """Log what the course logs, a pair of zones and the distance, signed with the rides' own columns."""
    rides = data.rides()
    pairs = pd.DataFrame(
        {
            "PU_DO": rides["PULocationID"].astype(str) + "_" + rides["DOLocationID"].astype(str),
            "trip_distance": rides["trip_distance"],
        }
    )
    estimator = make_pipeline(DictVectorizer(), LinearRegression()).fit(_dicts(pairs), data.minutes())
    metadata = {"stream_consumer": {"derived": {"PU_DO": "{PULocationID}_{DOLocationID}"}}}
    with quietly():
        path = save(estimator, folder, signature=signature_of_columns(**_TYPES), metadata=metadata, **CLOUDPICKLE)
        return made(path, rides, expected=values_of(estimator.predict(_dicts(pairs))))


ENTRIES = [
    Entry(
        name="texts/words, columns set",
        make=_texts(make_pipeline(TfidfVectorizer(), LogisticRegression()), **CLOUDPICKLE),
    ),
    Entry(
        name="texts/words, signed",
        make=_texts(make_pipeline(TfidfVectorizer(), LogisticRegression()), signed=True, **CLOUDPICKLE),
    ),
    Entry(name="texts/counts, skops", make=_texts(make_pipeline(CountVectorizer(), MultinomialNB()), signed=True)),
    Entry(
        name="texts/probabilities",
        make=_texts(
            make_pipeline(CountVectorizer(), MultinomialNB()),
            signed=True,
            names=["negative", "positive"],
            pyfunc_predict_fn="predict_proba",
        ),
    ),
    Entry(
        name="texts/hashes",
        make=_texts(
            make_pipeline(HashingVectorizer(n_features=64), SGDClassifier(random_state=1)), signed=True, **PICKLE
        ),
    ),
    Entry(
        name="texts/dicts, columns set",
        make=_of_dicts(make_pipeline(DictVectorizer(), LinearRegression()), data.rides(), **CLOUDPICKLE),
    ),
    Entry(
        name="texts/dicts of texts, signed",
        make=_of_dicts(make_pipeline(DictVectorizer(), LinearRegression()), _zoned(), signed=True, **CLOUDPICKLE),
    ),
    Entry(
        name="texts/dicts, forest, skops",
        make=_of_dicts(
            make_pipeline(DictVectorizer(), RandomForestRegressor(n_estimators=3, random_state=1)),
            _zoned(),
            signed=True,
        ),
    ),
    Entry(name="texts/derived column of the reference solution", make=_derived),
]
