"""By which name a request to AWS is noted, whatever the protocol of its service."""

from collections.abc import Mapping

import pytest

from infra.tests.recorded import called

FORM = "application/x-www-form-urlencoded"


def signed(service: str, **headers: str) -> dict[str, str]:
    scope = f"AWS4-HMAC-SHA256 Credential=123456789012/20261127/eu-west-1/{service}/aws4_request, SignedHeaders=host"
    return {"Authorization": scope, **headers}


@pytest.mark.parametrize(
    ("method", "url", "headers", "body", "operation"),
    [
        ("POST", "/", signed("kinesis", **{"X-Amz-Target": "Kinesis_20131202.PutRecord"}), b"{}", "kinesis:PutRecord"),
        ("POST", "/", signed("iam", **{"Content-Type": FORM}), b"Action=GetRole&RoleName=a", "iam:GetRole"),
        ("PUT", "/bucket/a/b", signed("s3"), b"", "s3:PutObject"),
        ("PUT", "/bucket/a/b", signed("s3", **{"X-Amz-Copy-Source": "c/d"}), b"", "s3:CopyObject"),
        ("PUT", "/bucket/a?partNumber=1&uploadId=2", signed("s3"), b"", "s3:UploadPart"),
        ("DELETE", "/bucket/a/b", signed("s3"), b"", "s3:DeleteObject"),
        ("GET", "/bucket?list-type=2&prefix=a", signed("s3"), b"", "s3:ListObjectsV2"),
        ("GET", "/bucket?lifecycle=", signed("s3"), b"", "s3:GetBucketLifecycleConfiguration"),
        ("GET", "/2015-03-31/functions/f/policy", signed("lambda"), b"", "lambda:GetPolicy"),
        ("POST", "/v2/apis", signed("apigateway"), b"{}", "apigatewayv2:CreateApi"),
        ("GET", "/_ministack/health", {}, b"", None),
    ],
)
def test_a_request_is_noted_by_its_operation(
    method: str, url: str, headers: Mapping[str, str], body: bytes, operation: str | None
) -> None:
    assert called(method, url, headers, body) == operation


def test_a_request_that_no_model_knows_is_not_passed_over() -> None:
    with pytest.raises(LookupError, match="lambda has no operation GET /nothing"):
        called("GET", "/nothing", signed("lambda"), b"")
