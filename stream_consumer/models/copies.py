"""
Copy a model to a folder of the user.

The rule: the folder appears whole or not at all, and nothing existing is overwritten.
"""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from stream_consumer.errors import ModelError
from stream_consumer.models.files import copy_files


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """
    Give the path of a hidden folder beside *target*, not made yet. At the end, rename the folder to *target*.

    Raises:
        ModelError: *target* exists already.
    """
    if target.exists():
        raise ModelError(f"the output {target} is there already; name a folder that is not")
    aside = target.parent / f".{target.name}.part"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        yield aside
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def export(directory: Path, target: Path) -> str:
    """
    Copy the model in *directory* to *target*, and return the digest of the copy.

    Raises:
        ModelError: *target* exists already, or cannot be written.
    """
    if target.resolve().is_relative_to(directory.resolve()):
        raise ModelError(f"the output {target} lies in the model's own folder, whose digest it would change")
    try:
        with new_folder(target) as aside:
            aside.mkdir()
            return copy_files(directory, aside)
    except OSError as error:
        raise ModelError(f"the model cannot be copied to {target}: {error}") from error
