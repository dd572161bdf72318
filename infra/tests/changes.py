"""
What operators change after the first apply: alarms, consumers and interfaces are added, renamed and removed.

What AWS refuses is refused here too: to delete an alarm that a composite alarm names, or a role with policies.
"""

import json
from collections.abc import Mapping
from typing import Any

from infra.tests.terraform import CheckFailed, Terraform

_STREAM = {"mode": "PROVISIONED", "shards": 1}
_KEPT: Mapping[str, Any] = {"ride-duration": {"output": _STREAM}}
_QUIET = {"ride-duration": {"output": _STREAM, "alarms": {"no_data_minutes": 0}}}
_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "a consumer added": {"consumers": {**_KEPT, "trial": {"output": _STREAM}}},
    "a consumer and an alarm renamed, an alarm removed": {"consumers": {**_QUIET, "tryout": {"output": _STREAM}}},
    "a consumer and both interfaces removed": {"consumers": _QUIET, "batch": None, "web": None},
}
_ALARM = ("on-failure = {", "given-up = {")


def through(terraform: Terraform) -> str:
    """
    Apply one change after another to what is applied in the root of *terraform*.

    Raises:
        CheckFailed: An apply failed; the message names the change.
    """
    alarms = terraform.directory.parent.parent / "modules" / "observability" / "alarms.tf"
    for name, variables in _CHANGES.items():
        (terraform.directory / "changes.auto.tfvars.json").write_text(json.dumps(variables), encoding="utf-8")
        if "an alarm renamed" in name:
            alarms.write_text(alarms.read_text(encoding="utf-8").replace(*_ALARM), encoding="utf-8")
        try:
            terraform.run("apply", "-auto-approve", "-input=false", "-no-color")
        except CheckFailed as fault:
            raise CheckFailed(f"{name}: {fault}") from fault
    return ", then ".join(_CHANGES)
