"""The clients of AWS's services for looking at a deployment."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import boto3

Aws = Callable[[str], Any]
"""Returns the client of a service."""


def clients(outputs: Mapping[str, Any]) -> Aws:
    """Return a function that makes clients in the region of the system of *outputs*."""
    make: Any = boto3.client

    def client(service: str) -> Any:
        return make(service, region_name=outputs.get("region"))

    return cache(client)
