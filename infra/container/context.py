"""
The model of a build: fetched on this machine, put under ``.image/`` for the build's context, and named by its digest.

The rule: the fetched model is baked in byte for byte. The build checks the digest again inside the image.
"""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3

from stream_consumer.models.files import directory_digest, model_directory

STAGE = ".image"


@dataclass(frozen=True, slots=True)
class StagedModel:
    """A model in the build's context."""

    folder: str
    """Its name under ``.image/``."""
    digest: str
    directory: Path


@contextlib.contextmanager
def staged(location: str, context: Path) -> Iterator[StagedModel]:
    """
    Keep the model at *location* (a folder, ``s3://…`` or ``models:/name@alias``) in *context* for one build.

    Raises:
        ModelError: The model does not exist or cannot be fetched.
    """
    with model_directory(location, s3=lambda: boto3.session.Session().client("s3")) as fetched:
        digest = directory_digest(fetched)
        folder = context / STAGE / digest[:12]  # by content, so that the tool's cache recognises it
        shutil.copytree(fetched, folder, dirs_exist_ok=True)
    try:
        yield StagedModel(folder.name, digest, folder)
    finally:
        shutil.rmtree(folder)
