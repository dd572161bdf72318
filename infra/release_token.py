"""
``make release-token``: hand GitHub's token to EventBridge, which keeps it in a secret of its own.

The rule: the token is read from the terminal or from standard input, and is in no argument, file or state of Terraform.
"""

import getpass
import sys
from collections.abc import Mapping
from typing import Any

from infra.clients import Aws
from infra.publish import ReleaseFailed


def give_token(aws: Aws, outputs: Mapping[str, Any], token: str) -> str:
    """
    Let EventBridge ask GitHub with *token*, and say what for.

    Raises:
        ReleaseFailed: The environment tells nobody of a new champion, or there is no token.
    """
    trigger = outputs.get("release_trigger")
    if not trigger:
        raise ReleaseFailed('release_trigger is not set here: write release_trigger = { repository = "owner/name" }')
    if not token or any(character.isspace() for character in token):
        raise ReleaseFailed("that is no token: it is empty, or has a space in it")
    key = {"ApiKeyName": "Authorization", "ApiKeyValue": f"Bearer {token}"}
    answer = aws("events").update_connection(
        Name=trigger["connection"], AuthorizationType="API_KEY", AuthParameters={"ApiKeyAuthParameters": key}
    )
    return f"{trigger['connection']} asks {trigger['repository']} for releases: {answer['ConnectionState']}"


def read_token() -> str:
    """Return the token that the user types, unseen, or that stands in the first line of standard input."""
    asked = "token with leave to write the repository's contents: "
    return (getpass.getpass(asked) if sys.stdin.isatty() else sys.stdin.readline()).strip()
