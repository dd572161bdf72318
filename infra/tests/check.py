"""
``make infra-test``: check ``infra/`` with the real provider, without an account. Prints a line for each check.

The last line counts what passed, failed and was skipped for want of a tool; a tool that is missing never passes.
"""

import argparse
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from infra.state import Resource, resources
from infra.tests import (
    archive_roles,
    bill,
    canaries,
    concurrency,
    deploying,
    dispatching,
    images,
    interface_roles,
    kafka_roles,
    monitors,
    names,
    policies,
    readme,
    rules,
    scan,
    training_roles,
)
from infra.tests.policies import Subject
from infra.tests.report import Skipped, report
from infra.tests.situations import Consumer, Key, consumers
from infra.tests.terraform import (
    ACCOUNT,
    DIGEST,
    INFRA,
    KEY,
    REGION,
    REPOSITORY,
    CheckFailed,
    Terraform,
    copy_of_infra,
    offline,
    provider_folder,
    runs,
)

_BUILD = INFRA.parent / "build" / "infra"
_PARTS = {
    *("batch", "execution", "interval", "schedules", "schedules of functions", "starter", "web", "worker"),
    *("training", "schedules of training"),
    *monitors.PARTS,
    *("archive", "quality", "schedules of quality"),
}
_ALARMS = {
    "alarms": "ride-duration",
    "alarms of batch": "batch",
    "alarms of web": "web",
    "alarms of training": "training",
    "alarms of the monitor": "monitor",
    "alarms of releases": "releases",
    "alarms of kafka": "kafka",
    "alarms of archive": "archive",
    "alarms of quality": "quality",
}
_ROLES = {"path": "/apps/", "permissions_boundary": f"arn:aws:iam::{ACCOUNT}:policy/limit"}
# In the examples of prod and of Kafka, at every depth. By each of these names the plan must fail.
_MISSPELT = (
    "retention_hours",
    "enhanced_fan_out",
    "parallelization_factor",
    "dead_letters",
    "max_tasks",
    "reserved_concurrency",
    "threshold",
    "kms_key_arn",
    "instance_type",
    "offset_lag",
    "authentication",
    "maximum",
    "window_seconds",
    "keep_days",
    "group",
)
_NAMED = {
    "input.retention_hoursx",
    "consumers.ride-duration.output.retention_hoursx",
    "consumers.ride-duration.challenger.thresholdx",
    "consumers.ride-duration.challenger.stream.kms_key_arnx",
    "consumers.ride-duration.function.reserved_concurrencyx",
    "consumers.ride-duration.mapping.parallelization_factorx",
    "consumers.ride-duration-trial.enhanced_fan_outx",
    "consumers.ride-duration-trial.function.reserved_concurrencyx",
    "consumers.ride-duration-trial.alarms.dead_lettersx",
    "batch.task.max_tasksx",
    "web.function.reserved_concurrencyx",
    "training.job.instance_typex",
    "cluster.authenticationx",
    "mapping.pollers.maximumx",
    "alarms.offset_lagx",
    "monitor.mapping.window_secondsx",
    "archive.keep_daysx",
    "archive.quality.ride-duration.groupx",
}
_PLACE = [f"-var=account_id={ACCOUNT}", f"-var=region={REGION}"]
_STANDS_IN = [*_PLACE, f"-var=github_repository={REPOSITORY}"]
_EXAMPLES = ("doors", "training", "monitor", "archive")
"""Of what prod may have besides; the first two have an image of their own."""
_REPOSITORIES = {"lean": "", "doors": "-doors", "training": "-training"}
S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True)
class Checks:
    """The checks, over one copy of ``infra/``; each returns what it has seen."""

    tree: Path
    plugins: Path | None
    tools: Path

    @property
    def modules(self) -> list[Path]:
        return sorted(path for path in (self.tree / "modules").iterdir() if path.is_dir())

    @property
    def roots(self) -> list[Path]:
        return sorted(path for path in (self.tree / "envs").iterdir() if path.is_dir())

    @property
    def bootstrap(self) -> Path:
        return self.tree / "bootstrap"

    @property
    def kafka(self) -> Path:
        return self.tree / "kafka"

    def format(self) -> str:
        Terraform(self.tree, None).run("fmt", "-check", "-recursive", "-diff", "-no-color")
        return "terraform fmt"

    def validate(self) -> str:
        def one(directory: Path) -> int:
            terraform = Terraform(directory, self.plugins)
            terraform.init()
            return terraform.run("validate", "-no-color").returncode

        _in_parallel(one, [*self.modules, *self.roots, self.bootstrap, self.kafka])
        return f"{len(self.modules)} modules, {len(self.roots)} environments, what they stand on, and that of Kafka"

    def test(self) -> str:
        """Behaviour only: a case of the rules needs no provider, and :meth:`rules` runs them."""
        file = Path("tests") / "behaviour.tftest.hcl"

        def one(module: Path) -> int:
            return runs(Terraform(module, self.plugins).run("test", "-no-color", f"-filter={file}").stdout)

        tested = [module for module in self.modules if (module / file).exists()]
        return f"{sum(_in_parallel(one, tested))} runs in {len(tested)} modules"

    def rules(self) -> str:
        def one(module: Path) -> tuple[int, int]:
            return rules.hold(module, _BUILD / "rules" / module.name)

        ruled = [
            module for module in (*self.modules, self.bootstrap) if (module / "tests" / "rules.tftest.hcl").exists()
        ]
        held = _in_parallel(one, ruled)
        cases, validations = (sum(counted) for counted in zip(*held, strict=True))
        return f"{cases} cases; {validations} validations, each missed by a case when it is taken away"

    def environments(self) -> str:
        texts = {(root / "variables.tf").read_text(encoding="utf-8") for root in self.roots}
        if len(texts) != 1:
            raise CheckFailed(
                "envs/*/variables.tf differ: what differs between environments belongs in main.tf or the tfvars"
            )
        return "the same variables everywhere"

    def plan(self) -> str:
        return ", ".join(f"{name}: {len(list(resources(plan)))} resources" for name, plan in self.plans.items())

    @cached_property
    def plans(self) -> dict[str, dict[str, Any]]:
        """By environment, as its example makes it."""
        return {
            root.name: self._planned(root, root / "terraform.tfvars.example", *_given(root), *_interfaces_of(root))
            for root in self.roots
        }

    @cached_property
    def kafka_plan(self) -> dict[str, Any]:
        """That of the consumer of Kafka, as its example makes it, in prod."""
        return self._planned(self.kafka, self.kafka / "terraform.tfvars.example", *_given(self.tree / "envs" / "prod"))

    @cached_property
    def bootstraps(self) -> dict[str, dict[str, Any]]:
        """What each environment stands on; the first in an account makes GitHub's provider."""
        return {
            "dev": self._planned(self.bootstrap, None, "-var=environment=dev", *_STANDS_IN),
            "prod": self._planned(
                self.bootstrap, None, "-var=environment=prod", *_STANDS_IN, "-var=makes_github_provider=false"
            ),
        }

    @cached_property
    def deploy_role(self) -> deploying.DeployRole:
        """That of prod, with the rules of an organisation, and a key that is given: one to be made has no ARN yet."""
        own = [f"-var=kms_key_arn={KEY}", f"-var=roles={json.dumps(_ROLES)}", '-var=buckets=["company-rides"]']
        plan = self._planned(self.bootstrap, None, "-var=environment=prod", *_STANDS_IN, *own)
        return deploying.role(resources(plan), self.key, _ROLES["permissions_boundary"])

    def deploy_policies(self) -> str:
        role = self.deploy_role
        said = policies.compare([role], [*deploying.cases(role)], self.simulator)
        longest = max(len(policy) for policy in role.policies.values())
        return f"{said}; {len(role.policies)} policies of at most {longest} characters"

    @property
    def bills(self) -> dict[str, dict[str, float]]:
        """By environment, as its example makes it, on what it stands on."""
        return {
            name: bill.idle_bill([*resources(plan), *resources(self.bootstraps[name])])
            for name, plan in self.plans.items()
        }

    @cached_property
    def twins(self) -> dict[str, dict[str, Any]]:
        """Every environment from the same variables: the example of dev, with the interfaces."""
        interfaces_too = _interfaces_of(self.tree / "envs" / "prod")
        example = self.tree / "envs" / "dev" / "terraform.tfvars.example"
        given = [f"-var=roles={json.dumps(_ROLES)}", *interfaces_too]
        return {root.name: self._planned(root, example, *_given(root), *given) for root in self.roots}

    def names(self) -> str:
        dev, prod = ([*resources(self.twins[name]), *resources(self.bootstraps[name])] for name in ("dev", "prod"))
        return names.apart(dev, prod)

    def roles(self) -> str:
        """Every role has the path and the boundary that an organisation asks for, and is handed over by its path."""
        made = list(resources(self.twins["dev"]))
        roles = [item.values for item in made if item.kind == "aws_iam_role"]
        if wrong := [role["name"] for role in roles if not _ROLES.items() <= role.items()]:
            raise CheckFailed(f"without the path or the boundary: {', '.join(wrong)}")
        policies_known = [item.values.get("policy") or "" for item in made if item.kind == "aws_iam_role_policy"]
        handed = {arn for policy in policies_known for arn in re.findall(r"arn:aws:iam::\d+:role(/[^\"]+)", policy)}
        if stray := {arn for arn in handed if not arn.startswith(_ROLES["path"])} or not handed:
            raise CheckFailed(f"roles that are handed over by another path: {stray}")
        return f"{len(roles)} roles, {len(handed)} of them handed over"

    def typos(self) -> str:
        """An attribute that no variable has is refused by its path: Terraform drops it without a word."""
        root = self.tree / "envs" / "prod"
        examples = [root / f"{name}.tfvars.example" for name in ("terraform", *_EXAMPLES)]
        _ = self.plans, self.kafka_plan  # which initialise the roots
        digests = [f"-var={kind}_image_digest={DIGEST}" for kind in ("doors", "training")]
        named = _misspelt(Terraform(root, self.plugins), examples, *_given(root), *digests)
        example = self.kafka / "terraform.tfvars.example"
        named |= _misspelt(Terraform(self.kafka, self.plugins), [example], *_given(root))
        if named != _NAMED:
            raise CheckFailed(
                f"misspelt attributes that are not named: {_NAMED - named}; named by mistake: {named - _NAMED}"
            )
        return f"{len(named)} misspelt attributes are named by their paths"

    def concurrency(self) -> str:
        concurrency.defaults_agree(resources(self.interface_plan))
        sums = {
            root.name: concurrency.agrees(root, _BUILD / "asked" / root.name, resources(self.plans[root.name]))
            for root in self.roots
        }
        return ", ".join(f"{name}: {taken} reserved or provisioned" for name, taken in sums.items())

    def images(self) -> str:
        return images.spared(resources(self.bootstraps["prod"]))

    @cached_property
    def scanned_plans(self) -> list[Path]:
        """The plans as files, in the tree: the scanners look up there what a plan was made from."""
        plans = {self.tree / "envs" / name: plan for name, plan in self.plans.items()}
        plans[self.bootstrap] = self.bootstraps["dev"]
        plans[self.tree / "tests" / "interface_forms"] = self.interface_plan
        plans[self.kafka] = self.kafka_plan
        for root, plan in plans.items():
            (root / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        return [root / "plan.json" for root in plans]

    def _planned(self, root: Path, tfvars: Path | None, *variables: str) -> dict[str, Any]:
        offline(root, tfvars)
        terraform = Terraform(root, self.plugins)
        terraform.init(backend=True)
        terraform.run("plan", "-no-color", "-input=false", "-out=out.tfplan", *variables)
        return terraform.show("out.tfplan")

    @cached_property
    def key(self) -> Key:
        """The key that prod stands on, under the ARN that the plans were given."""
        made = resources(self.bootstraps["prod"])
        [policy] = [resource.values["policy"] for resource in made if resource.kind == "aws_kms_key"]
        return Key(KEY, json.loads(policy))

    @cached_property
    def interface_plan(self) -> dict[str, Any]:
        """The plan of the interfaces in each of their forms."""
        return self._planned(self.tree / "tests" / "interface_forms", None)

    def policies(self) -> str:
        found = [item for item in resources(self.plans["prod"]) if not _is_beside(item)]
        modules = shutil.copytree(INFRA / "modules", _BUILD / "alone" / "modules", dirs_exist_ok=True)
        alone = self._planned(modules / "consumer", self.tree / "tests" / "fan_out.tfvars")
        deployed = [*consumers(found, self.key), *consumers(resources(alone), self.key)]
        if len(deployed) != 2:  # noqa: PLR2004 (ride-duration of prod, and the trial on its own)
            raise CheckFailed(
                f"the policies of {[consumer.name for consumer in deployed]} are known, not those of two consumers"
            )
        beside = [item for item in resources(self.bootstraps["prod"]) if item.kind != "aws_iam_role"]
        ends = canaries.role(found)
        of_consumers = [*(item for item in found if not canaries.is_of_a_canary(item)), *beside]
        cases = [*policies.resource_cases(of_consumers, deployed[0]), *canaries.cases(ends)]
        return policies.compare([*deployed, ends], cases, self.simulator)

    def interface_policies(self) -> str:
        found = list(resources(self.interface_plan))
        archives = archive_roles.roles(found, self.key)
        others = _roles_beside(found, self.key)
        roles = [*others, *archives]
        if missing := _PARTS - {role.part for role in roles}:
            raise CheckFailed(f"the interfaces have no role {', '.join(sorted(missing))}")
        of_lambda = [role for role in archives if role.part != "archive"]
        cases = [*interface_roles.cases(found, [*others, *of_lambda]), *archive_roles.cases(archives)]
        return policies.compare(_one_of_each(roles), cases, self.simulator)

    @cached_property
    def kafka_consumers(self) -> list[kafka_roles.KafkaConsumer]:
        """Of Amazon MSK by a role and by a password, and of a cluster of one's own."""
        found = [*resources(self.kafka_plan), *resources(self.interface_plan)]
        return kafka_roles.kafka_consumers(found, self.key)

    def kafka_policies(self) -> str:
        found = self.kafka_consumers
        if len(found) != 3:  # noqa: PLR2004 (the ways to log in that have permissions of their own)
            raise CheckFailed(f"the consumers of Kafka are {[consumer.name for consumer in found]}, not three")
        said = policies.compare(found, [], self.simulator)
        return f"{said}; {names.known(name for consumer in found for name in consumer.settings)} settings"

    def dispatch_policies(self) -> str:
        found = list(resources(self.interface_plan))
        role = dispatching.role(found)
        return policies.compare([role], dispatching.cases(found, role), self.simulator)

    def widened(self) -> str:
        """A policy that allows too much, or too little, must not pass: else the evaluation proves nothing."""
        [consumer, *_] = consumers(resources(self.plans["prod"]), self.key)
        made = list(resources(self.interface_plan))
        of_interfaces = {
            role.part: role for role in [*_roles_beside(made, self.key), *archive_roles.roles(made, self.key)]
        }
        dispatch = dispatching.role(made)
        mutants = [*_mutants(consumer), *_interface_mutants(of_interfaces), *_deploy_mutants(self.deploy_role)]
        mutants.append(("of the dispatch on every API destination", _replaced(dispatch, f"{dispatch.name}/*", "*")))
        ends = canaries.role(resources(self.plans["prod"]))
        wider = {name: text.replace("ride-duration", "*") for name, text in ends.policies.items()}
        mutants.append(("to end canaries of every function", replace(ends, policies=wider)))
        mutants += kafka_roles.kafka_mutants(self.kafka_consumers[0])
        # The role as it is comes last, and nothing may be noticed of it.
        *noticed, sound = policies.noticed([*(mutant for _, mutant in mutants), consumer], self.simulator)
        if sound:
            raise CheckFailed(f"{consumer.name} is taken for one that may do too much, or too little")
        if unnoticed := [name for (name, _), seen in zip(mutants, noticed, strict=True) if not seen]:
            raise CheckFailed(f"nobody noticed a policy {', '.join(unnoticed)}")
        return ", ".join(f"noticed: {name}" for name, _ in mutants)

    @cached_property
    def simulator(self) -> Path:
        if not (shutil.which("node") and shutil.which("npm")):
            raise Skipped("node and npm are not installed")
        here = self.tree / "tests"
        scan.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], here)
        return here

    def checkov(self) -> str:
        return scan.checkov(self.tool("checkov"), self.tree, self.scanned_plans)

    def trivy(self) -> str:
        return scan.trivy(self.tool("trivy"), self.tree, self.scanned_plans)

    def tool(self, name: str) -> str:
        for place in (self.tools / name, shutil.which(name)):
            if place and Path(place).exists():
                return str(place)
        raise Skipped(f"{name} is not installed")

    def readmes(self, *, write: bool = False) -> str:
        described = [*self.modules, self.bootstrap]
        wanted = {
            INFRA / module.relative_to(self.tree) / "README.md": readme.module_readme(module) for module in described
        }
        main = INFRA / "README.md"
        wanted[main] = main.read_text(encoding="utf-8")
        for marker, group in _ALARMS.items():
            table = readme.alarms_table(self.kafka_plan if group == "kafka" else self.plans["prod"], group)
            wanted[main] = readme.with_alarms(wanted[main], marker, table)
        queries = readme.queries_table(self.tree / "modules" / "observability")
        wanted[main] = readme.with_alarms(wanted[main], "saved queries", queries)
        wanted[main] = readme.with_alarms(wanted[main], "idle bill", bill.table(self.bills))
        for file, text in wanted.items():
            if write:
                file.write_text(text, encoding="utf-8")
            elif not file.exists() or file.read_text(encoding="utf-8") != text:
                raise CheckFailed(f"{file.relative_to(INFRA.parent)} is not what the code says; make infra-readme")
        return f"{len(wanted)} READMEs in step with the code"


