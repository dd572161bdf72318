"""
Which image runs in an environment, and which version of it the mapping invokes.

Terraform's state holds the record of what is deployed (:mod:`infra.environment`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.canary import Canary
from infra.container.platforms import own_architecture
from infra.environment import Environment, doors_held, recorded
from infra.publish import Push, ReleaseFailed, copied, mark_deployed, published
from infra.rollback import rolled_back
from infra.smoke.verify import clients


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a registry's repository."""

    url: str
    digest: str
    architecture: str


def deploy(  # noqa: PLR0913 (the options of the command)
    environment: Environment,
    architecture: str | None,
    build_and_push: Push,
    *,
    doors: bool = False,
    model: str = "",
    canary: Canary | None = None,
) -> None:
    """
    Build and push the image, and apply it by digest.

    Args:
        environment: Where to.
        architecture: What the image is for, arm64 or x86_64; None: what runs there, or this machine's.
        build_and_push: Puts the image of an architecture where a reference says.
        doors: Whether it is the image with the batch and the web door (``DOORS=1``, which ``make image`` reads too);
            without, doors that run keep theirs.
        model: What is baked into it; empty: nothing.
        canary: The share of the batches that the image gets first; None: all of them at once.

    Raises:
        ContainerError: Nothing runs there yet, and Lambda has no machines like this one.
        ReleaseFailed: Doors that run would be left with an image of another architecture, or the canary failed.
    """
    image = publish(environment, architecture, build_and_push, doors=doors, model=model)
    _release(environment, image, image.digest if doors else None, canary)


def publish(
    environment: Environment, architecture: str | None, build_and_push: Push, *, doors: bool = False, model: str = ""
) -> Image:
    """Get the image of this commit into the registry of *environment*, as :func:`deploy` does before it applies."""
    environment.init()
    url = _registry(environment)
    outputs = environment.outputs()
    architecture = architecture or outputs.get("architecture") or own_architecture()
    if not doors:
        _refuse_to_leave_doors_behind(outputs, architecture)
    digest = published(url, architecture, build_and_push, doors=doors, model=model)
    return Image(url, digest, architecture)


def promote(source: Environment, target: Environment, canary: Canary | None = None) -> None:
    """
    Release in *target* the images that *source* runs, by the same digests; nothing is built.

    Raises:
        ReleaseFailed: *source* does not run its newest release alone, or *target* would be left with doors of another
            architecture, or the canary failed.
    """
    for environment in (source, target):
        environment.init()
    release = recorded(source.outputs())
    if "image_digest" not in release:
        raise ReleaseFailed(f"nothing is deployed in {source.root.name}, so there is nothing to promote")
    if held := release.get("releases"):
        raise ReleaseFailed(
            f"{', '.join(held)} of {source.root.name} does not run the newest version only: deploy there what is meant"
        )
    of_doors = release.get("doors_image_digest")
    if not of_doors:
        _refuse_to_leave_doors_behind(target.outputs(), release["architecture"])
    image = Image(_registry(target), release["image_digest"], release["architecture"])
    for digest in filter(None, {image.digest, of_doors}):
        copied(_registry(source), image.url, digest, doors=digest == of_doors)
    _release(target, image, of_doors, canary)


def _refuse_to_leave_doors_behind(outputs: Mapping[str, Any], architecture: str) -> None:
    if outputs.get("doors_image_digest") and architecture != outputs["architecture"]:
        raise ReleaseFailed(f"the doors run on {outputs['architecture']}: to bring them to {architecture}, add DOORS=1")


def _release(environment: Environment, image: Image, of_doors: str | None, canary: Canary | None) -> None:
    """Apply *image* for the consumers, and the digest *of_doors* for the doors, which keep theirs without."""
    outputs = environment.outputs()
    doors = of_doors or outputs.get("doors_image_digest")
    record = {"image_digest": image.digest, "doors_image_digest": doors, "architecture": image.architecture}
    release = {**recorded(record), "releases": {} if of_doors else doors_held(outputs)}
    failed = None
    if canary:
        failed = canary.roll_out(environment, release)
    else:
        environment.apply(release)
    # A version whose canary failed stays the function's newest, and the next apply asks for its image.
    for digest in filter(None, {image.digest, of_doors}):
        mark_deployed(image.url, digest, doors=digest == of_doors)
    if failed:
        raise ReleaseFailed(failed)


def _registry(environment: Environment) -> str:
    """Return the registry's URL; the first time, make it alone: functions cannot be made before their image."""
    if "registry_url" not in environment.outputs():
        digest = f"sha256:{'0' * 64}"
        nothing_yet = [f"-var=image_digest={digest}", f"-var=doors_image_digest={digest}"]
        approval = ["-auto-approve"] if environment.approve else []
        environment.terraform("apply", "-target=module.system.module.registry", *nothing_yet, *approval)
    url: str = environment.outputs()["registry_url"]
    return url


def rollback(environment: Environment, only: str | None, to: str | None) -> None:
    """Go back to the release before the live one, or to *to*: every part of the system, or *only* one of them."""
    environment.init()
    outputs = environment.outputs()
    environment.apply({**recorded(outputs), **rolled_back(clients(outputs), outputs, only, to)})
