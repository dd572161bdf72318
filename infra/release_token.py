"""
``make release-token``: hand GitHub's token to EventBridge, which keeps it in a secret of its own.

The rule: the token comes from the terminal or standard input. No argument, file or state of Terraform has it.
"""

import getpass
import sys
from collections.abc import Mapping
from typing import Any

from infra.clients import Aws
from infra.publish import ReleaseFailed


def give_token(aws: Aws, outputs: Mapping[str, Any], token: str) -> str:
    """
    Let EventBridge send releases to GitHub with *token*, and return a sentence about the connection.

    Raises:
        ReleaseFailed: The environment has no release trigger, or the token is empty.
    """
    trigger = outputs.get("release_trigger")
    if not trigger:
        raise ReleaseFailed('release_trigger is not set here: write release_trigger = { repository = "owner/name" }')
    if not token or any(character.isspace() for character in token):
        raise ReleaseFailed("the token is empty or has a space in it")
    key = {"ApiKeyName": "Authorization", "ApiKeyValue": f"Bearer {token}"}
    answer = aws("events").update_connection(
        Name=trigger["connection"], AuthorizationType="API_KEY", AuthParameters={"ApiKeyAuthParameters": key}
    )
    return f"{trigger['connection']} asks {trigger['repository']} for releases: {answer['ConnectionState']}"


def read_token() -> str:
    """Return the token that the user types unseen, or the first line of standard input."""
    asked = "token with leave to write the repository's contents: "
    return (getpass.getpass(asked) if sys.stdin.isatty() else sys.stdin.readline()).strip()
