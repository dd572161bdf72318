"""
Finding resources for a bootstrap: under the environment's names, and half-made by an earlier run.

The rule: existing resources are taken over and repaired, never replaced, since they hold data.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.clients import Aws
from infra.publish import ReleaseFailed
from infra.state import resources

NAME = "stream-consumer"
_NOT_THERE = {"404", "NoSuchBucket", "NoSuchEntity", "RepositoryNotFoundException"}  # of S3, IAM and ECR
_GITHUB = "token.actions.githubusercontent.com"


def found(aws: Aws, environment: str, account_id: str) -> Iterator[tuple[str, str]]:
    """
    Yield the existing resources: the kind, and the id for Terraform's import.

    Raises:
        ReleaseFailed: Several keys could be the environment's.
    """
    prefix, role = f"{NAME}-{environment}", f"{NAME}-deploy-{environment}"
    for kind in ("state", "models"):
        if exists(aws("s3").head_bucket, Bucket=f"{prefix}-{kind}-{account_id}"):
            yield kind, f"{prefix}-{kind}-{account_id}"
    repositories = {"lean": prefix, "doors": f"{prefix}-doors", "training": f"{prefix}-training"}
    for kind, repository in repositories.items():
        if exists(aws("ecr").describe_repositories, repositoryNames=[repository]):
            yield kind, repository
    iam = aws("iam")
    if exists(iam.get_role, RoleName=role):
        yield "role", role
    pages = iam.get_paginator("list_policies").paginate(Scope="Local")
    for policy in (policy for page in pages for policy in page["Policies"]):
        if at := re.fullmatch(rf"{re.escape(role)}-(\d+)", policy["PolicyName"]):
            yield f"policy/{at[1]}", policy["Arn"]
    yield from _key(aws, environment)


def _key(aws: Aws, environment: str) -> Iterator[tuple[str, str]]:
    """Yield alias and key. An interrupted run may have left a key without an alias, found by its tags."""
    kms, name = aws("kms"), f"alias/{NAME}-{environment}"
    pages = kms.get_paginator("list_aliases").paginate()
    for alias in (alias for page in pages for alias in page["Aliases"]):
        if alias["AliasName"] == name:
            yield "alias", name
            yield "key", alias["TargetKeyId"]
            return
    ours = {"Project": NAME, "Environment": environment, "ManagedBy": "terraform"}  # of bootstrap/main.tf
    tags = [{"Key": key, "Values": [value]} for key, value in ours.items()]
    tagged = aws("resourcegroupstaggingapi").get_paginator("get_resources")
    pages = tagged.paginate(ResourceTypeFilters=["kms:key"], TagFilters=tags)
    arns = [item["ResourceARN"] for page in pages for item in page["ResourceTagMappingList"]]
    keys = [key for key in (arn.rpartition("/")[2] for arn in arns) if _is_usable(kms, key)]
    if len(keys) > 1:
        raise ReleaseFailed(
            f"the keys {', '.join(keys)} all have the tags of {environment}, and none has the alias {name}: give it "
            f"to the right one with aws kms create-alias --alias-name {name} --target-key-id <key>"
        )
    yield from (("key", key) for key in keys)


def _is_usable(kms: Any, key: str) -> bool:
    """Whether the key exists and stays. Terraform counts a key with a scheduled deletion as gone."""
    state: str = kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
    return state in {"Enabled", "Disabled"}


def exists(look: Callable[..., Any], **what: Any) -> bool:
    try:
        look(**what)
    except ClientError as error:
        if error.response["Error"]["Code"] in _NOT_THERE:
            return False
        raise
    return True


def makes_provider(aws: Aws, shown: Mapping[str, Any]) -> bool:
    """Whether GitHub's identity provider is this environment's or does not exist. An account has one provider."""
    if any(resource.kind == "aws_iam_openid_connect_provider" for resource in resources(shown)):
        return True
    held = aws("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
    return not any(provider["Arn"].endswith(f"/{_GITHUB}") for provider in held)


def tainted(module: Mapping[str, Any]) -> Iterator[str]:
    """Yield the addresses of a state's *module* that Terraform would replace after an interrupted run."""
    yield from (item["address"] for item in module.get("resources", ()) if item.get("tainted"))
    for child in module.get("child_modules", ()):
        yield from tainted(child)
