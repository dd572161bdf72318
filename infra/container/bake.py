"""
Run in the build by the image's interpreter: put the model of the build context into the image, if it loads there.

``python bake.py FOLDER DIGEST``. With an empty FOLDER the image has no model and reads MODEL_LOCATION at init.
"""

import shutil
import sys
from pathlib import Path
from typing import NoReturn

from stream_consumer.errors import ModelError
from stream_consumer.models.files import directory_digest
from stream_consumer.models.loading import Choice, load_model

BAKED = Path("/opt/model")


def bake(folder: str, digest: str, *, context: Path, baked: Path) -> str:
    """
    Copy the model *folder* of *context* to *baked*, and load the copy as init will.

    Returns:
        A line about the model, for the log of the build.

    Raises:
        ModelError: The model does not exist, has another digest than *digest*, or does not load here.
    """
    baked.mkdir(exist_ok=True)
    if not folder:
        return "no model baked in: MODEL_LOCATION is read at init"
    source = context / folder
    if not (source / "MLmodel").is_file():
        raise ModelError(
            f"there is no MLflow model in .image/{folder} of the build context; `make image MODEL=…` puts it there"
        )
    if not digest:
        raise ModelError(f"MODEL_DIGEST is empty; this model's is {directory_digest(source)}")
    shutil.copytree(source, baked, dirs_exist_ok=True)
    for path in [baked, *baked.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)  # Lambda runs the image as a user of its own
    model = load_model(str(baked), s3=_no_s3, choice=Choice(digest=digest))
    return f"baked in {model.name} version {model.version}, digest {model.digest}"


def _no_s3() -> NoReturn:
    raise AssertionError("a folder is not on S3")


if __name__ == "__main__":
    try:
        print(bake(sys.argv[1], sys.argv[2], context=Path(__file__).parent, baked=BAKED))
    except ModelError as error:
        sys.exit(f"cannot bake the model in: {error}")
