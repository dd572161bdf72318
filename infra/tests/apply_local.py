"""
``make infra-apply-local``: bootstrap and deploy ``infra/envs/dev`` on an emulator on loopback, use it, and destroy it.

It is dev but for one word: its buckets are not disposable, as those of prod are not.

It ends with a line that counts the checks, as ``make infra-test`` does.
"""

import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from infra import release
from infra.bootstrapping import Bootstrap, read_settings
from infra.environment import Environment, recorded
from infra.preflight.inspection import Deployment, findings
from infra.state import Resource, resources
from infra.tests import (
    archives,
    arrivals,
    bootstrapped,
    canaries,
    changes,
    deploying,
    dispatching,
    emulated,
    interface_roles,
    keeping,
    monitored,
    monitors,
    names,
    policies,
    promotions,
    ride,
    trainings,
)
from infra.tests.alarm_service import AlarmService, SavedQueries, serving
from infra.tests.check import Checks
from infra.tests.recorded import recording
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
    queries: SavedQueries
    calls: set[str]
    before: Counter[str] = field(default_factory=Counter)

    def aws(self, service: str) -> Any:
        return emulated.session().client(service, endpoint_url=self.endpoint)  # type: ignore[call-overload] # any service

    @cached_property
    def environment(self) -> Environment:
        return Environment(self.terraform.directory, approve=True, quiet=True)

    @property
    def foundation(self) -> Terraform:
        return replace(self.terraform, directory=self.terraform.directory.parent.parent / "bootstrap")

    def bootstrap(self) -> str:
        tree = self.foundation.directory.parent
        target = Bootstrap(tree, "dev", ACCOUNT, emulated.REGION, approve=True, quiet=True)
        clone = copy_of_infra(tree.parent / "clone")
        said = bootstrapped.through(self.aws, target, clone, self.terraform.plugins, dict(self.terraform.shell))
        self.calls.clear()
        self.before.update(emulated.holdings(self.aws))
        return said

    def preflight(self) -> str:
        """What it asks of AWS; the image is a manifest alone."""
        found = {item.subject: item for item in findings(Deployment(self.terraform.directory, None, ""), os.environ)}
        asked = [found[subject] for subject in ("region", "identity", "concurrency", "state")]
        if faults := [str(item) for item in asked if item.blocks or item.remedy]:
            raise CheckFailed("\n".join(faults))
        return "; ".join(item.seen for item in asked)

    def deploy(self) -> str:
        models = read_settings(self.terraform.directory)["bootstrap"]["models_bucket"]
        ride.upload_model(self.aws("s3"), f"s3://{models}/models/ride-duration/1")  # as tests/local.tfvars says
        release.deploy(self.environment, None, _push_something, doors=True, training=True)
        return f"{len(self.resources)} resources in one apply, after the model was there"

    @property
    def resources(self) -> list[Any]:
        return list(resources(self.terraform.show()))

    @property
    def kept(self) -> list[Resource]:
        return list(resources(self.foundation.show()))

    def no_drift(self) -> str:
        self.terraform.run("plan", "-input=false", "-no-color", "-out=again.tfplan")
        seen = emulated.drift(self.terraform.show("again.tfplan"))
        held = f"{len(self.alarms.held)} alarms and {len(self.queries.held)} saved queries as planned"
        return f"only what the emulator is known for ({', '.join(seen)}); {held}"

    def policies(self) -> str:
        found = [*self.resources, *(item for item in self.kept if item.kind != "aws_iam_role")]
        [made] = [resource.values for resource in found if resource.kind == "aws_kms_key"]
        key = Key(made["arn"], json.loads(made["policy"]))
        [consumer] = consumers(found, key)
        roles = interface_roles.roles(found, key)
        dispatch = dispatching.role(found)
        beside = (
            interface_roles.is_of_an_interface,
            canaries.is_of_a_canary,
            dispatching.is_of_a_trigger,
            monitors.is_of_the_monitor,
        )
        cases = policies.resource_cases([item for item in found if not any(of(item) for of in beside)], consumer)
        cases += dispatching.cases(found, dispatch)
        tools = Checks(self.terraform.directory.parent.parent, None, Path()).simulator
        # `make infra-test` evaluates the interfaces' policies in the plan, which is slow. Here they are only compared.
        return policies.compare([consumer, dispatch], [*cases, *interface_roles.cases(found, roles)], tools)

    def names(self) -> str:
        return names.agree(self.resources)

    def ride(self) -> str:
        return ride.through(self.aws, self.environment.outputs(), self.endpoint)

    def monitor(self) -> str:
        return monitored.through(self.aws, self.environment.outputs(), self.endpoint)

    def arrival(self) -> str:
        return arrivals.through(self.aws, self.environment.outputs()["batch"])

    def promotion(self) -> str:
        return promotions.through(self.aws, self.environment.outputs(), self.environment.models_bucket())

    def training(self) -> str:
        return trainings.through(self.aws, self.environment.outputs()["training"])

    def archive(self) -> str:
        return archives.through(self.aws, self.environment.outputs(), self.endpoint)

    def rollback(self) -> str:
        outputs = self.environment.outputs()
        images = {"image_digest": _NEXT_DIGEST, "doors_image_digest": _NEXT_DIGEST}
        [name] = outputs["consumers"]
        share = {"version": "1", "canary_weight": 0.25}
        now, hour = datetime.now(UTC), timedelta(hours=1)
        seen, schedules = [], []
        for until in (now + hour, now - hour, None):
            releases = {name: share | {"canary_until": f"{until:%Y-%m-%dT%H:%M:%SZ}"}} if until else {}
            self.environment.apply({**recorded(outputs), **images, "releases": releases})
            seen.append(self._live(name))
            schedules.append(self._ends_of_canaries())
        release.rollback(self.environment, None, None)
        seen.append(self._live(name))
        first = outputs["doors_image_digest"]
        wanted = [
            ("1", {"2": 0.25}, "2", _NEXT_DIGEST),
            ("1", {}, "2", _NEXT_DIGEST),
            ("2", {}, "2", _NEXT_DIGEST),
            ("1", {}, "1", first),
        ]
        ending = [outputs["consumers"][name]["function_name"]]
        if (seen, schedules) != (wanted, [ending, ending, []]):
            raise CheckFailed(f"consumer, web and tasks went through {seen}, not {wanted}, with schedules {schedules}")
        return "a canary of the second release, its end, all of it, and consumer, web and tasks back on the first"

    def _ends_of_canaries(self) -> list[str]:
        """Return the functions whose canaries have a time to end."""
        found = self.aws("scheduler").list_schedules(GroupName="stream-consumer-dev-ends-canaries")["Schedules"]
        return [schedule["Name"] for schedule in found]

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
        return changes.through(self.aws, self.terraform, self._files)

    def permissions(self) -> str:
        """Since the bootstrap, whatever was asked of AWS was asked as a deployment asks it."""
        return deploying.allows(self.calls)

    @property
    def _files(self) -> str:
        return f"stream-consumer-dev-batch-{ACCOUNT}"

    def destroy(self) -> str:
        outputs = self.environment.outputs()
        said = keeping.through(
            self.aws,
            self.terraform,
            full=outputs["failures_bucket"],
            empty=self._files,
            stream=outputs["input_stream"],
        )
        left = emulated.holdings(self.aws) - self.before
        if left or self.alarms.held or self.queries.held:
            raise CheckFailed(f"left behind: {dict(left)}, {', '.join([*self.alarms.held, *self.queries.held])}")
        return f"{said}; {bootstrapped.is_kept(self.foundation, 'dev')}"


