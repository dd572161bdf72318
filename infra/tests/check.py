"""
``make infra-test``: check ``infra/`` with the real provider, without an account. Prints a line for each check.

The last line counts what passed, failed and was skipped for want of a tool; a tool that is missing never passes.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from infra.tests import policies, readme, rules
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


class Skipped(Exception):
    """A tool that the check needs is not here."""


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

    def _planned(self, root: Path, tfvars: Path, *variables: str) -> dict[str, Any]:
        offline(root, tfvars)
        terraform = Terraform(root, self.plugins)
        terraform.init(backend=True)
        terraform.run("plan", "-no-color", "-input=false", "-out=out.tfplan", *variables)
        shown = terraform.show("out.tfplan")
        (root / "plan.json").write_text(json.dumps(shown), encoding="utf-8")
        return shown

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
        _run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], here)
        return here

    def checkov(self) -> str:
        tool = self._tool("checkov")
        common = ["--skip-download", "--compact", "--output=json"]
        skip = ["--skip-path=.terraform", "--skip-path=node_modules"]
        reports = [_run([tool, "--directory=.", "--framework=terraform", *skip, *common], self.tree)]
        for root in self.roots:
            enriched = ["--repo-root-for-plan-enrichment=.", "--framework=terraform_plan"]
            plan = root.relative_to(self.tree) / "plan.json"
            reports.append(_run([tool, f"--file={plan}", *enriched, *common], self.tree))
        summaries = [json.loads(report)["summary"] for report in reports]
        return _counted([(item["passed"], item["failed"]) for item in summaries], reports) + f", {len(summaries)} scans"

    def trivy(self) -> str:
        tool = self._tool("trivy")
        options = ["--skip-check-update", "--skip-version-check", "--disable-telemetry", "--quiet", "--format=json"]
        options += ["--include-non-failures", f"--ignorefile={self.tree / '.trivyignore.yaml'}"]
        targets = [self.tree, *(root / "plan.json" for root in self.roots)]
        reports = [_run([tool, "config", *options, str(target)], self.tree) for target in targets]
        counts = []
        for report in reports:
            results = json.loads(report).get("Results", ())
            summaries = [item["MisconfSummary"] for item in results if "MisconfSummary" in item]
            counts.append((sum(s["Successes"] for s in summaries), sum(s["Failures"] for s in summaries)))
        return _counted(counts, reports) + f", {len(targets)} scans"

    def _tool(self, name: str) -> str:
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


def _run(command: Sequence[str], directory: Path) -> str:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)  # noqa: S603 (our own arguments)
    if done.returncode and not done.stdout.startswith("{"):  # the scanners fail with a report
        raise CheckFailed(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        )
    return done.stdout


def _counted(counts: Iterable[tuple[int, int]], reports: Sequence[str]) -> str:
    passed, failed = (sum(column) for column in zip(*counts, strict=True))
    if failed or not passed:
        raise CheckFailed(
            f"{passed} findings passed, {failed} failed:\n" + "\n".join(report[:6000] for report in reports)
        )
    return f"{passed} passed"


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


def report(checks: Sequence[Callable[[], str]], *, each_rests_on_the_last: bool = False) -> int:
    """Run *checks* in order, print a line for each and a last line that counts them; return the exit code."""
    passed, failed, skipped = 0, 0, []
    for check in checks:
        if failed and each_rests_on_the_last:
            skipped.append(f"{check.__name__} (a step before it failed)")
            continue
        started = time.monotonic()
        try:
            outcome = check()
            passed += 1
            word = "ok"
        except Skipped as reason:
            skipped.append(f"{check.__name__} ({reason})")
            word, outcome = "skipped", str(reason)
        except CheckFailed as fault:
            failed += 1
            word, outcome = "FAILED", str(fault)
        print(f"{word:8}{check.__name__:14}{time.monotonic() - started:6.1f} s  {outcome}", flush=True)
    if skipped:
        print("skipped: " + "; ".join(skipped))
    print(f"{passed} passed, {failed} failed" + (f", {len(skipped)} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
