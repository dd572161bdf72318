"""checkov and trivy, offline, on the modules and on the plans; what is accepted stands in the code with its reason."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from infra.tests.terraform import CheckFailed


def checkov(tool: str, tree: Path, plans: Sequence[Path]) -> str:
    """
    Return how many checks passed.

    Raises:
        CheckFailed: Names each finding.
    """
    common = [tool, "--skip-download", "--compact", "--output=json"]
    skip = ["--skip-path=.terraform", "--skip-path=node_modules"]
    scans = [[*common, "--directory=.", "--framework=terraform", *skip]]
    with_code = ["--framework=terraform_plan", "--repo-root-for-plan-enrichment=."]
    scans += [[*common, f"--file={plan.relative_to(tree)}", *with_code] for plan in plans]
    passed, findings = 0, []
    for command in scans:
        scanned = json.loads(run(command, tree))
        passed += scanned["summary"]["passed"]
        findings += [
            f"{item['check_id']} {item['check_name']}: {item['resource']} in {item['file_path']}"
            for item in scanned["results"]["failed_checks"]
            if not _of_the_path(item["check_result"]["evaluated_keys"])
        ]
    return _nothing_found(passed, findings, len(scans))


def _of_the_path(evaluated: Sequence[str]) -> bool:
    """Whether all that was found is the plan's own path: one of 40 characters looks like an AWS secret key."""
    return bool(evaluated) and all(key.endswith("/__file__") for key in evaluated)


def trivy(tool: str, tree: Path, plans: Sequence[Path]) -> str:
    """
    Return how many checks passed.

    Raises:
        CheckFailed: Names each finding.
    """
    options = ["--skip-check-update", "--skip-version-check", "--disable-telemetry", "--quiet", "--format=json"]
    options += ["--include-non-failures", f"--ignorefile={tree / '.trivyignore.yaml'}"]
    passed, findings = 0, []
    for target in (tree, *plans):
        for result in json.loads(run([tool, "config", *options, str(target)], tree)).get("Results", ()):
            passed += result.get("MisconfSummary", {}).get("Successes", 0)
            findings += [
                f"{item['ID']} {item['Title']}: {item['CauseMetadata'].get('Resource', '?')} in {result['Target']}"
                for item in result.get("Misconfigurations", ())
                if item["Status"] != "PASS"
            ]
    return _nothing_found(passed, findings, 1 + len(plans))


def run(command: Sequence[str], directory: Path) -> str:
    """
    Return what *command* prints.

    Raises:
        CheckFailed: It failed, and not with a report.
    """
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)  # noqa: S603 (our own arguments)
    if done.returncode and not done.stdout.startswith("{"):
        said = f"{done.stdout[-4000:]}{done.stderr[-4000:]}"
        raise CheckFailed(f"{' '.join(command)} ended with {done.returncode}:\n{said}")
    return done.stdout


def _nothing_found(passed: int, findings: Sequence[str], scans: int) -> str:
    if findings or not passed:
        raise CheckFailed("\n".join(findings) or "the scanner checked nothing")
    return f"{passed} checks passed in {scans} scans"
