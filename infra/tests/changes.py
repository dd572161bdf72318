"""
What operators change after the first apply: alarms, consumers and interfaces are added, renamed and removed.

What AWS refuses is refused here too: to delete an alarm that a composite alarm names, or a role with policies.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from infra.tests import keeping
from infra.tests.terraform import CheckFailed, Terraform

_STREAM = {"mode": "PROVISIONED", "shards": 1}
_KEPT: Mapping[str, Any] = {"ride-duration": {"output": _STREAM}}
_QUIET = {"ride-duration": {"output": _STREAM, "alarms": {"no_data_minutes": 0}}}
_PARTS = ("archive", "batch", "web", "training", "monitor")
_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "a consumer added": {"consumers": {**_KEPT, "trial": {"output": _STREAM}}},
    "a consumer and an alarm renamed, an alarm removed": {"consumers": {**_QUIET, "tryout": {"output": _STREAM}}},
    "all but a consumer removed": {"consumers": _QUIET, **dict.fromkeys(_PARTS)},
}
_ALARM = ("on-failure = {", "given-up = {")


def through(aws: Callable[[str], Any], terraform: Terraform, files: str) -> str:
    """
    Apply one change after another to what is applied in the root of *terraform*.

    The bucket *files* of the batch interface holds some, so it stays when the interface goes.

    Raises:
        CheckFailed: An apply failed, and the message names the change; or a bucket with files was touched.
    """

    def apply() -> None:
        terraform.run("apply", "-auto-approve", "-input=false", "-no-color")

    alarms = terraform.directory.parent.parent / "modules" / "observability" / "alarms.tf"
    for name, variables in _CHANGES.items():
        (terraform.directory / "changes.auto.tfvars.json").write_text(json.dumps(variables), encoding="utf-8")
        if "an alarm renamed" in name:
            alarms.write_text(alarms.read_text(encoding="utf-8").replace(*_ALARM), encoding="utf-8")
        try:
            keeping.stays_whole(aws, files, apply)
        except CheckFailed as fault:
            raise CheckFailed(f"{name}: {fault}") from fault
    return f"{', then '.join(_CHANGES)}; {files} stays whole"
