"""
Finding the previous releases of the running parts.

The rule: a function goes back to an earlier version of its own, which has code, settings and model location together.
The tasks of the batch interface have no versions. Their image goes back, and their settings stay.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from infra.clients import Aws
from infra.publish import ReleaseFailed
from infra.smoke.batch import PART as BATCH
from infra.smoke.web import PART as WEB

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class _NothingBefore(ReleaseFailed):
    """A part has no earlier release."""


def rolled_back(aws: Aws, outputs: Mapping[str, Any], only: str | None, to: str | None) -> dict[str, Any]:
    """
    Return the record after the rollback of *only*, or of every part: ``releases`` and perhaps an image.

    A part without an earlier release does not change. A part with a canary only loses the canary.

    Args:
        aws: Makes the clients.
        outputs: The outputs of modules/system.
        only: A consumer, ``web`` or ``batch``. None means all parts, or with *to* all consumers.
        to: The version, or for ``batch`` the digest of the image. None means the previous one.

    Raises:
        ReleaseFailed: The part does not exist, or no part has an earlier release.
    """
    functions, held = versioned(outputs), outputs.get("releases") or {}
    before: dict[str, str] = {}
    stays = []
    for part in _parts(outputs, only, to):
        running = _running_image(aws("ecs"), outputs["batch"]) if part == BATCH else functions[part]["live_version"]
        if to is None and held.get(part, {}).get("canary_weight"):
            before[part] = running
            print(f"{part}: all of the batches → {running}, which has most of them")
            continue
        try:
            before[part] = _before(aws, outputs, part, running) if to is None else _checked(part, to)
            print(f"{part}: {running} → {before[part]}")
        except _NothingBefore as nothing:
            stays.append(str(nothing))
    if not before:
        raise ReleaseFailed("; ".join(stays) or "there is nothing here to roll back")
    for why in stays:
        print(f"{why}, and stays")
    image = _image(outputs, before.pop(BATCH)) if BATCH in before else {}
    # An older image becomes the newest version of the web interface. This must not change its live version.
    kept = {
        name: function["live_version"]
        for name, function in functions.items()
        if function["live_version"] != function["newest_version"] or (image and name == WEB)
    }
    return {"releases": {name: {"version": version} for name, version in {**kept, **before}.items()}, **image}


def _image(outputs: Mapping[str, Any], digest: str) -> dict[str, Any]:
    """Return the variables that give batch and web the image *digest*. Its model is unknown."""
    known = {kind: of for kind, of in (outputs.get("model_digests") or {}).items() if kind != "doors"}
    return {"doors_image_digest": digest, **({"model_digests": known} if outputs.get("model_digests") else {})}


def versioned(outputs: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the parts with versions, by name: the consumers and the web interface."""
    web = {WEB: outputs[WEB]} if outputs.get(WEB) else {}
    return {**outputs.get("consumers", {}), **web}


def _parts(outputs: Mapping[str, Any], only: str | None, to: str | None) -> Sequence[str]:
    parts = [*versioned(outputs), *([BATCH] if outputs.get(BATCH) else [])]
    if only is not None and only not in parts:
        raise ReleaseFailed(f"there is no consumer {only!r} here, only {', '.join(parts) or 'none at all'}")
    return [only] if only else list(outputs.get("consumers", {})) if to else parts


def _checked(part: str, to: str) -> str:
    if part == BATCH and not _DIGEST.fullmatch(to):
        raise ReleaseFailed(f"TO={to}: the batch interface goes back to an image, sha256:<64 hex digits>")
    return to


def _before(aws: Aws, outputs: Mapping[str, Any], part: str, running: str) -> str:
    if part == BATCH:
        return _image_before(aws("ecs"), outputs[BATCH], running)
    return _version_before(aws("lambda"), versioned(outputs)[part]["function_name"], running)


def _version_before(functions: Any, function_name: str, live: str) -> str:
    pages = functions.get_paginator("list_versions_by_function").paginate(FunctionName=function_name)
    versions: Iterable[str] = pages.search("Versions[].Version")
    older = [int(version) for version in versions if version != "$LATEST" and int(version) < int(live)]
    if not older:
        raise _NothingBefore(f"{function_name} has no version before {live}")
    return str(max(older))


def _image_before(ecs: Any, batch: Mapping[str, Any], running: str) -> str:
    """
    Return the image of the worker's tasks before their first use of the *running* image.

    Images are ordered by first use, so a second rollback goes further back and not to the start of the first.
    """
    family, _, newest = batch["task_definitions"]["worker"].rpartition("/")[2].rpartition(":")
    images: list[str] = []
    for revision in range(1, int(newest) + 1):
        try:
            image = _image_of(ecs, f"{family}:{revision}")
        except ecs.exceptions.ClientException:  # deleted
            continue
        if image not in images:
            images.append(image)
    at = images.index(running)
    if not at:
        raise _NothingBefore(f"the tasks {family} have had no image before {running}")
    return images[at - 1]


def _running_image(ecs: Any, batch: Mapping[str, Any]) -> str:
    return _image_of(ecs, batch["task_definitions"]["worker"])


def _image_of(ecs: Any, task_definition: str) -> str:
    """Return the digest of the image. A revision that Terraform replaced is inactive but can still be described."""
    definition = ecs.describe_task_definition(taskDefinition=task_definition)["taskDefinition"]
    image: str = definition["containerDefinitions"][0]["image"]
    return image.rpartition("@")[2]
