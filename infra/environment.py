"""
One environment of ``infra/envs``, driven as an operator drives it.

The rule: Terraform's state holds the record of what is deployed. ``release.auto.tfvars.json`` is the rendering of that
record for the next plan, and every command writes it anew.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.bootstrapping import read_settings, refuse_a_copy
from infra.publish import ReleaseFailed, output, run

_RECORD = (
    "image_digest",
    "doors_image_digest",
    "training_image_digest",
    "model_digests",
    "architecture",
    "releases",
    "challengers",
)


class NotConfirmed(ReleaseFailed):
    """The operator did not say yes, so nothing was changed."""


@dataclass(frozen=True, slots=True)
class Environment:
    """One root of ``infra/envs``."""

    root: Path
    approve: bool
    quiet: bool = False

    def terraform(self, *arguments: str) -> None:
        run(["terraform", *arguments], self.root, quiet=self.quiet)

    def init(self) -> None:
        """
        Initialise anew: a folder does not show that its init failed halfway. Then render the record.

        Raises:
            ReleaseFailed: The environment is a copy of another or has not been bootstrapped, or Terraform failed.
        """
        refuse_a_copy(self.root)
        self.repositories()
        backend = ["-backend-config=backend.hcl"] if (self.root / "backend.hcl").exists() else []
        self.terraform("init", "-input=false", *backend)
        self._render()

    def repositories(self) -> Mapping[str, str]:
        """
        Return the URLs of the registry's repositories, by the kind of image.

        Raises:
            ReleaseFailed: The environment has not been bootstrapped.
        """
        repositories: Mapping[str, str] = self._stands_on()["repositories"]
        return repositories

    def models_bucket(self) -> str:
        """
        Return the bucket of models, which keeps the records of releases too.

        Raises:
            ReleaseFailed: The environment has not been bootstrapped.
        """
        return str(self._stands_on()["models_bucket"])

    def _stands_on(self) -> Mapping[str, Any]:
        settings = read_settings(self.root)
        if "bootstrap" not in settings:
            raise ReleaseFailed(f"{self.root.name} stands on nothing yet: make bootstrap ENV={self.root.name}")
        made: Mapping[str, Any] = settings["bootstrap"]
        return made

    def outputs(self) -> dict[str, Any]:
        """Return the outputs of modules/system; empty before the first apply."""
        shown = {
            name: item["value"]
            for name, item in json.loads(output(["terraform", "output", "-json"], self.root)).items()
        }
        return {**shown, **shown.get("system", {})}

    def plan(self) -> None:
        """
        Show what the tfvars would change of what is deployed.

        Raises:
            ReleaseFailed: Nothing is deployed, so there is no image to plan with.
        """
        if not recorded(self.outputs()):
            raise ReleaseFailed(
                f"nothing is deployed in {self.root.name}: make deploy ENV={self.root.name} comes first"
            )
        self.terraform("plan", "-input=false")

    def apply(self, release: Mapping[str, Any]) -> None:
        """
        Show what *release* changes, and apply exactly that; the state then holds it as the record.

        Raises:
            NotConfirmed: The operator does not want it, so nothing was changed.
            ReleaseFailed: Terraform failed, perhaps when a part was changed.
        """
        self._write(release)
        self.terraform("plan", "-input=false", "-out=release.tfplan")
        if not self.approve and not confirmed("Apply this plan? Only 'yes' is accepted: ", "yes"):
            self._render()
            raise NotConfirmed("not applied: what is deployed is as it was")
        self.terraform("apply", "-input=false", "release.tfplan")

    def _render(self) -> None:
        """Write the record; a state without ``releases`` is older than the record, so its file stays as it is."""
        outputs = self.outputs()
        if "releases" in outputs:
            self._write(recorded(outputs))

    def _write(self, release: Mapping[str, Any]) -> None:
        text = json.dumps(release, indent=2) + "\n"
        (self.root / "release.auto.tfvars.json").write_text(text, encoding="utf-8")


def confirmed(question: str, wanted: str) -> bool:
    """
    Return whether the operator answers *question* with *wanted*.

    Raises:
        NotConfirmed: Nobody can answer.
    """
    try:
        return input(question) == wanted
    except EOFError:
        raise NotConfirmed("nobody is there to answer: APPROVE=1 asks nothing") from None


def recorded(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables of the release that *outputs* describe; empty before the first apply."""
    return {name: outputs[name] for name in _RECORD if outputs.get(name) is not None}


def doors_held(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the releases that a rollback holds and that are no consumer's: those of the web interface."""
    held: Mapping[str, Any] = outputs.get("releases") or {}
    return {name: release for name, release in held.items() if name not in outputs.get("consumers", {})}
