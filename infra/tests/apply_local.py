"""
``make infra-apply-local``: apply ``infra/envs/dev`` to an emulator on loopback, use it, and destroy it.

It ends with a line that counts the checks, as ``make infra-test`` does.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from infra import release
from infra.environment import Environment, recorded
from infra.preflight.inspection import Deployment, findings
from infra.state import resources
from infra.tests import arrivals, changes, doors, emulated, keeping, names, policies, ride
from infra.tests.alarm_service import AlarmService, serving
from infra.tests.check import Checks
from infra.tests.report import report
from infra.tests.situations import Key, consumers
from infra.tests.terraform import (
    ACCOUNT,
    INFRA,
    CheckFailed,
    Terraform,
    copy_of_infra,
    environment,
    offline,
    provider_folder,
)
from stream_consumer.local.demo.embedded_aws import EmbeddedAws

_BUILD = INFRA.parent / "build" / "infra-local"
_NEXT_DIGEST = "sha256:" + "b" * 64


@dataclass(frozen=True)
class Steps:
    """The steps, in order; each rests on the ones before."""

    terraform: Terraform
    endpoint: str
    alarms: AlarmService

    def aws(self, service: str) -> Any:
        return emulated.session().client(service, endpoint_url=self.endpoint)  # type: ignore[call-overload] # any service

    @cached_property
    def environment(self) -> Environment:
        return Environment(self.terraform.directory, approve=True, quiet=True)

    @property
    def shell(self) -> dict[str, str]:
        plugins = {"TF_CLI_ARGS_init": f"-plugin-dir={self.terraform.plugins}"} if self.terraform.plugins else {}
        keys = {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "test"}
        return {**keys, **plugins, "AWS_ENDPOINT_URL": self.endpoint}

    def preflight(self) -> str:
        """What it asks of AWS; the state of this run is in no bucket, and the image is a manifest alone."""
        with _shell(self.shell):
            found = {
                item.subject: item for item in findings(Deployment(self.terraform.directory, None, ""), os.environ)
            }
        asked = [found[subject] for subject in ("region", "identity", "concurrency")]
        if faults := [str(item) for item in asked if item.blocks or item.remedy]:
            raise CheckFailed("\n".join(faults))
        return "; ".join(item.seen for item in asked)

    def deploy(self) -> str:
        with _shell(self.shell):
            release.deploy(self.environment, None, _push_something, doors=True)
        return f"the registry, then {len(self.resources)} resources with the digest that it gave the image"

    @property
    def resources(self) -> list[Any]:
        return list(resources(self.terraform.show()))

    def no_drift(self) -> str:
        self.terraform.run("plan", "-input=false", "-no-color", "-out=again.tfplan")
        seen = emulated.drift(self.terraform.show("again.tfplan"))
        return f"only what the emulator is known for ({', '.join(seen)}); {len(self.alarms.held)} alarms as planned"

    def policies(self) -> str:
        found = self.resources
        [made] = [resource.values for resource in found if resource.kind == "aws_kms_key"]
        key = Key(made["arn"], json.loads(made["policy"]))
        [consumer] = consumers(found, key)
        roles = doors.roles(found, key)
        cases = policies.resource_cases([item for item in found if not doors.is_of_a_door(item)], consumer)
        tools = Checks(self.terraform.directory.parent.parent, None, Path()).simulator
        # The doors' own policies say the same as in the plan, which `make infra-test` evaluates; that takes its time.
        return policies.compare([consumer], [*cases, *doors.cases(found, roles)], tools)

    def names(self) -> str:
        return names.agree(self.resources)

    def ride(self) -> str:
        with _shell(self.shell):
            return ride.through(self.aws, self.environment.outputs(), self.endpoint)

    def arrival(self) -> str:
        return arrivals.through(self.aws, self.environment.outputs()["batch"])

    def rollback(self) -> str:
        with _shell(self.shell):
            outputs = self.environment.outputs()
            images = {"image_digest": _NEXT_DIGEST, "doors_image_digest": _NEXT_DIGEST}
            [name] = outputs["consumers"]
            shares = {name: {"version": "1", "canary_weight": 0.25}}
            seen = []
            for releases in (shares, {}):
                self.environment.apply({**recorded(outputs), **images, "releases": releases})
                seen.append(self._live(name))
            release.rollback(self.environment, None, None)
            seen.append(self._live(name))
        first = outputs["doors_image_digest"]
        wanted = [("1", {"2": 0.25}, "2", _NEXT_DIGEST), ("2", {}, "2", _NEXT_DIGEST), ("1", {}, "1", first)]
        if seen != wanted:
            raise CheckFailed(f"consumer, web and tasks went through {seen}, not {wanted}")
        return "a canary of the second release, all of it, and consumer, web and the tasks' image back on the first"

    def _live(self, consumer: str) -> tuple[str, dict[str, float], str, str]:
        """Return the version behind the consumer's alias, the shares of others, web's version, and the tasks' image."""
        outputs = self.environment.outputs()
        aliases: list[Mapping[str, Any]] = [
            self.aws("lambda").get_alias(FunctionName=function["function_name"], Name=function["alias"])
            for function in (outputs["consumers"][consumer], outputs["web"])
        ]
        task = outputs["batch"]["task_definitions"]["worker"]
        definition = self.aws("ecs").describe_task_definition(taskDefinition=task)["taskDefinition"]
        image = definition["containerDefinitions"][0]["image"].rpartition("@")[2]
        shares = aliases[0].get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
        return aliases[0]["FunctionVersion"], shares, aliases[1]["FunctionVersion"], image

    def changes(self) -> str:
        return changes.through(self.terraform)

    def kept(self) -> str:
        root = self.terraform.directory.parent.parent / "tests" / "kept"
        offline(root, None, endpoint=self.endpoint)
        with _shell(self.shell):
            return keeping.through(self.aws, Terraform(root, self.terraform.plugins))

    def destroy(self) -> str:
        self.terraform.run("destroy", "-auto-approve", "-input=false", "-no-color")
        if left := [*emulated.leftovers(self.aws), *self.alarms.held]:
            raise CheckFailed(f"left behind: {', '.join(left)}")
        return "nothing left"


