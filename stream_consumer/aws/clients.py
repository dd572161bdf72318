"""boto3 clients: for the command line by the AWS CLI's rules, and the configuration of clients for the sinks."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ProfileNotFound

from stream_consumer.errors import SettingsError, UsageError
from stream_consumer.loopback import is_loopback

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient

LOCAL_REGION = "us-east-1"
LOCAL_KEY = "test"
"""Access key and secret for emulators, which require a signature but do not check it."""

CONFIG = Config(
    connect_timeout=3,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=64,
    s3={"addressing_style": "path"},
)


def client(session: boto3.Session, service: Any, **options: Any) -> Any:
    """
    Return a client of *service*. All clients are made here.

    Raises:
        SettingsError: The region is missing, or an endpoint is not a URL.
    """
    try:
        return session.client(service, **options)
    except (BotoCoreError, ValueError) as error:  # ValueError: an endpoint that is not a URL
        raise SettingsError(
            f"no client of {service} can be made: {error}; look at AWS_REGION and the AWS_ENDPOINT_URL… variables"
        ) from error


def default_client(service: Any) -> Any:
    """Return a client by the AWS CLI's rules, with profile, region and ``AWS_ENDPOINT_URL`` from the environment."""
    return client(default_session(), service)


def default_session() -> boto3.Session:
    """
    Return a session with the settings of the environment.

    Raises:
        SettingsError: The profile does not exist, or a configuration file cannot be read.
    """
    try:
        return boto3.Session(region_name=_region(os.environ))
    except ProfileNotFound as error:
        raise SettingsError(f"AWS_PROFILE={os.environ.get('AWS_PROFILE')!r}: {error}") from error
    except BotoCoreError as error:
        raise SettingsError(f"{error}; look at AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE") from error


@dataclass(frozen=True)
class Clients:
    """Clients of one account and region, each made at its first use. Threads may share a client."""

    session: boto3.Session
    endpoint_url: str | None

    @cached_property
    def kinesis(self) -> "KinesisClient":
        made: KinesisClient = self._client("kinesis")
        return made

    @cached_property
    def s3(self) -> "S3Client":
        made: S3Client = self._client("s3")
        return made

    @cached_property
    def sqs(self) -> "SQSClient":
        made: SQSClient = self._client("sqs")
        return made

    def _client(self, service: str) -> Any:
        return client(self.session, service, endpoint_url=self.endpoint_url, config=CONFIG)

    @cached_property
    def sns(self) -> Any:
        return self._client("sns")

    @cached_property
    def functions(self) -> Any:
        """The client of AWS Lambda."""
        return self._client("lambda")

    @cached_property
    def cloudwatch(self) -> Any:
        return self._client("cloudwatch")

    @cached_property
    def logs(self) -> Any:
        return self._client("logs")

    @cached_property
    def sts(self) -> Any:
        return self._client("sts")


def connect(
    *,
    environ: Mapping[str, str],
    endpoint_url: str | None = None,
    region: str | None = None,
    profile: str | None = None,
) -> Clients:
    """
    Return clients by the AWS CLI's rules. A loopback endpoint needs no credentials and no region.

    Raises:
        UsageError: The profile does not exist, the region is missing, or the endpoint is not a URL.
    """
    made = session(environ=environ, endpoint_url=endpoint_url, region=region, profile=profile)
    if made.region_name is None:
        raise UsageError(
            "no AWS region: pass --region, set AWS_REGION, or configure one for the profile. The variables for "
            '`stream-consumer local up` are set by: eval "$(stream-consumer local env)"'
        )
    return Clients(made, endpoint_url)


def session(
    *,
    environ: Mapping[str, str],
    endpoint_url: str | None = None,
    region: str | None = None,
    profile: str | None = None,
) -> boto3.Session:
    """
    Return a session by the rules of :func:`connect`. The region may be missing.

    Raises:
        UsageError: The profile does not exist, or the endpoint is not a URL.
    """
    local = _is_loopback(endpoint_url or environ.get("AWS_ENDPOINT_URL"))
    # Without a profile or keys of the user's own, boto3 would look for an instance's role, for seconds.
    keyless = local and not (profile or {"AWS_ACCESS_KEY_ID", "AWS_PROFILE"} & environ.keys())
    key = LOCAL_KEY if keyless else None
    try:
        core = botocore.session.Session(profile=profile)
        own = region or _region(environ)
        found: str | None = own or core.get_config_variable("region") or (LOCAL_REGION if local else None)
        return boto3.Session(key, key, region_name=found, botocore_session=core)
    except ProfileNotFound as error:
        raise UsageError(f"{error}; see the profiles with: aws configure list-profiles") from error


def _region(environ: Mapping[str, str]) -> str | None:
    """
    Return the region in the environment, as the AWS CLI and Terraform do. boto3 alone reads only the second variable.

    Source: AWS SDKs and Tools reference guide, "AWS Region".
    """
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None


def _is_loopback(endpoint_url: str | None) -> bool:
    if endpoint_url is None:
        return False
    try:
        parts = urlsplit(endpoint_url)
        host = parts.hostname if parts.scheme in {"http", "https"} and parts.port != 0 else None
    except ValueError:  # brackets without an IPv6 address, or an invalid port
        host = None
    if host is None:
        raise UsageError(f"endpoint {endpoint_url!r} is not a URL such as http://127.0.0.1:4566")
    return is_loopback(host)


def client_config(in_flight: int, **options: Any) -> Config:
    """
    Return the botocore configuration for clients of the sinks.

    botocore makes one try per call, since the sinks retry themselves. The timeouts leave time for a second try.
    botocore's default of 60 s is longer than most invocations.
    """
    return Config(
        connect_timeout=1,
        read_timeout=4,
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=in_flight,
        tcp_keepalive=True,
        **options,
    )
