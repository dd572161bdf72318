"""What the preflight reads off the variables is what a plan takes out of the account's concurrency."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from infra.preflight.variables import STARTER_RESERVED, WEB_RESERVED, asked
from infra.state import Resource
from infra.tests.terraform import CheckFailed


def agrees(root: Path, scratch: Path, planned: Iterable[Resource]) -> int:
    """
    Return how much concurrency the examples of *root* ask for, which were *planned*.

    Raises:
        CheckFailed: A default in :mod:`infra.preflight.variables` is no longer its module's.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    shutil.copy(root / "variables.tf", scratch)
    for example in {*root.glob("*.tfvars.example")} - {root / "bootstrap.tfvars.example"}:
        shutil.copy(example, scratch / f"{example.name.partition('.')[0]}.auto.tfvars")
    read, taken = dict(asked(scratch).concurrency), _taken(planned)
    if read != taken:
        raise CheckFailed(f"the preflight reads {read} off the variables of {root.name}, and the plan takes {taken}")
    return sum(taken.values())


def defaults_agree(planned: Iterable[Resource]) -> None:
    """
    Compare what the interfaces take unasked, as they were *planned*, with what the preflight says of them.

    Raises:
        CheckFailed: One of the two has changed.
    """
    wanted = {"web": WEB_RESERVED, "starter": STARTER_RESERVED}
    seen = {(kind, value) for name, value in _taken(planned).items() for kind in wanted if kind in name.split("-")}
    if seen != set(wanted.items()):
        raise CheckFailed(f"the interfaces take {sorted(seen)}, and the preflight reckons with {wanted}")


def _taken(planned: Iterable[Resource]) -> dict[str, int]:
    reserved, provisioned = {}, {}
    for item in planned:
        if item.kind == "aws_lambda_function" and item.values["reserved_concurrent_executions"] >= 0:
            reserved[item.values["function_name"]] = item.values["reserved_concurrent_executions"]
        if item.kind == "aws_lambda_provisioned_concurrency_config":
            provisioned[item.values["function_name"]] = item.values["provisioned_concurrent_executions"]
    return provisioned | reserved