def _push_something(ecr: Any, reference: str, architecture: str, model: Path | None) -> None:
    """Put an image's manifest where the image would be pushed: the emulator looks no further."""
    del model
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": f"sha256:{'c' * 64}"}
    media_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": []}
    repository, _, tag = reference.partition("/")[2].partition(":")
    if not tag.endswith(architecture):
        raise CheckFailed(f"the tag {tag} does not name the architecture {architecture}")
    text = json.dumps(manifest)
    ecr.put_image(repositoryName=repository, imageTag=tag, imageManifest=text, imageManifestMediaType=media_type)


@contextmanager
def _shell(variables: Mapping[str, str]) -> Iterator[None]:
    """Make this process's environment that of an operator's shell with *variables* set."""
    before = dict(os.environ)
    changed = {**environment(), **variables}
    os.environ.clear()
    os.environ.update(changed)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def main() -> int:
    """Run the steps; return the exit code."""
    if not shutil.which("terraform"):
        print("Terraform 1.11 or newer is needed: install it and try again")
        return 2
    tree = copy_of_infra(_BUILD)
    root = tree / "envs" / "dev"
    alarms = AlarmService()
    with EmbeddedAws(region=emulated.REGION) as embedded, serving(alarms, embedded.endpoint_url) as cloudwatch:
        offline(root, tree / "tests" / "local.tfvars", endpoint=embedded.endpoint_url, cloudwatch=cloudwatch)
        steps = Steps(Terraform(root, provider_folder()), embedded.endpoint_url, alarms)
        run = [
            steps.preflight,
            steps.deploy,
            steps.no_drift,
            steps.names,
            steps.policies,
            steps.ride,
            steps.arrival,
            steps.rollback,
            steps.changes,
            steps.kept,
            steps.destroy,
        ]
        return report(run, each_rests_on_the_last=True)


if __name__ == "__main__":
    sys.exit(main())
