"""Train a small model on synthetic rides and put its directory where the argument says."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from stream_consumer.models.files import model_directory
from stream_consumer.training.synthetic import synthetic_rides
from stream_consumer.training.train import TrainingOptions, train_on


def main(target: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        result = train_on(synthetic_rides(5_000, seed=42), options=TrainingOptions(tracking_uri="sqlite:///mlflow.db"))
        with model_directory(result.model_uri, s3=lambda: sys.exit("a local store needs no S3")) as path:
            shutil.copytree(path, target)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
