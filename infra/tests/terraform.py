"""
Terraform on a copy of ``infra/``, without an account and, where the provider is on disk, without a registry.

The rule: the tree that is checked is the tree that is deployed; what makes it run here is in the copy's override files.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

INFRA = Path(__file__).resolve().parent.parent
ACCOUNT = "123456789012"  # the account of the example tfvars
REGION = "eu-west-1"
DIGEST = "sha256:" + "a" * 64
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
REPOSITORY = "my-company/rides"

_PROVIDER_PLACES = (Path("/opt"), Path("/usr/local/share/terraform"), Path.home() / ".terraform.d")

# Nothing of the environments' own provider block is taken away but what asks a real account who it is.
_OVERRIDE = """\
%sprovider "aws" {
  region                      = "eu-west-1"
  access_key                  = "%s"
  secret_key                  = "test"
  allowed_account_ids         = null
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
%s}
"""
_LOCAL = 'terraform {\n  backend "local" {}\n}\n\n'
_SERVICES = (
    "apigatewayv2", "cloudwatch", "ecr", "ecs", "events", "firehose", "iam", "kinesis", "kms", "lambda", "logs", "s3",
    "scheduler", "sns", "sqs", "sts",
)  # fmt: skip


class CheckFailed(Exception):
    """What was checked does not hold; the message is what the user reads."""


def provider_folder() -> Path | None:
    """Return the plugin folder with hashicorp/aws (``TF_PLUGIN_DIR``, or found); None: Terraform asks the registry."""
    if named := os.environ.get("TF_PLUGIN_DIR"):
        return Path(named)
    for place in _PROVIDER_PLACES:
        for binary in place.glob("**/hashicorp/aws/*/*/terraform-provider-aws_*"):
            return binary.parents[5]
    return None


def copy_of_infra(destination: Path) -> Path:
    """Copy ``infra/`` without what earlier runs left in it."""
    shutil.rmtree(destination, ignore_errors=True)
    leftovers = shutil.ignore_patterns(
        ".terraform*",
        "*.tfstate*",
        "*.tfplan",
        "terraform.tfvars",
        "bootstrap.tfvars",
        "*.auto.tfvars*",
        "*.tfvars.json",
        "backend.hcl",
        "backend_override.tf",
        "node_modules",
        "__pycache__",
    )
    shutil.copytree(INFRA, destination, ignore=leftovers)
    return destination


@dataclass(frozen=True, slots=True)
class Terraform:
    """Terraform in one directory."""

    directory: Path
    plugins: Path | None
    shell: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, accepted: Sequence[int] = (0,)) -> subprocess.CompletedProcess[str]:
        """
        Run ``terraform *arguments*``.

        Raises:
            CheckFailed: The exit code is not one of *accepted*; the message holds what Terraform printed.
        """
        done = subprocess.run(  # noqa: S603 (our own arguments)
            ["terraform", *arguments],  # noqa: S607 (the user's own Terraform)
            cwd=self.directory,
            env={**environment(), **self.shell},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in accepted:
            said = re.sub(r"\n{2,}", "\n", done.stdout[-6000:] + done.stderr[-6000:])
            raise CheckFailed(
                f"terraform {' '.join(arguments)} in {self.directory} ended with {done.returncode}:\n{said}"
            )
        return done

    def init(self, *, backend: bool = False) -> None:
        where = [f"-plugin-dir={self.plugins}"] if self.plugins else []
        self.run("init", "-no-color", "-input=false", *where, *([] if backend else ["-backend=false"]))

    def show(self, *plan: str) -> dict[str, Any]:
        """Return the state, or the plan in the named file, as JSON."""
        shown: dict[str, Any] = json.loads(self.run("show", "-json", *plan).stdout)
        return shown


def environment() -> dict[str, str]:
    """Return this process's environment without what would lead Terraform to an account, or astray."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_VAR_"))}
    if not Path(ours.get("TF_CLI_CONFIG_FILE", "/")).exists():
        del ours["TF_CLI_CONFIG_FILE"]  # Terraform would warn in every command
    return ours | {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}


def offline(root: Path, variables: Path | None, *, endpoint: str | None = None, cloudwatch: str | None = None) -> None:
    """
    Make the copied *root* run on *variables*, if any, with fake credentials.

    With an *endpoint* it keeps its state where it says, without one in its own folder. *cloudwatch* has its logs, too.
    """
    urls = dict.fromkeys(_SERVICES, endpoint) | dict.fromkeys(("cloudwatch", "logs"), cloudwatch or endpoint)
    lines = "".join(f'    {service} = "{url}"\n' for service, url in urls.items())
    endpoints = f"  s3_use_path_style = true\n\n  endpoints {{\n{lines}  }}\n" if endpoint else ""
    (root / "override.tf").write_text(_OVERRIDE % ("" if endpoint else _LOCAL, ACCOUNT, endpoints), encoding="utf-8")
    if variables:
        shutil.copy(variables, root / "terraform.tfvars")


def runs(said: str) -> int:
    """Return how many runs passed, of what ``terraform test`` said."""
    return said.count("... pass\n") - said.count("tftest.hcl... pass\n")
