"""
Which images the registry's lifecycle rules expire, reckoned as ECR does.

The rule: an image that matches the tags of one rule is left alone by the rules of lower priority, which count it too.
Source: Amazon ECR user guide, "Lifecycle policy evaluation rules".
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from infra.state import Resource
from infra.tests.terraform import CheckFailed

Image = frozenset[str]
"""The tags of an image."""


def spared(found: Iterable[Resource]) -> str:
    """
    Push many images after some that run, by the rules of each repository of the plan.

    Raises:
        CheckFailed: One that runs would expire, or nothing ever would.
    """
    written = [item.values["policy"] for item in found if item.kind == "aws_ecr_lifecycle_policy"]
    for policy in written:
        _spared(sorted(json.loads(policy)["rules"], key=lambda rule: rule["rulePriority"]))
    if len(written) != 3:  # noqa: PLR2004 (lean, with batch and web, and for training)
        raise CheckFailed(f"{len(written)} repositories have rules of what expires, not 3")
    return "images that run outlive 100 pushed in vain; full and training images outlive 100 deployments of consumers"


def _spared(rules: Sequence[Mapping[str, Any]]) -> None:
    kinds = ("doors", "training", "lean")
    runs = [frozenset({f"{kind}-a-arm64", f"deployed-{kind}-a"}) for kind in kinds]
    in_vain = [frozenset({f"{kind}-{at}-arm64"}) for at in range(100) for kind in kinds]
    deployed = [frozenset({f"lean-b{at}-arm64", f"deployed-lean-b{at}"}) for at in range(100)]
    for pushed, name, kept in ((in_vain, "pushed in vain", runs), (deployed, "deployed without the others", runs[:2])):
        expired = _expired([*runs, *pushed], rules)
        if lost := [" ".join(sorted(image)) for image in kept if image in expired]:
            raise CheckFailed(f"100 images {name} push out {', '.join(lost)}, which runs")
        if not expired:
            raise CheckFailed(f"of 100 images {name} none expires")


def _expired(images: Sequence[Image], rules: Sequence[Mapping[str, Any]]) -> set[Image]:
    """Return which of *images*, oldest first and all of today, go."""
    expired: set[Image] = set()
    claimed: set[Image] = set()
    for rule in rules:
        selection = rule["selection"]
        matching = [image for image in reversed(images) if _matches(image, selection)]
        if selection["countType"] == "imageCountMoreThan":
            expired.update(image for image in matching[selection["countNumber"] :] if image not in claimed)
        claimed.update(matching)
    return expired


def _matches(image: Image, selection: Mapping[str, Any]) -> bool:
    if selection["tagStatus"] == "untagged":
        return not image
    prefixes = selection.get("tagPrefixList", [""])
    return all(any(tag.startswith(prefix) for tag in image) for prefix in prefixes)
