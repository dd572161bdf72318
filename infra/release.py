"""
Changing the image of an environment, and the version that the mapping invokes.

Terraform's state has the record of the deployment (:mod:`infra.environment`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.canary import Canary
from infra.clients import clients
from infra.container.platforms import own_architecture
from infra.environment import Environment, doors_held, recorded
from infra.publish import Push, ReleaseFailed, copied, fetched, mark_deployed, published
from infra.rollback import rolled_back
from stream_consumer.models.files import directory_digest

_DIGESTS = {"lean": "image_digest", "doors": "doors_image_digest", "training": "training_image_digest"}
"""The variables of the release, by the kind of image."""

# Source: Amazon SageMaker API reference, "ResourceConfig": no instance type of training jobs has a Graviton processor.
_TRAINING_ARCHITECTURE = "x86_64"


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a registry's repository."""

    url: str
    digest: str
    architecture: str
    model: str = ""
    """Digest of the model in the image. Empty if there is no model, or the model is unknown."""


def deploy(  # noqa: PLR0913 (the options of the command)
    environment: Environment,
    architecture: str | None,
    build_and_push: Push,
    *,
    doors: bool = False,
    training: bool = False,
    model: str = "",
    canary: Canary | None = None,
) -> None:
    """
    Build and push the images, and apply them by digest.

    Args:
        environment: The target.
        architecture: arm64 or x86_64. None means the deployed architecture, or this machine's.
        build_and_push: Builds and pushes the image of an architecture.
        doors: Whether to build the image of batch and web too (``DOORS=1``). Otherwise they keep their image.
        training: Whether to build the image that trains too (``TRAINING=1``). Otherwise jobs keep their image.
        model: Location of the model to bake in. Empty means no model.
        canary: The canary with the first share of the batches. None gives all batches at once.

    Raises:
        ContainerError: Nothing is deployed yet, and Lambda does not have this machine's architecture.
        ReleaseFailed: The environment has not been bootstrapped, or batch and web would be left with an image of
            another architecture, or the canary failed.
    """
    images = publish(environment, architecture, build_and_push, doors=doors, training=training, model=model)
    put_live(environment, images, canary)


def publish(  # noqa: PLR0913 (the options of the command)
    environment: Environment,
    architecture: str | None,
    build_and_push: Push,
    *,
    doors: bool = False,
    training: bool = False,
    model: str = "",
) -> dict[str, Image]:
    """
    Get the images of this commit into the registry of *environment*, like the first step of :func:`deploy`.

    The model is fetched once, so that all images have the same model.
    """
    repositories = environment.repositories()
    wanted = ["lean", *(["doors"] if doors else []), *(["training"] if training else [])]
    if missing := [kind for kind in wanted if kind not in repositories]:
        raise ReleaseFailed(
            f"{environment.root.name} has no repository for the image {', '.join(missing)}: make bootstrap "
            f"ENV={environment.root.name} makes it"
        )
    environment.init()
    outputs = environment.outputs()
    architecture = architecture or outputs.get("architecture") or own_architecture()
    if not doors:
        _refuse_to_leave_doors_behind(outputs, architecture)
    images = {}
    with fetched(model) as folder:
        for kind in wanted:
            of, model_inside = (_TRAINING_ARCHITECTURE, None) if kind == "training" else (architecture, folder)
            digest = published(repositories[kind], of, build_and_push, kind=kind, model=model_inside)
            model_digest = directory_digest(model_inside) if model_inside else ""
            images[kind] = Image(repositories[kind], digest, of, model_digest)
    return images


def promote(source: Environment, target: Environment, canary: Canary | None = None) -> None:
    """
    Release in *target* the images of *source*, by the same digests, without a build.

    Raises:
        ReleaseFailed: *source* runs more than its newest release, or batch and web of *target* would be left with an
            image of another architecture, or the canary failed.
    """
    put_live(target, promoted_images(source, target), canary)


def promoted_images(source: Environment, target: Environment) -> dict[str, Image]:
    """Get the images of *source* into the registry of *target*, like the first step of :func:`promote`."""
    for environment in (source, target):
        environment.init()
    release = recorded(source.outputs())
    if "image_digest" not in release:
        raise ReleaseFailed(f"nothing is deployed in {source.root.name}, so there is nothing to promote")
    if held := release.get("releases"):
        raise ReleaseFailed(
            f"{', '.join(held)} of {source.root.name} does not run the newest version only: deploy there first"
        )
    if "doors_image_digest" not in release:
        _refuse_to_leave_doors_behind(target.outputs(), release["architecture"])
    models = release.get("model_digests", {})
    images = {
        kind: Image(url, release[_DIGESTS[kind]], release["architecture"], models.get(kind, ""))
        for kind, url in target.repositories().items()
        if _DIGESTS[kind] in release
    }
    for kind, image in images.items():
        copied(source.repositories()[kind], image.url, image.digest, kind=kind)
    return images


def _refuse_to_leave_doors_behind(outputs: Mapping[str, Any], architecture: str) -> None:
    if outputs.get("doors_image_digest") and architecture != outputs["architecture"]:
        raise ReleaseFailed(f"batch and web run on {outputs['architecture']}: add DOORS=1 for {architecture}")


def put_live(environment: Environment, images: Mapping[str, Image], canary: Canary | None) -> None:
    """
    Apply the *images* by their kinds. Batch, web and training jobs without a new image keep their image.

    Raises:
        ReleaseFailed: The canary or Terraform failed.
    """
    outputs = environment.outputs()
    before = {name: outputs.get(name) for name in _DIGESTS.values()}
    digests = {_DIGESTS[kind]: image.digest for kind, image in images.items()}
    kept = {} if "doors" in images else {"doors": (outputs.get("model_digests") or {}).get("doors", "")}
    models = {kind: digest for kind, digest in {**kept, **model_digests_of(images)}.items() if digest}
    record = {**before, **digests, "model_digests": models or None, "architecture": images["lean"].architecture}
    release = {**recorded(record), "releases": {} if "doors" in images else doors_held(outputs)}
    # Mark the images before they run, so that no interruption leaves a running image unmarked. The mark stays after
    # a failed canary: its version remains the function's newest, and the next apply asks for its image.
    for kind, image in images.items():
        mark_deployed(image.url, image.digest, kind=kind)
    if not canary:
        environment.apply(release)
    elif failed := canary.roll_out(environment, release):
        raise ReleaseFailed(failed)


def model_digests_of(images: Mapping[str, Image]) -> dict[str, str]:
    return {kind: image.model for kind, image in images.items() if image.model}


def rollback(environment: Environment, only: str | None, to: str | None) -> None:
    """Take every part of the system, or *only* one part, back to the previous release or to *to*."""
    environment.init()
    outputs = environment.outputs()
    environment.apply({**recorded(outputs), **rolled_back(clients(outputs), outputs, only, to)})
