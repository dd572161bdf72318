"""
``make deploy`` and ``make rollback``: which image runs, and which version of it the mapping invokes.

Both write ``release.auto.tfvars.json`` beside the environment's tfvars and apply it. Commit the file: it is the record
of what runs, and every later ``terraform plan`` of anybody starts from it.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from infra.container.engine import ContainerError
from infra.publish import INFRA, PLATFORMS, Push, ReleaseFailed, make_image, mark_deployed, output, published, run
from infra.smoke import SmokeTestFailed, keeps_order, smoke
from stream_consumer.errors import ModelError


@dataclass(frozen=True, slots=True)
class Environment:
    """One root of ``infra/envs``, driven as an operator drives it."""

    root: Path
    approve: bool
    quiet: bool = False

    def terraform(self, *arguments: str) -> None:
        run(["terraform", *arguments], self.root, quiet=self.quiet)

    def init(self) -> None:
        """Initialise anew: an init that failed halfway leaves a folder that looks like one that did not."""
        backend = ["-backend-config=backend.hcl"] if (self.root / "backend.hcl").exists() else []
        self.terraform("init", "-input=false", *backend)

    def outputs(self) -> dict[str, Any]:
        """Return the outputs of modules/system and the registry's URL; empty before the first apply."""
        shown = {
            name: item["value"]
            for name, item in json.loads(output(["terraform", "output", "-json"], self.root)).items()
        }
        return {**shown, **shown.get("system", {})}

    def apply(self, release: Mapping[str, Any]) -> None:
        """Make *release* the record, show what it changes, and apply exactly that."""
        text = json.dumps(release, indent=2) + "\n"
        (self.root / "release.auto.tfvars.json").write_text(text, encoding="utf-8")
        self.terraform("plan", "-input=false", "-out=release.tfplan")
        if not self.approve and input("Apply this plan? Only 'yes' is accepted: ") != "yes":
            raise ReleaseFailed(
                "not applied; release.auto.tfvars.json holds what would have been: git checkout brings it back"
            )
        self.terraform("apply", "-input=false", "release.tfplan")


def deploy(
    environment: Environment,
    architecture: str | None,
    build_and_push: Push,
    *,
    doors: bool = False,
    model: str = "",
) -> None:
    """
    Build and push the image, and apply it by digest.

    Args:
        environment: Where to.
        architecture: What the image is for, arm64 or x86_64; None: what runs there, or arm64.
        build_and_push: Puts the image of an architecture where a reference says.
        doors: Whether it is the image with the batch and the web door (``DOORS=1``, which ``make image`` reads too);
            without, doors that run keep theirs.
        model: What is baked into it; empty: nothing.

    Raises:
        ReleaseFailed: Doors that run would be left with an image of another architecture.
    """
    environment.init()
    url = _registry(environment)
    outputs = environment.outputs()
    architecture = architecture or outputs.get("architecture", "arm64")
    of_doors = _kept(outputs, "doors_image_digest")
    if of_doors and not doors and architecture != outputs["architecture"]:
        raise ReleaseFailed(f"the doors run on {outputs['architecture']}: to bring them to {architecture}, add DOORS=1")
    digest = published(url, architecture, build_and_push, doors=doors, model=model)
    if doors:
        of_doors = {"doors_image_digest": digest}
    environment.apply({"image_digest": digest, **of_doors, "architecture": architecture, "releases": {}})
    mark_deployed(url, digest, doors=doors)


def _kept(outputs: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return those of the *outputs* that there are: what a record leaves out is gone with the next plan."""
    return {name: outputs[name] for name in names if outputs.get(name) is not None}


def _registry(environment: Environment) -> str:
    """Return the registry's URL; the first time, make it alone: functions cannot be made before their image."""
    if "registry_url" not in environment.outputs():
        digest = f"sha256:{'0' * 64}"
        nothing_yet = [f"-var=image_digest={digest}", f"-var=doors_image_digest={digest}"]
        approval = ["-auto-approve"] if environment.approve else []
        environment.terraform("apply", "-target=module.system.module.registry", *nothing_yet, *approval)
    url: str = environment.outputs()["registry_url"]
    return url


def verify(outputs: Mapping[str, Any], *, seconds: float = 180) -> list[dict[str, Any]]:
    """
    See a ride through every consumer; return its predictions.

    Raises:
        ReleaseFailed: A consumer needs the order that its stream does not keep.
        SmokeTestFailed: A prediction did not come.
    """
    kinesis = boto3.client("kinesis", region_name=outputs["region"])
    consumers = outputs["consumers"]
    ordered = [name for name, consumer in consumers.items() if consumer["ordered"]]
    if ordered and not keeps_order(kinesis, outputs["input_stream"]):
        raise ReleaseFailed(
            f"{outputs['input_stream']} distributes records automatically, so {', '.join(ordered)} cannot keep order: "
            "set its record distribution to USER_PARTITION_KEY, or their ordered = false"
        )
    streams = [consumer["output_stream"] for consumer in consumers.values()]
    return smoke(kinesis, outputs["input_stream"], streams, seconds=seconds)


def rollback(environment: Environment, only: str | None, to: str | None) -> None:
    """Point the alias of each consumer (or of *only* one) at the version before the live one, or at *to*."""
    environment.init()
    outputs = environment.outputs()
    consumers = outputs.get("consumers", {})
    if only is not None and only not in consumers:
        raise ReleaseFailed(f"there is no consumer {only!r} here, only {', '.join(consumers) or 'none at all'}")
    functions = boto3.client("lambda", region_name=outputs.get("region"))
    releases = {
        name: {"version": consumer["live_version"]}
        for name, consumer in consumers.items()
        if consumer["live_version"] != consumer["newest_version"]
    }
    for name in [only] if only else list(consumers):
        releases[name] = {"version": to or _before(functions, consumers[name])}
        print(f"{name}: version {consumers[name]['live_version']} → {releases[name]['version']}")
    kept = _kept(outputs, "image_digest", "doors_image_digest", "architecture")
    environment.apply({**kept, "releases": releases})


def _before(functions: Any, consumer: Mapping[str, str]) -> str:
    pages = functions.get_paginator("list_versions_by_function").paginate(FunctionName=consumer["function_name"])
    versions: Iterable[str] = pages.search("Versions[].Version")
    older = [
        int(version) for version in versions if version != "$LATEST" and int(version) < int(consumer["live_version"])
    ]
    if not older:
        raise ReleaseFailed(f"{consumer['function_name']} has no version before {consumer['live_version']}")
    return str(max(older))


def main(arguments: Sequence[str]) -> int:
    """Deploy or roll back what the command line names; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["deploy", "rollback"])
    parser.add_argument("environment", choices=sorted(path.name for path in (INFRA / "envs").iterdir()))
    parser.add_argument(
        "--architecture", choices=sorted(PLATFORMS), help="what to build for; default: what runs, or arm64"
    )
    parser.add_argument("--consumer", help="roll back this one only")
    parser.add_argument("--to", help="roll back to this version, not to the one before")
    options = parser.parse_args(arguments)
    environment = Environment(INFRA / "envs" / options.environment, approve=bool(os.environ.get("APPROVE")))
    try:
        if options.what == "deploy":
            doors, model = bool(os.environ.get("DOORS")), os.environ.get("MODEL", "")
            deploy(environment, options.architecture, make_image, doors=doors, model=model)
            for prediction in verify(environment.outputs()):
                print(json.dumps(prediction))
        else:
            rollback(environment, options.consumer, options.to)
    except (ContainerError, ModelError, ReleaseFailed, SmokeTestFailed) as fault:
        print(fault, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