def _push_something(ecr: Any, reference: str, kind: str, architecture: str, model: Path | None) -> None:
    """Put an image's manifest where the image would be pushed: the emulator looks no further."""
    del model
    if f"{kind}-" not in reference.rpartition(":")[2]:
        raise CheckFailed(f"{reference} does not name the kind {kind}")
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": f"sha256:{'c' * 64}"}
    media_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": []}
    repository, _, tag = reference.partition("/")[2].partition(":")
    if not tag.endswith(architecture):
        raise CheckFailed(f"the tag {tag} does not name the architecture {architecture}")
    text = json.dumps(manifest)
    ecr.put_image(repositoryName=repository, imageTag=tag, imageManifest=text, imageManifestMediaType=media_type)


def _operator(plugins: Path | None, endpoint: str) -> dict[str, str]:
    """Return what an operator's shell has: credentials, a region, and here the emulator and the provider on disk."""
    keys = {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": emulated.REGION}
    on_disk = {"TF_CLI_ARGS_init": f"-plugin-dir={plugins}"} if plugins else {}
    return {**keys, **on_disk, "AWS_ENDPOINT_URL": endpoint}


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
    tree, plugins = copy_of_infra(_BUILD / "tree"), provider_folder()
    root = tree / "envs" / "dev"
    alarms, queries = AlarmService(), SavedQueries()
    kept = (root / "main.tf").read_text("utf-8").replace("= true\n}", "= false\n}")
    (root / "main.tf").write_text(kept, encoding="utf-8")
    calls: set[str] = set()
    with (
        EmbeddedAws(region=emulated.REGION) as embedded,
        serving(alarms, queries, embedded.endpoint_url) as cloudwatch,
        recording(calls, embedded.endpoint_url) as proxy,
        recording(calls, cloudwatch) as proxy_cloudwatch,
    ):
        offline(root, tree / "tests" / "local.tfvars", endpoint=proxy, cloudwatch=proxy_cloudwatch)
        steps = Steps(
            Terraform(root, plugins, _operator(plugins, proxy)), embedded.endpoint_url, alarms, queries, calls
        )
        run = [
            steps.bootstrap,
            steps.preflight,
            steps.deploy,
            steps.no_drift,
            steps.names,
            steps.policies,
            steps.ride,
            steps.monitor,
            steps.arrival,
            steps.promotion,
            steps.training,
            steps.archive,
            steps.rollback,
            steps.changes,
            steps.permissions,
            steps.destroy,
        ]
        with _shell(steps.terraform.shell):
            return report(run, each_rests_on_the_last=True)


if __name__ == "__main__":
    sys.exit(main())
