"""Two classifiers of one text each: one answers with probabilities, the other with a label."""

import os
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature
from msgspec.structs import asdict
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from examples.moderation.comments import TRAINING
from stream_consumer.contract.envelope import Envelope

ENTITY, ID = "comment", "comment_id"
"""Names of the events' fields."""


class Classifier(NamedTuple):
    """A consumer's model: which judgement it learns, and what it answers with."""

    name: str
    answers_with: str
    """The estimator's method: ``predict_proba`` for probabilities, ``predict`` for a label."""

    @property
    def envelope(self) -> Envelope:
        """Names of the fields: both models read the same events, and each has a field of its own for its answer."""
        return Envelope(ENTITY, ID, self.name)

    @property
    def output_stream(self) -> str:
        return f"comment_{self.name}s"

    def save(self, folder: Path) -> Path:
        """Train the classifier and save it as MLflow does, without code in its files."""
        texts, labels = [one.text for one in TRAINING], [getattr(one, self.name) for one in TRAINING]
        words = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))
        estimator = make_pipeline(words, LogisticRegression(C=100.0)).fit(texts, labels)
        rows = pd.DataFrame({"text": texts[:3]})
        path = folder / self.name
        mlflow.sklearn.save_model(
            estimator,
            str(path),
            signature=infer_signature(rows),
            input_example=rows,
            pyfunc_predict_fn=self.answers_with,
            pip_requirements=[],
            serialization_format="skops",
            metadata={
                "stream_consumer": {
                    "name": f"comment-{self.name}",
                    "envelope": asdict(self.envelope),
                }
            },
        )
        return path


CLASSIFIERS = (Classifier("tone", "predict_proba"), Classifier("topic", "predict"))
