"""
One environment of ``infra/envs``, with the commands of an operator.

The rule: Terraform's state has the record of the deployment. ``release.auto.tfvars.json`` is a copy of this record for
the next plan, and every command writes it anew.
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
    """The operator did not agree, so nothing was changed."""


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
        Initialise anew, since an earlier init may have failed halfway unseen. Then write the record.

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
        Return the bucket of models, which also has the records of releases.

        Raises:
            ReleaseFailed: The environment has not been bootstrapped.
        """
        return str(self._stands_on()["models_bucket"])

    def _stands_on(self) -> Mapping[str, Any]:
        settings = read_settings(self.root)
        if "bootstrap" not in settings:
            raise ReleaseFailed(f"{self.root.name} is not bootstrapped yet: make bootstrap ENV={self.root.name}")
        made: Mapping[str, Any] = settings["bootstrap"]
        return made

    def outputs(self) -> dict[str, Any]:
        """Return the outputs of modules/system. Empty before the first apply."""
        shown = {
            name: item["value"]
            for name, item in json.loads(output(["terraform", "output", "-json"], self.root)).items()
        }
        return {**shown, **shown.get("system", {})}

    def plan(self) -> None:
        """
        Show the changes of the tfvars to the deployment.

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
        Show the changes of *release*, and apply exactly these. The state then has *release* as the record.

        Raises:
            NotConfirmed: The operator did not agree, so nothing was changed.
            ReleaseFailed: Terraform failed, perhaps after some changes.
        """
        self._write(release)
        self.terraform("plan", "-input=false", "-out=release.tfplan")
        if not self.approve and not confirmed("Apply this plan? Only 'yes' is accepted: ", "yes"):
            self._render()
            raise NotConfirmed("not applied: the deployment is unchanged")
        self.terraform("apply", "-input=false", "release.tfplan")

    def _render(self) -> None:
        """Write the record. A state without ``releases`` is older than the record, so its file stays unchanged."""
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
        raise NotConfirmed("there is no terminal to ask: set APPROVE=1 to apply without a question") from None


def recorded(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables of the release in *outputs*. Empty before the first apply."""
    return {name: outputs[name] for name in _RECORD if outputs.get(name) is not None}


def doors_held(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the held release of the web interface, after a rollback."""
    held: Mapping[str, Any] = outputs.get("releases") or {}
    return {name: release for name, release in held.items() if name not in outputs.get("consumers", {})}
