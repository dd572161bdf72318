"""The workflow that deploys: what it asks of AWS and GitHub, and that it runs the commands of an operator's desk."""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

TEXT = (Path(__file__).parent.parent / ".github" / "workflows" / "deploy.yml").read_text(encoding="utf-8")
JOBS: dict[str, Any] = yaml.safe_load(TEXT)["jobs"]
STEPS: list[dict[str, Any]] = [step for job in JOBS.values() for step in job["steps"]]


def using(action: str) -> list[dict[str, Any]]:
    return [step for step in STEPS if step.get("uses", "").startswith(action)]


def test_a_session_outlasts_its_job() -> None:
    """A canary of an hour with two plans outlasts the hour that is the default; a role may allow less than two."""
    sessions = using("aws-actions/configure-aws-credentials@")
    assert len(sessions) == len(JOBS)
    for step in sessions:
        assert step["with"]["role-duration-seconds"] == "${{ vars.AWS_SESSION_SECONDS || 7200 }}"
    assert all(job["timeout-minutes"] * 60 < 7200 for job in JOBS.values())


def test_an_environment_is_approved_once() -> None:
    """GitHub asks for each job that names a protected environment."""
    asked = Counter(str(job.get("environment")) for job in JOBS.values())
    assert asked == {"${{ inputs.environment }}": 1}


def test_provenance_is_attested_only_where_github_takes_it() -> None:
    """A private repository has attestations on GitHub Enterprise Cloud only, and its deployment would fail."""
    lean, doors = using("actions/attest-build-provenance@")
    where = "(github.event.repository.visibility == 'public' || vars.ATTESTATIONS == 'true')"
    assert lean["if"] == f"inputs.promote_from == 'nothing' && {where}"
    assert doors["if"] == f"{lean['if']} && inputs.doors"
    for kind, step in {"lean": lean, "doors": doors}.items():
        assert step["with"] == {
            "subject-name": f"${{{{ steps.image.outputs.{kind}-url }}}}",
            "subject-digest": f"${{{{ steps.image.outputs.{kind}-digest }}}}",
        }


def test_the_record_of_what_is_deployed_is_no_artefact() -> None:
    assert using("actions/upload-artifact") == []


def test_images_are_built_tagged_and_pushed_by_make_alone() -> None:
    """A copy in shell had tags of its own, and a second run of a commit failed to push to them."""
    commands = " ".join(str(step.get("run", "")) for step in STEPS)
    assert not re.search(r"\b(docker|podman|aws|skopeo|terraform|python3?)\b", commands)
    assert set(re.findall(r"\bmake (\S+?)(?=;|\s|$)", commands)) == {".venv/.local", "publish", "deploy", "promote"}


@pytest.mark.parametrize(("source", "target"), [("nothing", "deploy"), ("dev", "promote")])
def test_what_another_environment_runs_is_promoted_and_not_built(source: str, target: str, tmp_path: Path) -> None:
    [build] = [step for step in STEPS if step.get("id") == "image"]
    assert (build["if"], build["run"]) == ("inputs.promote_from == 'nothing'", "make publish")
    (tmp_path / "make").write_text("#!/bin/sh\necho $*\n")
    (tmp_path / "make").chmod(0o755)
    bash = shutil.which("bash")
    assert bash
    done = subprocess.run(  # noqa: S603 (our own script)
        [bash, "-e", "-c", STEPS[-1]["run"]],
        env={"PATH": str(tmp_path), "FROM": source},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout == f"{target}\n"
