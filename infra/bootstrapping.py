"""
``make bootstrap``: make the permanent resources of an environment from its name.

They are the bucket of Terraform's state, the key, the bucket of models and training data, and three repositories of
images. A repository on GitHub gets a role for the deployments of its workflows. Account and region come from the
caller's credentials and profile (AWS_PROFILE, AWS_REGION).

The rule: resources that exist under the environment's names are taken over, also after an interrupted run. So a second
run changes nothing, and a run from another clone finds everything.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.clients import Aws, clients
from infra.environment_names import named
from infra.preflight.variables import VariablesUnreadable, read
from infra.publish import INFRA, ReleaseFailed, output, run
from infra.taking_over import NAME, exists, found, makes_provider, tainted

_ORIGIN = re.compile(r"(?:^|[/@])github\.com[:/]([A-Za-z0-9-]+/[A-Za-z0-9._-]+?)(?:\.git)?/?$")
_DESCRIPTION = (
    "Create the resources that an environment keeps: the bucket of Terraform's state, a key, a bucket for models and "
    "training data, three repositories of images and, for a GitHub repository, a role for its workflows. The account "
    "and the region are those of AWS_PROFILE and AWS_REGION. A second run changes nothing."
)
_EPILOG = (
    "The command asks before each change, unless APPROVE=1 is set. Settings such as your own key, a GitHub repository "
    "or a permissions boundary go into infra/envs/ENVIRONMENT/bootstrap.tfvars (example: infra/envs/prod). For a new "
    "environment such as uat, copy main.tf, outputs.tf and variables.tf of infra/envs/dev into infra/envs/uat, and "
    "replace dev by uat in three lines of main.tf: key, Environment and environment."
)
_OWN_NAME = re.compile(r'^\s*(key|Environment|environment)\s*=\s*"([^"]*)"', re.MULTILINE)
_WRITTEN = ("backend.hcl", "bootstrap.auto.tfvars.json", ".terraform/terraform.tfstate")
_NAMED = re.compile(rf"\b{NAME}(?:-([a-z0-9]+)-(?:state|models)-\d{{12}}|/([a-z0-9]+)\.tfstate)\b")


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """The bootstrap of one environment in its account and region."""

    infra: Path
    environment: str
    account_id: str
    region: str
    approve: bool = False
    quiet: bool = False

    @property
    def root(self) -> Path:
        return self.infra / "bootstrap"

    @property
    def settings(self) -> Path:
        """The folder of the environment, for the files that the bootstrap writes."""
        return self.infra / "envs" / self.environment

    @property
    def prefix(self) -> str:
        return f"{NAME}-{self.environment}"

    @property
    def bucket(self) -> str:
        return f"{self.prefix}-state-{self.account_id}"

    @property
    def local_state(self) -> Path:
        return self.root / f"{self.environment}.tfstate"

    def terraform(self, *arguments: str) -> None:
        run(["terraform", *arguments], self.root, quiet=self.quiet)


def bootstrap(target: Bootstrap, origin: str | None) -> dict[str, Any]:
    """
    Make missing resources, move the state into the bucket, and write the settings for the environment.

    Args:
        target: The environment.
        origin: Repository on GitHub, owner/name, whose workflows may deploy. State or user may name another.

    Returns:
        The outputs of ``infra/bootstrap``.

    Raises:
        ReleaseFailed: The environment is a copy, or stands in another account or region, a setting is misspelt, or
            Terraform failed.
    """
    refuse_a_copy(target.settings)
    _refuse_misspelt(target)
    _refuse_another_account(target)
    aws = clients({"region": target.region})
    is_in_bucket = exists(aws("s3").head_object, Bucket=target.bucket, Key=_state_key(target))
    (_use_bucket if is_in_bucket else _use_local)(target, "-reconfigure")
    shown = json.loads(output(["terraform", "show", "-json"], target.root))
    for address in tainted(shown.get("values", {}).get("root_module", {})):
        target.terraform("untaint", address)
    target.terraform("apply", *(["-auto-approve"] if target.approve else []), *_variables(target, aws, origin, shown))
    if not is_in_bucket:
        _use_bucket(target, "-migrate-state", "-force-copy")
    for left in (target.local_state, target.local_state.with_suffix(".tfstate.backup")):
        left.unlink(missing_ok=True)
    outputs = json.loads(output(["terraform", "output", "-json"], target.root))
    made = {name: item["value"] for name, item in outputs.items()}
    _write(target, made)
    return made


def _refuse_another_account(target: Bootstrap) -> None:
    known = read_settings(target.settings)
    for name, here in (("account_id", target.account_id), ("region", target.region)):
        if known.get(name, here) != here:
            raise ReleaseFailed(
                f"{target.environment} is in {name} {known[name]}, and you are in {here}: use the profile of the "
                f"first, or delete {_settings_file(target.settings)} to make {target.environment} anew, with a state "
                "of its own; the old state is not changed"
            )


def refuse_a_copy(folder: Path) -> None:
    """
    Refuse a *folder* that is a copy and still names the original environment.

    Raises:
        ReleaseFailed: A line of main.tf or a copied file has another name.
    """
    name, main = folder.name, folder / "main.tf"
    said = _OWN_NAME.findall(main.read_text(encoding="utf-8")) if main.exists() else []
    wrong = [f'{key} = "{value}"' for key, value in said if name not in re.split(r"[/.]", value)]
    copied = [file for file in _WRITTEN if (folder / file).exists() and _names_another(folder / file, name)]
    remedies = [f"write {name} into its main.tf, which says {', '.join(wrong)}"] if wrong else []
    remedies += [f"delete {', '.join(copied)} there"] if copied else []
    if remedies:
        raise ReleaseFailed(f"{folder} is a copy of another environment and would change it: {'; '.join(remedies)}")


def _names_another(file: Path, name: str) -> bool:
    found_names = {part for parts in _NAMED.findall(file.read_text(encoding="utf-8")) for part in parts if part}
    return bool(found_names - {name})


def _state_key(target: Bootstrap) -> str:
    return f"{NAME}/{target.environment}-bootstrap.tfstate"


def _use_local(target: Bootstrap, *how: str) -> None:
    _init(target, f'backend "local" {{\n    path = "{target.local_state.name}"\n  }}', *how)


def _use_bucket(target: Bootstrap, *how: str) -> None:
    settings = {"bucket": target.bucket, "key": _state_key(target), "region": target.region}
    lines = "".join(f'    {name} = "{value}"\n' for name, value in settings.items())
    _init(target, f'backend "s3" {{\n{lines}    use_lockfile = true\n  }}', *how)


def _init(target: Bootstrap, backend: str, *how: str) -> None:
    (target.root / "backend_override.tf").write_text(f"terraform {{\n  {backend}\n}}\n", encoding="utf-8")
    target.terraform("init", "-input=false", *how)


def _variables(target: Bootstrap, aws: Aws, origin: str | None, shown: Mapping[str, Any]) -> list[str]:
    known = shown.get("values", {}).get("outputs", {}).get("github_repository", {}).get("value")
    values: dict[str, Any] = {
        "name": NAME,
        "environment": target.environment,
        "account_id": target.account_id,
        "region": target.region,
        "github_repository": known or origin,  # a fork's clone does not take the role from the first repository
        "makes_github_provider": makes_provider(aws, shown),
        "found": dict(found(aws, target.environment, target.account_id)),
    }
    given = target.settings / "bootstrap.tfvars"
    file = target.root / f"{target.environment}.tfvars.json"
    file.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    return [f"-var-file={file.name}", *([f"-var-file={given}"] if given.exists() else [])]


def _refuse_misspelt(target: Bootstrap) -> None:
    """Terraform drops unknown attributes in silence. A misspelt boundary would be missing."""
    file, declared = target.settings / "bootstrap.tfvars", target.root / "variables.tf"
    if not file.exists():
        return
    with tempfile.TemporaryDirectory() as written, tempfile.TemporaryDirectory() as typed:
        untyped = f'variable "given" {{\n  default = {{\n{file.read_text(encoding="utf-8")}\n  }}\n}}\n'
        Path(written, "variables.tf").write_text(untyped, encoding="utf-8")
        shutil.copy(declared, typed)
        shutil.copy(file, Path(typed, "terraform.tfvars"))
        try:
            read(Path(typed))  # first, for its faults have the lines of the file
            given = read(Path(written), "given")["given"]
            known = read(Path(typed), *given)
        except VariablesUnreadable as unreadable:
            raise ReleaseFailed(f"{file}: {str(unreadable).replace('terraform.tfvars', file.name)}") from unreadable
    if unknown := list(_unknown(given, known)):
        raise ReleaseFailed(f"{file}: {', '.join(unknown)} is not a setting; {target.root / 'README.md'} lists them")


def _unknown(given: Mapping[str, Any], known: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield the paths of the names in *given* that Terraform's types dropped from *known*."""
    for name, value in given.items():
        if name not in known:
            yield f"{path}{name}"
        elif isinstance(value, Mapping) and isinstance(known[name], Mapping):
            yield from _unknown(value, known[name], f"{path}{name}.")


