"""
``make infra-test``: check ``infra/`` with the real provider, without an account. Prints a line for each check.

The last line counts what passed, failed and was skipped for want of a tool; a tool that is missing never passes.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from infra.tests import policies, readme, rules, scan
from infra.tests.report import Skipped, report
from infra.tests.situations import Consumer, Key, consumers
from infra.tests.terraform import (
    DIGEST,
    INFRA,
    KEY,
    CheckFailed,
    Terraform,
    copy_of_infra,
    offline,
    provider_folder,
    resources,
)

_BUILD = INFRA.parent / "build" / "infra"


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

    def format(self) -> str:
        Terraform(self.tree, None).run("fmt", "-check", "-recursive", "-diff", "-no-color")
        return "terraform fmt"

    def validate(self) -> str:
        def one(directory: Path) -> int:
            terraform = Terraform(directory, self.plugins)
            terraform.init()
            return terraform.run("validate", "-no-color").returncode

        _in_parallel(one, [*self.modules, *self.roots])
        return f"{len(self.modules)} modules, {len(self.roots)} environments"

    def test(self) -> str:
        def one(module: Path) -> int:
            said = Terraform(module, self.plugins).run("test", "-no-color").stdout
            return said.count("... pass\n") - said.count("tftest.hcl... pass\n")

        tested = [module for module in self.modules if (module / "tests").is_dir()]
        return f"{sum(_in_parallel(one, tested))} runs in {len(tested)} modules"

    def rules(self) -> str:
        def one(module: Path) -> int:
            return rules.hold(module, _BUILD / "rules" / module.name)

        ruled = [module for module in self.modules if (module / "tests" / "rules.tftest.hcl").exists()]
        return f"{sum(_in_parallel(one, ruled))} validations, each missed by a case when it is taken away"

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
        """By environment, with a key given: what depends on a key to be made is not known before it is."""
        given = [f"-var=image_digest={DIGEST}", f"-var=kms_key_arn={KEY}"]
        return {root.name: self._planned(root, root / "terraform.tfvars.example", *given) for root in self.roots}

    @cached_property
    def scanned_plans(self) -> list[Path]:
        """The plans as files, in the tree: the scanners look up there what a plan was made from."""
        files = [self.tree / "envs" / name / "plan.json" for name in self.plans]
        for file, plan in zip(files, self.plans.values(), strict=True):
            file.write_text(json.dumps(plan), encoding="utf-8")
        return files

    def _planned(self, root: Path, tfvars: Path, *variables: str) -> dict[str, Any]:
        offline(root, tfvars)
        terraform = Terraform(root, self.plugins)
        terraform.init(backend=True)
        terraform.run("plan", "-no-color", "-input=false", "-out=out.tfplan", *variables)
        return terraform.show("out.tfplan")

    @cached_property
    def key(self) -> Key:
        """The key that dev makes for itself, under the ARN that the plans were given."""
        dev = self.tree / "envs" / "dev"
        made = resources(self._planned(dev, dev / "terraform.tfvars.example", f"-var=image_digest={DIGEST}"))
        [policy] = [resource.values["policy"] for resource in made if resource.kind == "aws_kms_key"]
        return Key(KEY, json.loads(policy.replace("-dev-", "-prod-")))

    def policies(self) -> str:
        found = list(resources(self.plans["prod"]))
        module = shutil.copytree(INFRA / "modules" / "consumer", _BUILD / "consumer", dirs_exist_ok=True)
        alone = self._planned(module, self.tree / "tests" / "fan_out.tfvars")
        deployed = [*consumers(found, self.key), *consumers(resources(alone), self.key)]
        if len(deployed) != 2:  # noqa: PLR2004 (ride-duration of prod, and the trial on its own)
            raise CheckFailed(
                f"the policies of {[consumer.name for consumer in deployed]} are known, not those of two consumers"
            )
        return policies.compare(deployed, policies.resource_cases(found, deployed[0]), self.simulator)

    def widened(self) -> str:
        """A policy that allows too much, or too little, must not pass: else the evaluation proves nothing."""
        [consumer, *_] = consumers(resources(self.plans["prod"]), self.key)
        mutants = list(_mutants(consumer))
        for name, mutant in mutants:
            try:
                policies.compare([mutant], [], self.simulator)
            except CheckFailed:
                continue
            raise CheckFailed(f"nobody noticed a policy {name}")
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
        wanted = {
            INFRA / "modules" / module.name / "README.md": readme.module_readme(module) for module in self.modules
        }
        main = INFRA / "README.md"
        table = readme.alarms_table(self.plans["prod"], "ride-duration")
        wanted[main] = readme.with_alarms(main.read_text(encoding="utf-8"), table)
        for file, text in wanted.items():
            if write:
                file.write_text(text, encoding="utf-8")
            elif not file.exists() or file.read_text(encoding="utf-8") != text:
                raise CheckFailed(f"{file.relative_to(INFRA.parent)} is not what the code says; make infra-readme")
        return f"{len(wanted)} READMEs in step with the code"


def _mutants(consumer: Consumer) -> Iterable[tuple[str, Consumer]]:
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


def _in_parallel(work: Callable[[Path], int], directories: Sequence[Path]) -> list[int]:
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(work, directories))


def main(arguments: Sequence[str]) -> int:
    """Run the checks, or bring the READMEs into step; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tools", type=Path, default=Path(), help="where checkov and trivy are, if not on the PATH")
    parser.add_argument("--write-readmes", action="store_true", help="bring the READMEs into step with the code")
    options = parser.parse_args(arguments)
    if not shutil.which("terraform"):
        print("Terraform 1.11 or newer is needed: install it and try again")
        return 2
    checks = Checks(copy_of_infra(_BUILD / "tree"), provider_folder(), options.tools.resolve())
    if options.write_readmes:
        print(checks.readmes(write=True))
        return 0
    print(f"provider: {checks.plugins or 'from the registry'}")
    run = [checks.format, checks.environments, checks.validate, checks.test, checks.rules, checks.plan, checks.policies]
    return report([*run, checks.widened, checks.checkov, checks.trivy, checks.readmes])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
