"""
``make destroy``: take an environment down, and keep its data.

The rule: a bucket that is not empty stays with everything that belongs to it, unless the environment is disposable. The
bucket leaves Terraform's state before anything is destroyed. The resources of ``make bootstrap`` always stay, and so
does the key.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.environment import Environment, confirmed, recorded
from infra.environment_names import named
from infra.publish import INFRA, ReleaseFailed, output
from infra.state import Resource, resources


def destroy(environment: Environment, confirmed: Callable[[], bool]) -> None:
    """
    Print what will be destroyed and what stays. Destroy if *confirmed*.

    Raises:
        ReleaseFailed: The operator did not agree, or Terraform failed.
    """
    environment.init()
    found = list(resources(json.loads(output(["terraform", "show", "-json"], environment.root))))
    if not found:
        raise ReleaseFailed(f"nothing is deployed in {environment.root.name}, so nothing can be destroyed")
    full = [resource for resource in found if _stays(resource)]
    beside = [item for item in found if any(_belongs(item, holder) for holder in full)]
    markers = [item for item in found if "terraform_data.kept[" in item.address]
    for line in [*_streams(found), *(f"stays, since it is not empty: {holder.values['id']}" for holder in full)]:
        print(line)
    if not confirmed():
        raise ReleaseFailed("nothing was destroyed")
    if aside := sorted({item.address for item in (*beside, *markers)}):
        environment.terraform("state", "rm", *aside)
    environment.terraform("destroy", "-auto-approve", "-input=false", *_stand_ins(environment))
    print("the resources of make bootstrap stay: state, key, models and images, about $1 a month")


def _stand_ins(environment: Environment) -> list[str]:
    """Return values for variables of the release that a failed first apply did not record."""
    missing = {"image_digest", "doors_image_digest"} - recorded(environment.outputs()).keys()
    return [f"-var={name}=sha256:{'0' * 64}" for name in sorted(missing)]


def _streams(found: Iterable[Resource]) -> list[str]:
    return [
        f"goes, with the records of the last {resource.values['retention_period']} hours: {resource.values['name']}"
        for resource in found
        if resource.kind == "aws_kinesis_stream"
    ]


def _belongs(item: Resource, holder: Resource) -> bool:
    """Whether both are in one module. The module of a bucket has only the bucket's own resources."""
    return item.address.startswith(holder.address.removesuffix(f"{holder.kind}.this"))


def _stays(resource: Resource) -> bool:
    values = resource.values
    if resource.kind != "aws_s3_bucket" or values["force_destroy"]:
        return False
    s3: Any = boto3.client("s3", region_name=values["region"])
    page = s3.list_object_versions(Bucket=values["bucket"], MaxKeys=1)
    return bool(page.get("Versions") or page.get("DeleteMarkers"))


def main(arguments: Sequence[str]) -> int:
    """Destroy the environment and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.teardown",
        description="Destroy an environment, except for buckets with data and the resources of make bootstrap. A "
        "disposable environment loses its data, too.",
    )
    parser.add_argument("environment", type=named, metavar="ENVIRONMENT", help="Name of a folder in infra/envs.")
    name: str = parser.parse_args(arguments).environment
    approve = bool(os.environ.get("APPROVE"))
    environment = Environment(INFRA / "envs" / name, approve=approve)
    try:
        destroy(environment, lambda: approve or confirmed(f"Type {name} to destroy the rest: ", name))
    except (ReleaseFailed, BotoCoreError, ClientError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped: destroyed resources are gone, and make destroy continues with the rest", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