def _write(target: Bootstrap, made: Mapping[str, Any]) -> None:
    backend = target.settings / "backend.hcl"
    if not backend.exists() or _is_of_another_account(target, backend.read_text(encoding="utf-8")):
        text = f'bucket = "{target.bucket}"\nregion = "{target.region}"\n'
        backend.write_text(text, encoding="utf-8")
        (target.settings / ".terraform" / "terraform.tfstate").unlink(missing_ok=True)  # it remembers the old bucket
    values = {"account_id": target.account_id, "region": target.region, "bootstrap": made["bootstrap"]}
    _settings_file(target.settings).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _is_of_another_account(target: Bootstrap, backend: str) -> bool:
    """Whether a bootstrap wrote *backend* for an earlier account of the environment."""
    return target.bucket not in backend and bool(re.search(rf'"{re.escape(target.prefix)}-state-\d{{12}}"', backend))


def _settings_file(environment: Path) -> Path:
    return environment / "bootstrap.auto.tfvars.json"


def read_settings(environment: Path) -> dict[str, Any]:
    """Return the settings that the bootstrap wrote into the folder of an *environment*. Empty before a bootstrap."""
    file = _settings_file(environment)
    settings: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return settings


def github_origin(directory: Path) -> str | None:
    """Return owner/name if *directory* was cloned from github.com, else None."""
    command = ["git", "remote", "get-url", "origin"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)  # noqa: S603 (our own arguments)
    found = _ORIGIN.search(done.stdout.strip())
    return found[1] if found else None


