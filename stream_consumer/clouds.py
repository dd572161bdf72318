"""
Object stores beyond AWS: the schemes of their URLs, and the fsspec file system behind each.

The rule: fsspec and its libraries come with an extra and are imported when such a URL is opened, never before.
"""

import importlib
from collections.abc import Callable
from typing import Any

from stream_consumer.errors import UsageError

EXTRAS = {"gs": "gcs", "abfs": "azure", "abfss": "azure"}
"""The extra that has what a scheme needs."""

Opened = tuple[Any, str]
"""A file system of fsspec, and what it calls the path of a URL."""
Open = Callable[[str], Opened]


def in_a_cloud(location: str) -> bool:
    """Whether *location* is a URL of one of these stores."""
    scheme, separator, _ = location.partition("://")
    return bool(separator) and scheme in EXTRAS


def open_url(url: str) -> Opened:
    """
    Open the file system of *url*, with the credentials and the endpoint that its library finds in the environment.

    Raises:
        UsageError: The library is not installed.
    """
    scheme = url.partition("://")[0]
    try:
        opened: Opened = importlib.import_module("fsspec.core").url_to_fs(url)
    except ImportError as error:
        raise UsageError(
            f"{scheme}:// needs a library that is not installed ({error}): pip install "
            f"'stream-consumer[{EXTRAS[scheme]}]'"
        ) from error
    return opened