def _given(root: Path) -> list[str]:
    """Return what `make bootstrap` and `make deploy` write for the environment of *root*."""
    name = f"stream-consumer-{root.name}"
    urls = {kind: f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{name}{end}" for kind, end in _REPOSITORIES.items()}
    stands_on = {"kms_key_arn": KEY, "models_bucket": f"{name}-models-{ACCOUNT}", "repositories": urls}
    return [*_PLACE, f"-var=bootstrap={json.dumps(stands_on)}", f"-var=image_digest={DIGEST}"]


def _misspelt(tools: Terraform, examples: Sequence[Path], *given: str) -> set[str]:
    """Return the attributes that a plan of *examples* refuses by their paths when some are misspelt."""
    text = "\n".join(example.read_text(encoding="utf-8") for example in examples)
    file = _BUILD / "typos.tfvars"
    file.write_text(re.sub(rf"\b({'|'.join(_MISSPELT)})(?= +=)", r"\1x", text), encoding="utf-8")
    done = tools.run("plan", "-no-color", "-input=false", f"-var-file={file}", *given, accepted=(0, 1))
    return set(re.findall(r"[\w-]+(?:\.[\w-]+)+x\b", done.stderr))


def _interfaces_of(root: Path) -> list[str]:
    """Return what brings the examples beside the consumers into a plan of *root*, if it has them."""
    examples = [root / f"{kind}.tfvars.example" for kind in _EXAMPLES]
    digests = [f"-var={kind}_image_digest={DIGEST}" for kind in ("doors", "training")]
    return [*(f"-var-file={example}" for example in examples), *digests] if examples[0].exists() else []


def _roles_beside(found: Sequence[Resource], key: Key) -> list[interface_roles.Role]:
    return [*interface_roles.roles(found, key), *training_roles.roles(found, key), *monitors.roles(found, key)]


def _one_of_each(roles: Iterable[interface_roles.Role]) -> list[interface_roles.Role]:
    """Leave out the roles that are the same in another form of their interface."""
    return list({role.part: role for role in roles}.values())


def _mutants(consumer: Consumer) -> Iterable[tuple[str, Subject]]:
    [consume] = [name for name in consumer.policies if name.endswith('["consume"]')]
    [keys] = [name for name in consumer.policies if name.endswith('["use-keys"]')]
    statements = json.loads(consumer.policies[consume])["Statement"]
    uses = json.loads(consumer.policies[keys])["Statement"]

    def with_policy(name: str, changed: Sequence[Mapping[str, Any]]) -> Consumer:
        text = json.dumps({"Version": "2012-10-17", "Statement": changed})
        return replace(consumer, policies={**consumer.policies, name: text})

    yield "with one more action", with_policy(consume, [{**statements[0], "Action": "kinesis:*"}, *statements[1:]])
    yield (
        "on more streams",
        with_policy(consume, [*statements[:1], {**statements[1], "Resource": "*"}, *statements[2:]]),
    )
    yield "without one statement", with_policy(consume, statements[1:])
    yield (
        "without a key's conditions",
        with_policy(keys, [{k: v for k, v in use.items() if k != "Condition"} for use in uses]),
    )


def _interface_mutants(roles: Mapping[str, interface_roles.Role]) -> Iterable[tuple[str, Subject]]:
    """Take from each role of the batch interface what narrows its most dangerous statement."""

    def changed(part: str, sid: str, **change: Any) -> Subject:
        def mutated(text: str) -> str:
            policy = json.loads(text)
            policy["Statement"] = [
                {key: value for key, value in (statement | change).items() if value is not None}
                if statement["Sid"] == sid
                else statement
                for statement in policy["Statement"]
            ]
            return json.dumps(policy)

        role = roles[part]
        return replace(role, policies={name: mutated(text) for name, text in role.policies.items()})

    yield "of the worker on every queue", changed("worker", "TakeAndSettleMessages", Resource="*")
    yield "of the starter on every cluster", changed("starter", "RunTheTask", Condition=None)
    yield "of the starter to hand its roles to anything", changed("starter", "HandRolesToTheTask", Condition=None)
    yield "of the starter's code in a VPC", changed("starter", "NotByTheCode", Action="ec2:DescribeVpcs")
    yield "of the schedules on every version", changed("schedules", "InvokeTheFunctions", Resource="*")
    yield "of training on every model", changed("training", "ReadAndAddModels", Resource="*")
    yield "of training with every metric", changed("training", "WriteItsMetrics", Condition=None)
    yield "of its schedule on every machine", changed("schedules of training", "StartTheJob", Condition=None)
    yield "of its schedule with every role", changed("schedules of training", "HandItsRoleToTheJob", Resource="*")
    yield "of the monitor on every object", changed("monitor", "KeepAndReadProfiles", Resource="*")
    yield "of the monitor that lists every folder", changed("monitor", "ListProfiles", Condition=None)
    yield "of the monitor that puts records", changed("monitor", "ReadInput", Action="kinesis:*")
    yield "of its schedule on every function", changed("schedules of the monitor", "InvokeTheFunction", Resource="*")
    yield "of an archive on every stream", changed("archive", "ReadTheStream", Resource="*")
    yield "of an archive without the key's conditions", changed("archive", "EncryptTheArchive", Condition=None)
    yield "of the daily run on every object", changed("quality", "KeepTheResults", Resource="*")
    yield "of its schedule on every function", changed("schedules of quality", "InvokeTheFunction", Resource="*")


R = TypeVar("R", interface_roles.Role, deploying.DeployRole)


def _replaced(role: R, old: str, new: str) -> R:
    return replace(role, policies={name: text.replace(old, new) for name, text in role.policies.items()})


def _deploy_mutants(role: deploying.DeployRole) -> Iterable[tuple[str, Subject]]:
    """Take from the deploy role what keeps it from giving itself, or anybody, more than it has."""

    def changed(old: str, new: str) -> Subject:
        return _replaced(role, old, new)

    yield "of the deploy role on every role", changed("role/apps/stream-consumer-prod-*", "role/*")
    yield "of the deploy role without the boundary", changed("iam:PermissionsBoundary", "aws:PrincipalType")
    yield (
        "of the deploy role on every environment",
        changed("function:stream-consumer-prod-", "function:stream-consumer-"),
    )
    yield (
        "of the deploy role on the bootstrap's state",
        changed("stream-consumer/prod.tfstate", "stream-consumer/prod*.tfstate"),
    )
    yield (
        "of the deploy role on the champion",
        changed("stream-consumer-prod-models-123456789012/releases/", "stream-consumer-prod-models-123456789012/*/"),
    )


def _is_beside(resource: Resource) -> bool:
    """Whether *resource* belongs to something else than the consumers."""
    beside = (interface_roles.is_of_an_interface, dispatching.is_of_a_trigger, monitors.is_of_the_monitor)
    return any(of(resource) for of in beside)


def _in_parallel(work: Callable[[S], T], items: Sequence[S]) -> list[T]:
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(work, items))


