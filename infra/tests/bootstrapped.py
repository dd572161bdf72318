"""
See a bootstrap through on an emulator, as a newcomer and an operator of long standing meet it.

Of what it makes, some is there already. It is cut off before the state has moved, run again, and run from another
clone.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from infra.bootstrapping import Bootstrap, bootstrap
from infra.clients import Aws
from infra.tests.terraform import REPOSITORY, CheckFailed, Terraform

_MODEL = "models/before/MLmodel"


class _CutOff(Exception):
    """The machine went away."""


@dataclass(frozen=True, slots=True)
class _Interrupted(Bootstrap):
    """A bootstrap whose machine goes away when the state is about to move."""

    def terraform(self, *arguments: str) -> None:
        if "-migrate-state" in arguments:
            raise _CutOff
        Bootstrap.terraform(self, *arguments)


def through(aws: Aws, target: Bootstrap, clone: Path, plugins: Path | None, shell: dict[str, str]) -> str:
    """
    Bootstrap *target*, interrupted, again, and from *clone*.

    Raises:
        CheckFailed: Something was made twice or lost, the state did not move, or a later run changes something.
    """
    key = _made_before(aws, target)
    cut_off = _Interrupted(target.infra, target.environment, target.account_id, target.region, approve=True, quiet=True)
    try:
        bootstrap(cut_off, REPOSITORY)
    except _CutOff:
        _hold(target.local_state.exists(), "a bootstrap that was cut off left no local state to go on from")
    made = bootstrap(target, REPOSITORY)
    _hold(not target.local_state.exists(), "the local state is still there")
    _hold(made["bootstrap"]["kms_key_arn"].endswith(key), "the key that was there is not the one that is used")
    aws("s3").head_object(Bucket=made["bootstrap"]["models_bucket"], Key=_MODEL)
    versions = aws("s3").list_object_versions(Bucket=target.bucket)
    keys = {item["Key"] for item in [*versions["Versions"], *versions.get("DeleteMarkers", ())]}
    state = f"stream-consumer/{target.environment}-bootstrap.tfstate"
    _hold({state, f"{state}.tflock"} <= keys, f"the state was not kept and locked in {target.bucket}, only {keys}")
    other = Bootstrap(clone, target.environment, target.account_id, target.region, approve=True, quiet=True)
    _hold(bootstrap(other, None) == made, "another clone, not of GitHub, makes something else")
    planned = Terraform(other.root, plugins, shell).run(
        "plan", "-detailed-exitcode", "-input=false", f"-var-file={other.environment}.tfvars.json", accepted=(0, 2)
    )
    _hold(planned.returncode == 0, f"a second bootstrap would change something:\n{planned.stdout}")
    written = [(tree.settings / "bootstrap.auto.tfvars.json").read_text("utf-8") for tree in (target, other)]
    _hold(written[0] == written[1] and json.loads(written[0])["bootstrap"] == made["bootstrap"], "written otherwise")
    return (
        "what was there taken over; cut off and healed; the state in its bucket, locked; another clone changes nothing"
    )


def _made_before(aws: Aws, target: Bootstrap) -> str:
    """Make what an older deployment would have: a bucket with a model, a repository, a policy, a key; return its id."""
    bucket = f"{target.prefix}-models-{target.account_id}"
    aws("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": target.region})
    aws("s3").put_object(Bucket=bucket, Key=_MODEL, Body=b"flavors: {}")
    aws("ecr").create_repository(repositoryName=target.prefix, imageTagMutability="IMMUTABLE")
    beyond = f"stream-consumer-deploy-{target.environment}-99"  # of a version that needed more of them
    nothing = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
    aws("iam").create_policy(PolicyName=beyond, PolicyDocument=json.dumps(nothing))
    key: str = aws("kms").create_key()["KeyMetadata"]["KeyId"]
    aws("kms").create_alias(AliasName=f"alias/{target.prefix}", TargetKeyId=key)
    return key


def is_kept(terraform: Terraform, environment: str) -> str:
    """
    Try to destroy what the bootstrap in the root of *terraform* made.

    Raises:
        CheckFailed: Terraform would.
    """
    file = f"-var-file={environment}.tfvars.json"
    refused = terraform.run("plan", "-destroy", "-input=false", "-no-color", file, accepted=(0, 1))
    for kept in ("aws_kms_key.this[0]", "aws_ecr_repository.this", "module.state", "module.models"):
        _hold(kept in refused.stderr and "prevent_destroy" in refused.stderr, f"{kept} would be destroyed")
    return "its key, buckets and repositories cannot be destroyed"


def _hold(condition: bool, fault: str) -> None:  # noqa: FBT001 (it is what is held)
    if not condition:
        raise CheckFailed(fault)