def caller() -> tuple[str, str]:
    """
    Return the account and the region of the caller's credentials.

    Raises:
        ReleaseFailed: The credentials or the region are missing.
    """
    region = os.environ.get("AWS_REGION") or boto3.Session().region_name  # boto3 itself does not read AWS_REGION
    if not region:
        raise ReleaseFailed("no AWS region is set: export AWS_REGION=eu-west-1, or another")
    try:
        return boto3.client("sts", region_name=region).get_caller_identity()["Account"], region
    except (BotoCoreError, ClientError) as error:
        raise ReleaseFailed(f"AWS refuses the credentials: {error}; log in, or set AWS_PROFILE") from error


def _told(target: Bootstrap, made: Mapping[str, Any]) -> str:
    stands_on, backend = made["bootstrap"], target.settings / "backend.hcl"
    folder = target.settings.relative_to(target.infra.parent)
    role = made.get("deploy_role_arn")
    lines = [
        f"{target.environment}, in account {target.account_id}, {target.region}:",
        f"  state   s3://{target.bucket}",
        f"  models  s3://{stands_on['models_bucket']}/models",
        f"  images  {', '.join(stands_on['repositories'].values())}",
        f"  key     {stands_on['kms_key_arn']}",
        f"  GitHub  {role} for {made['github_repository']}" if role else "  GitHub  no repository there, so no role",
    ]
    if target.bucket not in backend.read_text(encoding="utf-8"):
        lines.append(f"{folder}/backend.hcl is your own file and stays: the environment's own state is in its bucket")
    lines.append(f"Commit {folder}/backend.hcl and {folder}/bootstrap.auto.tfvars.json; neither holds a secret.")
    lines.append(f"Next: make deploy ENV={target.environment} MODEL=<folder, s3://… or models:/name@alias>")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Bootstrap the environment that the command line names; return the exit code."""
    parser = argparse.ArgumentParser("make bootstrap", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("environment", type=named, metavar="ENVIRONMENT", help="Name of a folder in infra/envs.")
    name: str = parser.parse_args(arguments).environment
    try:
        target = Bootstrap(INFRA, name, *caller(), approve=bool(os.environ.get("APPROVE")))
        print(_told(target, bootstrap(target, github_origin(INFRA))))
    except (BotoCoreError, ClientError, ReleaseFailed) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
