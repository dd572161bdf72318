"""
``make destroy``: take an environment down, and leave what holds data whole.

The rule: a bucket that is not empty stays with all that belongs to it, unless the environment is disposable. It leaves
Terraform's state before anything is destroyed. What ``make bootstrap`` made stays anyway, and with it the key.
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
    Name what goes and what stays, and destroy the rest if that is *confirmed*.

    Raises:
        ReleaseFailed: It was not confirmed, or Terraform failed.
    """
    environment.init()
    found = list(resources(json.loads(output(["terraform", "show", "-json"], environment.root))))
    if not found:
        raise ReleaseFailed(f"nothing is deployed in {environment.root.name}, so nothing can be destroyed")
    full = [resource for resource in found if _stays(resource)]
    beside = [item for item in found if any(_belongs(item, holder) for holder in full)]
    markers = [item for item in found if "terraform_data.kept[" in item.address]
    for line in [*_streams(found), *(f"stays, for it is not empty: {holder.values['id']}" for holder in full)]:
        print(line)
    if not confirmed():
        raise ReleaseFailed("nothing was destroyed")
    if aside := sorted({item.address for item in (*beside, *markers)}):
        environment.terraform("state", "rm", *aside)
    environment.terraform("destroy", "-auto-approve", "-input=false", *_stand_ins(environment))
    print("what make bootstrap made stays: state, key, models and images, about $1 a month")


def _stand_ins(environment: Environment) -> list[str]:
    """Return values for the variables of the release where a first apply failed before it could record them."""
    missing = {"image_digest", "doors_image_digest"} - recorded(environment.outputs()).keys()
    return [f"-var={name}=sha256:{'0' * 64}" for name in sorted(missing)]


def _streams(found: Iterable[Resource]) -> list[str]:
    return [
        f"goes, with the records of the last {resource.values['retention_period']} hours: {resource.values['name']}"
        for resource in found
        if resource.kind == "aws_kinesis_stream"
    ]


def _belongs(item: Resource, holder: Resource) -> bool:
    """Whether both are in one module: that of a bucket holds what belongs to it and nothing else."""
    return item.address.startswith(holder.address.removesuffix(f"{holder.kind}.this"))


def _stays(resource: Resource) -> bool:
    values = resource.values
    if resource.kind != "aws_s3_bucket" or values["force_destroy"]:
        return False
    s3: Any = boto3.client("s3", region_name=values["region"])
    page = s3.list_object_versions(Bucket=values["bucket"], MaxKeys=1)
    return bool(page.get("Versions") or page.get("DeleteMarkers"))


def main(arguments: Sequence[str]) -> int:
    """Destroy the environment that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("environment", type=named)
    name: str = parser.parse_args(arguments).environment
    approve = bool(os.environ.get("APPROVE"))
    environment = Environment(INFRA / "envs" / name, approve=approve)
    try:
        destroy(environment, lambda: approve or confirmed(f"Type {name} to destroy the rest: ", name))
    except (ReleaseFailed, BotoCoreError, ClientError) as fault:
        print(fault, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped: what was destroyed is gone, and make destroy goes on with the rest", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
