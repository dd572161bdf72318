"""See that what holds data outlives its interface and its environment, with key, policy and encryption."""

import contextlib
import io
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.clients import Aws
from infra.environment import Environment
from infra.teardown import destroy
from infra.tests.terraform import CheckFailed, Terraform


def stays_whole(aws: Aws, bucket: str, meanwhile: Callable[[], object]) -> str:
    """
    Do something *meanwhile* that may not touch the *bucket*, which holds an object.

    Raises:
        CheckFailed: The bucket is not what it was.
    """
    before = _seen(aws, bucket)
    if not before["objects"]:
        raise CheckFailed(f"{bucket} holds nothing, so nothing is proved")
    meanwhile()
    if (after := _seen(aws, bucket)) != before:
        raise CheckFailed(f"the bucket {bucket} had {before}, and has {after}")
    return f"{bucket} whole, with {before['objects']} objects"


def through(aws: Aws, terraform: Terraform, *, full: str, empty: str, stream: str) -> str:
    """
    Destroy the environment in the root of *terraform* in both ways; one of its buckets is *full*, one is *empty*.

    Raises:
        CheckFailed: What should have stayed is gone, or what should have gone stayed.
    """
    clear(aws("s3"), empty)

    def refused() -> None:
        done = terraform.run("destroy", "-auto-approve", "-input=false", "-no-color", accepted=(1,))
        if "prevent_destroy" not in done.stderr or "error" in _seen(aws, empty):
            raise CheckFailed(f"terraform destroy took something away:\n{done.stderr}")

    said = io.StringIO()

    def torn_down() -> None:
        with contextlib.redirect_stdout(said):
            destroy(Environment(terraform.directory, approve=True, quiet=True), lambda: True)

    stays_whole(aws, full, refused)
    whole = stays_whole(aws, full, torn_down)
    if "error" not in _seen(aws, empty):
        raise CheckFailed(f"left behind: {empty}")
    named = (f"hours: {stream}", f"stays, since it is not empty: {full}")
    if not all(name in said.getvalue() for name in named):
        raise CheckFailed(f"make destroy did not name what goes and what stays:\n{said.getvalue()}")
    clear(aws("s3"), full)
    aws("s3").delete_bucket(Bucket=full)
    return f"terraform destroy refused; make destroy left {whole}"


def _seen(aws: Aws, bucket: str) -> Mapping[str, Any]:
    s3 = aws("s3")
    try:
        encryption = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        key = encryption[0]["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]
        return {
            "encryption": encryption,
            "key": aws("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"],
            "access block": s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"],
            "policy": s3.get_bucket_policy(Bucket=bucket)["Policy"],
            "versioning": s3.get_bucket_versioning(Bucket=bucket)["Status"],
            "objects": len(s3.list_objects_v2(Bucket=bucket).get("Contents", ())),
        }
    except ClientError as error:
        return {"error": str(error), "objects": 0}


def clear(s3: Any, bucket: str) -> None:
    """Delete every version of every object of the *bucket*."""
    listed = s3.list_object_versions(Bucket=bucket)
    for version in [*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())]:
        s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
