"""See that a destroy leaves a bucket that holds something as it was: with key, policy, access block and encryption."""

import contextlib
import io
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from infra.environment import Environment
from infra.teardown import destroy
from infra.tests.terraform import CheckFailed, Terraform

Aws = Callable[[str], Any]

_FULL, _EMPTY = "sc-full", "sc-empty"


def through(aws: Aws, terraform: Terraform) -> str:
    """
    Apply the root of *terraform*, put an object into one of its buckets, and destroy it in both ways.

    Raises:
        CheckFailed: What should have stayed is gone, or what should have gone stayed.
    """
    terraform.init(backend=True)
    terraform.run("apply", "-auto-approve", "-input=false", "-no-color")
    aws("s3").put_object(Bucket=_FULL, Key="models/1/MLmodel", Body=b"model")
    before = _seen(aws, _FULL)
    refused = terraform.run("destroy", "-auto-approve", "-input=false", "-no-color", accepted=(1,))
    if "prevent_destroy" not in refused.stderr or (_seen(aws, _FULL), _seen(aws, _EMPTY)[:1]) != (before, before[:1]):
        raise CheckFailed(f"terraform destroy took something away:\n{refused.stderr}")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        destroy(Environment(terraform.directory, approve=True, quiet=True), lambda: True)
    if _seen(aws, _FULL) != before:
        raise CheckFailed(f"the bucket that stays had {before}, and has {_seen(aws, _FULL)}")
    buckets = [bucket["Name"] for bucket in aws("s3").list_buckets()["Buckets"] if bucket["Name"] == _EMPTY]
    streams = [name for name in aws("kinesis").list_streams()["StreamNames"] if name == "sc-events"]
    if buckets or streams:
        raise CheckFailed(f"left behind: {', '.join([*buckets, *streams])}")
    named = ("the last 48 hours: sc-events", f"stays, for it is not empty: {_FULL}")
    if not all(name in said.getvalue() for name in named):
        raise CheckFailed(f"make destroy did not name what goes and what stays:\n{said.getvalue()}")
    _empty(aws("s3"))
    return "terraform destroy refused; make destroy left the full bucket its key, policy, access block and encryption"


def _seen(aws: Aws, bucket: str) -> list[Any]:
    s3 = aws("s3")
    try:
        encryption = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        key = encryption[0]["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]
        state = aws("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
        access = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        return [encryption, state, access, s3.get_bucket_policy(Bucket=bucket)["Policy"]]
    except ClientError as error:
        return [str(error)]


def _empty(s3: Any) -> None:
    versions = s3.list_object_versions(Bucket=_FULL)["Versions"]
    for version in versions:
        s3.delete_object(Bucket=_FULL, Key=version["Key"], VersionId=version["VersionId"])
    s3.delete_bucket(Bucket=_FULL)
