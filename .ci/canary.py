"""
Release an image behind every consumer's alias: some of the batches first, then all of them, or back on an alarm.

The rule: what is applied is always a plan that was shown, and after an alarm the versions that were live are live again
before this ends, with an error. The first deployment has nothing to fall back on and is released at once. The doors
have no canary: an image for them too reaches them last, and any other leaves them theirs.

Source: AWS Lambda developer guide, "Implement Lambda canary deployments using a weighted alias".
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Run = Callable[[Sequence[str]], str]
_LOOK_SECONDS = 30


class Alarmed(Exception):
    """The canary was rolled back."""


def release(  # noqa: PLR0913, PLR0917 (a command's arguments, and its world)
    root: Path, image: Mapping[str, str], percent: int, minutes: float, run: Run, sleep: Callable[[float], None]
) -> None:
    """
    Give *image* to *percent* of the batches for so many *minutes*, and to all if no alarm goes off.

    It is the record for Terraform without the releases; with a ``doors_image_digest`` it is for the doors too.

    Raises:
        Alarmed: One did; the versions before are live.
    """
    system = _outputs(root, run).get("system", {})
    consumers, digest = system.get("consumers", {}), system.get("doors_image_digest")
    doors_now = {"doors_image_digest": digest} if digest else {}
    live = {name: consumer["live_version"] for name, consumer in consumers.items()}
    if live:
        functions = [consumer["function_name"] for consumer in consumers.values()]
        known = set(_ringing(functions, run))  # what is broken already says nothing of this image
        trial, share = {**image, **doors_now}, percent / 100
        _apply(root, {**trial, "releases": {name: _behind(version, share) for name, version in live.items()}}, run)
        alarms = _watch(functions, known, minutes, run, sleep)
        if alarms:
            _apply(root, {**trial, "releases": {name: _behind(version, 0) for name, version in live.items()}}, run)
            raise Alarmed(f"rolled back to {live}: {', '.join(alarms)} went off")
    _apply(root, {**doors_now, **image, "releases": {}}, run)


def _behind(version: str, share: float) -> dict[str, Any]:
    return {"version": version, **({"canary_weight": share} if share else {})}


def _outputs(root: Path, run: Run) -> dict[str, Any]:
    shown = json.loads(run(["terraform", f"-chdir={root}", "output", "-json"]))
    return {name: item["value"] for name, item in shown.items()}


def _apply(root: Path, record: Mapping[str, Any], run: Run) -> None:
    (root / "release.auto.tfvars.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(run(["terraform", f"-chdir={root}", "plan", "-input=false", "-no-color", "-out=release.tfplan"]))
    print(run(["terraform", f"-chdir={root}", "apply", "-input=false", "-no-color", "release.tfplan"]))


def _watch(
    functions: Sequence[str], known: set[str], minutes: float, run: Run, sleep: Callable[[float], None]
) -> list[str]:
    """Return the alarms of the *functions* that go off within *minutes*; none is what is hoped for."""
    for _ in range(max(1, round(minutes * 60 / _LOOK_SECONDS))):
        sleep(_LOOK_SECONDS)
        alarms = [name for name in _ringing(functions, run) if name not in known]
        if alarms:
            return alarms
    return []


def _ringing(functions: Sequence[str], run: Run) -> list[str]:
    question = ["aws", "cloudwatch", "describe-alarms", "--state-value", "ALARM", "--output", "json"]
    question += ["--query", "MetricAlarms[].AlarmName"]
    answers = [json.loads(run([*question, "--alarm-name-prefix", f"{function}-"])) for function in functions]
    return [name for names in answers for name in names]


def _run(command: Sequence[str]) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603 (our own arguments)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="a folder of infra/envs, initialised")
    parser.add_argument("--digest", required=True)
    parser.add_argument("--architecture", choices=["arm64", "x86_64"], required=True)
    parser.add_argument("--doors", action="store_true", help="the image has the doors and is for them too")
    parser.add_argument("--percent", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=10)
    wanted = parser.parse_args(arguments)
    of_doors = {"doors_image_digest": wanted.digest} if wanted.doors else {}
    image = {"image_digest": wanted.digest, **of_doors, "architecture": wanted.architecture}
    release(wanted.root, image, wanted.percent, wanted.minutes, _run, time.sleep)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Alarmed as alarm:
        sys.exit(str(alarm))
    except subprocess.CalledProcessError as failure:
        sys.exit(f"{' '.join(failure.cmd)} ended with {failure.returncode}")
