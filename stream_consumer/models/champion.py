"""
The file ``champion.json``: the name of the served model among the models beside the file.

The folder of each model is named by the model's digest. The rule: a model is loaded through this file only if the
model's files have the digest in the file.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from stream_consumer import clouds
from stream_consumer.errors import ModelError, StreamConsumerError
from stream_consumer.whole_file import refuse_other

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

CHAMPION_FILE = "champion.json"
# A file with the longest history that training writes has a hundredth of these bytes.
MOST_BYTES = 1 << 20

Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class TrainedOn(msgspec.Struct, frozen=True, kw_only=True):
    """The rides of a model's fit."""

    rides: str
    """Description of the rides' origin, for people."""
    count: int
    first: str
    """The day of the first pickup, such as 2021-01-01. A few rides with a wrong clock are left out."""
    last: str
    digest: str
    """SHA-256 over the rides, independent of their order."""
    seed: int


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the folder."""

    version: str
    digest: Digest
    """SHA-256 of the model's directory, and the name of its folder."""
    metrics: Mapping[str, float]
    """Errors on the test rides, such as ``rmse``, in minutes."""
    trained_on: TrainedOn | None = None


class Champion(ModelVersion, frozen=True, kw_only=True):
    """The served version, and the previous champion."""

    previous: "Champion | None" = None


def names_champion(location: str) -> bool:
    """Whether *location* is the location of a file ``champion.json``."""
    return location.rpartition("/")[2] == CHAMPION_FILE


def beside(location: str, name: str) -> str:
    """Return the location of *name* in the folder of the file at *location*."""
    return location.removesuffix(CHAMPION_FILE) + name


def encode_champion(champion: Champion) -> bytes:
    return msgspec.json.format(msgspec.json.encode(champion)) + b"\n"


def decode_champion(content: bytes, location: str) -> Champion:
    """
    Return the champion in *content*, the content of the file at *location*.

    Raises:
        ModelError: *content* is not a valid ``champion.json``.
    """
    try:
        return msgspec.json.decode(content, type=Champion)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(
            f"{location} does not name a champion: {error}; `stream-consumer model promote` writes the file anew"
        ) from None


def read_champion(location: str, s3: Callable[[], "S3Client"], open_url: clouds.Open = clouds.open_url) -> Champion:
    """
    Read the file ``champion.json`` at *location*: a path, ``s3://``, ``gs://`` or ``abfs://``.

    Raises:
        ModelError: The file does not exist, or cannot be read.
    """
    try:
        content = _content(location, s3, open_url)
    except StreamConsumerError:
        raise
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise ModelError(
            f"{location} cannot be read: {error}; the function needs s3:GetObject on it and s3:ListBucket on the bucket"
        ) from error
    except Exception as error:  # (each library of another cloud has exceptions of its own)
        raise ModelError(
            f"{location} cannot be read: {error}; `stream-consumer train --models` or `model promote` makes it"
        ) from error
    if len(content) > MOST_BYTES:
        raise ModelError(f"{location} has more than {MOST_BYTES:,} bytes, so it is no {CHAMPION_FILE}")
    return decode_champion(content, location)


def _content(location: str, s3: Callable[[], "S3Client"], open_url: clouds.Open) -> bytes:
    """Return the content. Of a file that is far too large, return only enough bytes to prove the size."""
    if location.startswith("s3://"):
        bucket, _, key = location.removeprefix("s3://").partition("/")
        return s3().get_object(Bucket=bucket, Key=key)["Body"].read(MOST_BYTES + 1)
    if clouds.in_a_cloud(location):
        system, path = open_url(location)
        with system.open(path, "rb") as file:
            content: bytes = file.read(MOST_BYTES + 1)
            return content
    file_path = Path(location.removeprefix("file://"))
    refuse_other(file_path)
    with file_path.open("rb") as local:
        return local.read(MOST_BYTES + 1)
