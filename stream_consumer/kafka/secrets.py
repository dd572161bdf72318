"""
Secrets by their ARNs.

The rule: no message has the value of a secret. Errors of botocore name the secret but do not hold it.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from stream_consumer.errors import SettingsError


def read_secret(client: Any, arn: str, fields: Sequence[str]) -> dict[str, str]:
    """
    Return the secret *arn* of AWS Secrets Manager, a JSON object of texts with at least *fields*.

    Raises:
        SettingsError: The secret cannot be read, or has another shape.
    """
    wanted = f"wanted a JSON object of texts with the keys {' and '.join(fields)}"
    try:
        text = client.get_secret_value(SecretId=arn).get("SecretString")
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        raise SettingsError(
            f"the secret {arn} cannot be read: GetSecretValue was answered with {code}; the function's role needs "
            "secretsmanager:GetSecretValue on it and kms:Decrypt on its key"
        ) from None
    except BotoCoreError as error:
        raise SettingsError(
            f"the secret {arn} cannot be read: {error}; from a VPC, Secrets Manager needs an endpoint or a NAT gateway"
        ) from error
    try:
        held = msgspec.json.decode(text or "", type=dict[str, str])
    except ValueError:  # its message may quote the secret
        raise SettingsError(f"the secret {arn} has another shape; {wanted}") from None
    if missing := [name for name in fields if not held.get(name)]:
        raise SettingsError(f"the secret {arn} has no {' and no '.join(missing)}; {wanted}")
    return held