def main(arguments: Sequence[str]) -> int:
    """Run the checks, or bring the READMEs into step; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.tests.check",
        description="Check infra/ with the real Terraform provider, without an account. A check without its tool is "
        "skipped and never passes.",
    )
    parser.add_argument(
        "--tools", type=Path, default=Path(), metavar="FOLDER", help="Folder of checkov and trivy. Default: the PATH."
    )
    parser.add_argument("--write-readmes", action="store_true", help="Write the tables of the READMEs, and stop.")
    options = parser.parse_args(arguments)
    if not shutil.which("terraform"):
        print("Terraform 1.11 or newer is needed: install it and try again")
        return 2
    checks = Checks(copy_of_infra(_BUILD / "tree"), provider_folder(), options.tools.resolve())
    if options.write_readmes:
        print(checks.readmes(write=True))
        return 0
    print(f"provider: {checks.plugins or 'from the registry'}")
    run = [checks.format, checks.environments, checks.validate, checks.test, checks.rules, checks.plan, checks.names]
    run += [checks.typos, checks.concurrency, checks.images, checks.roles]
    run += [checks.policies, checks.interface_policies, checks.kafka_policies, checks.dispatch_policies]
    run += [checks.deploy_policies, checks.widened]
    run += [checks.checkov, checks.trivy, checks.readmes]
    return report(run)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
