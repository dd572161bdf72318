"""The clients of AWS's services that a deployment is looked at with."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import boto3

Aws = Callable[[str], Any]
"""Returns the client of a service."""


def clients(outputs: Mapping[str, Any]) -> Aws:
    """Return what makes the clients of the region that the system of *outputs* runs in."""
    make: Any = boto3.client

    def client(service: str) -> Any:
        return make(service, region_name=outputs.get("region"))

    return cache(client)
