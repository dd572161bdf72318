"""Get this commit's image into the registry: a tag for each commit and architecture, which never moves."""

import base64
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import boto3

INFRA = Path(__file__).resolve().parent
PLATFORMS = {"arm64": "linux/arm64", "x86_64": "linux/amd64"}
_ENGINES = ("docker", "podman", "buildah")

Push = Callable[[Any, str, str], None]
"""Gets an ECR client, the reference to push to, and the architecture."""


class ReleaseFailed(Exception):
    """Nothing was released, or not all; the message says what to do."""


def published(url: str, architecture: str, build_and_push: Push, *, doors: bool = False) -> str:
    """Return the digest of this commit's image, with the *doors* or without, built and pushed unless it is there."""
    tag = output(["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"], INFRA).strip()
    if tag.endswith("-dirty"):
        tag += f"-{int(time.time())}"  # a tag never moves, and these sources have no name of their own
    tag += "-doors" if doors else ""
    tag += f"-{architecture}"
    host, _, repository = url.partition("/")
    ecr = boto3.client("ecr", region_name=host.split(".")[3])  # <account>.dkr.ecr.<region>.amazonaws.com
    if not _digests(ecr, repository, tag):
        build_and_push(ecr, f"{url}:{tag}", architecture)
    [digest] = _digests(ecr, repository, tag)
    return digest


def make_image(ecr: Any, reference: str, architecture: str) -> None:
    """Build the image with ``make image`` and push it with the container tool that is here."""
    engine = next((name for name in _ENGINES if shutil.which(name)), None)
    if engine is None:
        raise ReleaseFailed(f"none of {', '.join(_ENGINES)} is installed, so no image can be pushed")
    run(["make", "image", f"TAG={reference}", f"PLATFORM={PLATFORMS[architecture]}"], INFRA.parent)
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    password = base64.b64decode(token).partition(b":")[2]
    host = reference.partition("/")[0]
    run([engine, "login", "--username", "AWS", "--password-stdin", host], INFRA, password)
    run([engine, "push", reference], INFRA)


def _digests(ecr: Any, repository: str, tag: str) -> list[str]:
    try:
        found = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
    except ecr.exceptions.ImageNotFoundException:
        return []
    return [image["imageDigest"] for image in found["imageDetails"]]


def run(command: Sequence[str], directory: Path, stdin: bytes | None = None, *, quiet: bool = False) -> None:
    said = subprocess.DEVNULL if quiet else None
    done = subprocess.run(command, cwd=directory, input=stdin, stdout=said, check=False)  # noqa: S603 (our own arguments)
    if done.returncode:
        raise ReleaseFailed(f"{' '.join(command)} ended with {done.returncode}")


def output(command: Sequence[str], directory: Path) -> str:
    done = subprocess.run(command, cwd=directory, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 (our own arguments)
    if done.returncode:
        raise ReleaseFailed(f"{' '.join(command)} ended with {done.returncode}")
    return done.stdout
