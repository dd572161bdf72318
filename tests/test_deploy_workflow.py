"""The workflows that release: what asks for a release, and that they run the commands of an operator's desk alone."""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
WORKFLOWS = ROOT / ".github" / "workflows"


def workflow(name: str) -> dict[str, Any]:
    # YAML 1.1 reads the key "on" as a boolean.
    text = re.sub(r"^on:", '"on":', (WORKFLOWS / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    read: dict[str, Any] = yaml.safe_load(text)
    return read


CALLER, CALLED = workflow("deploy.yml"), workflow("release.yml")
JOBS: dict[str, Any] = CALLED["jobs"]
STEPS: list[dict[str, Any]] = [step for job in JOBS.values() for step in job["steps"]]


def using(action: str) -> list[dict[str, Any]]:
    return [step for step in STEPS if step.get("uses", "").startswith(action)]


def evaluated(expression: str, **contexts: Any) -> Any:
    """Return the value of an expression of GitHub's that has names, texts, ``==``, ``!=``, ``&&`` and ``||`` alone."""
    body = expression.strip().removeprefix("${{").removesuffix("}}").replace("&&", " and ").replace("||", " or ")
    body = re.sub(r"\bfalse\b", "False", body)

    def value(found: re.Match[str]) -> str:
        if found[0].startswith("'"):
            return repr(found[0][1:-1])
        at: Any = contexts
        for part in found[0].split("."):
            at = (at or {}).get(part)
        return repr(at)

    names = r"'[^']*'|\b(?:inputs|github|vars|steps)(?:\.[\w-]+)+"
    return eval(re.sub(names, value, body), {"__builtins__": {}})  # noqa: S307 (our own workflow)


def called(inputs: dict[str, Any], **github: Any) -> dict[str, Any]:
    """Return the inputs that release.yml gets from an event."""
    [job] = CALLER["jobs"].values()
    return {name: evaluated(text, inputs=inputs, github=github, vars={}) for name, text in job["with"].items()}


BY_DEFAULT = {
    "environment": "dev",
    "promote_from": "nothing",
    "doors": False,
    "canary_percent": "",
    "canary_minutes": "10",
    "champion": "",
    "champion_version": "",
}


def test_pushes_dispatches_and_hands_call_one_workflow() -> None:
    assert CALLER["on"].keys() == {"push", "repository_dispatch", "workflow_dispatch"}
    assert CALLER["on"]["push"] == {"branches": ["main"]}
    [job] = CALLER["jobs"].values()
    assert job["uses"] == "./.github/workflows/release.yml"
    assert CALLED["on"].keys() == {"workflow_call"}
    assert job["with"].keys() == CALLED["on"]["workflow_call"]["inputs"].keys()
    assert job["permissions"] == next(iter(JOBS.values()))["permissions"]


def test_a_push_releases_to_dev_alone_and_only_where_it_is_wanted() -> None:
    assert called({}, event_name="push", event={}) == BY_DEFAULT
    [job] = CALLER["jobs"].values()
    for event, wanted, runs in (("push", "", False), ("push", "true", True), ("workflow_dispatch", "", True)):
        seen = evaluated(job["if"], github={"event_name": event}, vars={"RELEASE_PUSHES": wanted}, inputs={})
        assert bool(seen) == runs


def test_a_dispatch_releases_the_champion_that_it_names() -> None:
    """Its type and its payload are those that infra/modules/release-trigger sends."""
    trigger = (ROOT / "infra" / "modules" / "release-trigger" / "main.tf").read_text(encoding="utf-8")
    [kind] = CALLER["on"]["repository_dispatch"]["types"]
    assert re.findall(r'event_type = "(\w+)"', trigger) == [kind]
    sent = re.search(
        r"client_payload = \{(.*?)\}\n", trigger.replace("${var.bucket}/models/${each.key}", ""), re.DOTALL
    )
    assert sent
    names = re.findall(r"^ +(\w+) +=", sent[1], re.MULTILINE)
    payload = {name: f"the {name}" for name in names}
    asked = {"environment": "the environment", "champion": "the champion", "champion_version": "the version"}
    assert called({}, event_name="repository_dispatch", event={"client_payload": payload}) == BY_DEFAULT | asked


def test_what_is_asked_by_hand_is_what_is_released() -> None:
    asked = {
        "environment": "prod",
        "promote_from": "dev",
        "doors": True,
        "canary_percent": "0",
        "canary_minutes": "30",
    }
    assert called(asked, event_name="workflow_dispatch", event={}) == BY_DEFAULT | asked


@pytest.mark.parametrize(
    ("inputs", "payload", "group"),
    [
        ({}, {}, "dev"),
        ({"environment": "prod"}, {}, "prod"),
        ({}, {"environment": "prod"}, "prod"),
    ],
)
def test_an_environment_has_one_release_at_a_time(inputs: dict[str, str], payload: dict[str, str], group: str) -> None:
    """GitHub keeps one that waits: the last. The called workflow may not ask for the same group again."""
    prefix, _, expression = CALLER["concurrency"]["group"].partition("-")
    seen = evaluated(expression, inputs=inputs, github={"event": {"client_payload": payload}})
    assert (prefix, seen, CALLER["concurrency"]["cancel-in-progress"]) == ("release", group, False)
    assert "concurrency" not in CALLED
    assert all("concurrency" not in job for job in JOBS.values())


def test_nothing_of_an_event_stands_in_a_command() -> None:
    """A payload is text of somebody else: it reaches commands by variables only."""
    assert all("${{" not in step.get("run", "") for step in STEPS)


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
    where = "(github.event.repository.visibility == 'public' || vars.ATTESTATIONS == 'true')"
    for kind, step in zip(("lean", "doors", "training"), using("actions/attest-build-provenance@"), strict=True):
        assert step["if"] == f"steps.image.outputs.{kind}-digest && {where}"
        assert step["with"] == {
            "subject-name": f"${{{{ steps.image.outputs.{kind}-url }}}}",
            "subject-digest": f"${{{{ steps.image.outputs.{kind}-digest }}}}",
        }


def test_the_record_of_what_is_deployed_is_no_artefact() -> None:
    assert using("actions/upload-artifact") == []


def test_images_are_built_tagged_and_pushed_by_make_alone() -> None:
    """A copy in shell had tags of its own, and a second run of a commit failed to push to them."""
    assert [step["run"] for step in STEPS if "run" in step] == [
        "make .venv/.local",
        "make image-test",
        "make release-due",
        "make publish",
        "make release",
    ]


def test_an_image_is_tested_before_there_are_credentials_and_pushed_after() -> None:
    names = [step.get("run", step.get("uses", "")).partition("@")[0] for step in STEPS]
    at = [names.index(name) for name in ("make image-test", "aws-actions/configure-aws-credentials", "make publish")]
    assert at == sorted(at)


def run_steps(folder: Path, due: str, source: str) -> list[str]:
    """Run the steps that are due as GitHub does, with a make that tells what it was asked; return what it was asked."""
    folder.joinpath("make").write_text(
        f"#!/bin/sh\necho $* FROM=$FROM DIGEST=$DIGEST >> {folder}/log\n"
        f'case $1 in release-due) echo due={due} >> "$GITHUB_OUTPUT";;\n'
        'publish) echo lean-digest=sha256:1 >> "$GITHUB_OUTPUT"; echo model-digest=abc >> "$GITHUB_OUTPUT";; esac\n'
    )
    folder.joinpath("make").chmod(0o755)
    bash = shutil.which("bash")
    assert bash
    outputs: dict[str, Any] = {}
    contexts = {"inputs": {"promote_from": source}, "steps": outputs}
    [job] = JOBS.values()
    from_ = evaluated(job["env"]["FROM"], **contexts)
    for step in STEPS:
        if "run" not in step or not evaluated(step.get("if", "'always'"), **contexts):
            continue
        given = {name: evaluated(text, **contexts) or "" for name, text in step.get("env", {}).items()}
        said = folder / "output"
        said.write_text("")
        environment = {"PATH": f"{folder}:/usr/bin:/bin", "GITHUB_OUTPUT": str(said), "FROM": from_, **given}
        subprocess.run([bash, "-e", "-c", step["run"]], env=environment, check=True)  # noqa: S603 (our own script)
        values = dict(line.split("=", 1) for line in said.read_text().splitlines())
        outputs[step.get("id", "")] = {"outputs": values}
    return (folder / "log").read_text().splitlines()


def test_what_was_pushed_is_what_is_released(tmp_path: Path) -> None:
    """Of a champion.json another model may be promoted between the steps."""
    assert run_steps(tmp_path, "true", "nothing") == [
        ".venv/.local FROM= DIGEST=",
        "image-test FROM= DIGEST=",
        "release-due FROM= DIGEST=",
        "publish FROM= DIGEST=",
        "release FROM= DIGEST=abc",
    ]


def test_what_another_environment_runs_is_promoted_and_not_built(tmp_path: Path) -> None:
    assert run_steps(tmp_path, "true", "dev") == [
        ".venv/.local FROM=dev DIGEST=",
        "release-due FROM=dev DIGEST=",
        "release FROM=dev DIGEST=",
    ]


def test_an_event_that_asks_for_nothing_new_builds_and_releases_nothing(tmp_path: Path) -> None:
    assert run_steps(tmp_path, "false", "nothing")[-1] == "release-due FROM= DIGEST="
