"""
Get this commit's image into the registry.

The rule: a tag never moves, so it names all sources of an image: kind, commit, model and architecture.
"""

import base64
import contextlib
import hashlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import boto3

from infra.container.engine import find_engine
from infra.container.platforms import ARCHITECTURES
from stream_consumer.models.files import default_s3, directory_digest, model_directory

INFRA = Path(__file__).resolve().parent

_ASKED = ("EXTRA", "SKLEARN", "PYTHON_IMAGE")
"""Variables of ``make image`` that give another image of the same commit."""

Push = Callable[[Any, str, str, str, Path | None], None]
"""Takes an ECR client, the reference to push to, kind and architecture, and the folder of a model or None."""


class ReleaseFailed(Exception):
    """The release failed, wholly or in part. The message has a remedy."""


def published(
    url: str, architecture: str, build_and_push: Push, *, kind: str = "lean", model: Path | None = None
) -> str:
    """
    Return the digest of this commit's image. Build and push the image if the registry does not have it.

    Args:
        url: The registry's repository.
        architecture: The image's architecture.
        build_and_push: Builds and pushes the image.
        kind: ``lean``, ``doors`` (with batch and web) or ``training``. The lifecycle rules count each kind by the
            prefix of its tags.
        model: The folder of the model to bake in, see :func:`fetched`. None means no model.
    """
    repository, ecr = url.partition("/")[2], _client(url)
    tag = _tag(kind, architecture, model)
    if not _digests(ecr, repository, imageTag=tag):
        build_and_push(ecr, f"{url}:{tag}", kind, architecture, model)
    [digest] = _digests(ecr, repository, imageTag=tag)
    return digest


@contextlib.contextmanager
def fetched(model: str) -> Iterator[Path | None]:
    """
    Give the files of *model* (a folder, ``s3://…`` or ``models:/name@alias``) as a local folder. None if it is empty.

    The files are fetched once for all images. Otherwise an alias that moves would put another model under a tag.

    Raises:
        ModelError: The model does not exist or cannot be fetched.
    """
    if not model:
        yield None
        return
    with model_directory(model, s3=default_s3) as folder:
        yield folder.resolve()


def _tag(kind: str, architecture: str, model: Path | None) -> str:
    tag = output(["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"], INFRA).strip()
    if tag.endswith("-dirty"):
        tag += f"-{int(time.time())}"  # these sources have no name of their own
    tag += f"-model-{directory_digest(model)[:12]}" if model else ""
    asked = "\0".join(os.environ.get(name, "") for name in _ASKED)
    tag += f"-with-{hashlib.sha256(asked.encode()).hexdigest()[:12]}" if asked.strip("\0") else ""
    return f"{kind}-{tag}-{architecture}"


def mark_deployed(url: str, digest: str, *, kind: str) -> None:
    """Give the image a tag that protects it from the registry's lifecycle rules."""
    repository, ecr = url.partition("/")[2], _client(url)
    tag = f"deployed-{kind}-{digest.removeprefix('sha256:')[:12]}"
    if not _digests(ecr, repository, imageTag=tag):
        [image] = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])["images"]
        manifest = {name: image[name] for name in ("imageManifest", "imageManifestMediaType") if name in image}
        ecr.put_image(repositoryName=repository, imageTag=tag, imageDigest=digest, **manifest)


def copied(source: str, target: str, digest: str, *, kind: str) -> None:
    """
    Copy the image of *digest* from the repository *source* to *target* byte for byte, if *target* lacks it.

    Raises:
        ReleaseFailed: skopeo failed. Its output has the reason.
    """
    clients = {url: _client(url) for url in (source, target)}
    if _digests(clients[target], target.partition("/")[2], imageDigest=digest):
        return
    tag = f"{kind}-{digest.removeprefix('sha256:')[:12]}"
    auths = {url.partition("/")[0]: {"auth": _token(ecr)} for url, ecr in clients.items()}
    with tempfile.TemporaryDirectory() as folder:
        secrets = Path(folder, "auth.json")  # a password among the arguments could be read by every process
        secrets.write_text(json.dumps({"auths": auths}), encoding="utf-8")
        locations = [f"docker://{source}@{digest}", f"docker://{target}:{tag}"]
        run(["skopeo", "copy", "--preserve-digests", "--authfile", str(secrets), *locations], INFRA)


def make_image(ecr: Any, reference: str, kind: str, architecture: str, model: Path | None) -> None:
    """
    Build the image with ``make image`` and push it with the same container tool.

    Raises:
        ContainerError: No container tool works here.
        ReleaseFailed: The build, the login or the push failed.
    """
    tool = find_engine(os.environ).tool
    named = [f"TAG={reference}", f"PLATFORM={ARCHITECTURES[architecture]}"]
    # Each variable is set, even if empty, since the operator's shell may have values for the whole deployment.
    finish = [f"{name.upper()}={'1' if kind == name else ''}" for name in ("doors", "training")]
    run(["make", "image", *named, *finish, f"MODEL={model or ''}"], INFRA.parent)
    password = base64.b64decode(_token(ecr)).partition(b":")[2]
    host = reference.partition("/")[0]
    run([tool, "login", "--username", "AWS", "--password-stdin", host], INFRA, password)
    run([tool, "push", reference], INFRA)


def _client(url: str) -> Any:
    """Return a client of the registry of *url*, ``<account>.dkr.ecr.<region>.amazonaws.com/<repository>``."""
    return boto3.client("ecr", region_name=url.split(".")[3])


def _token(ecr: Any) -> str:
    """Return the basic authentication for a registry's client."""
    token: str = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    return token


def _digests(ecr: Any, repository: str, **image: str) -> list[str]:
    try:
        found = ecr.describe_images(repositoryName=repository, imageIds=[image])
    except ecr.exceptions.ImageNotFoundException:
        return []
    return [image["imageDigest"] for image in found["imageDetails"]]


def run(command: Sequence[str], directory: Path, stdin: bytes | None = None, *, quiet: bool = False) -> None:
    _finished(command, directory, stdin, subprocess.DEVNULL if quiet else None)


def output(command: Sequence[str], directory: Path) -> str:
    return _finished(command, directory, None, subprocess.PIPE).decode()


def _finished(command: Sequence[str], directory: Path, stdin: bytes | None, stdout: int | None) -> bytes:
    """
    Wait until *command* has ended, and return its output.

    The terminal's Ctrl-C also reaches the command, which then ends properly: Terraform saves its state and releases its
    lock. A killed command does neither.
    """
    pipe = subprocess.PIPE if stdin is not None else None
    interruption = None
    with subprocess.Popen(command, cwd=directory, stdin=pipe, stdout=stdout) as process:  # noqa: S603 (our own arguments)
        while True:
            try:
                said = process.communicate(stdin)[0]
                break
            except KeyboardInterrupt as signal:
                interruption, stdin = signal, None
    if interruption:
        raise interruption
    if process.returncode:
        raise ReleaseFailed(f"{' '.join(command)} ended with {process.returncode}")
    return said or b""
