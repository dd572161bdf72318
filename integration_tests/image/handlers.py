"""Functions that misbehave, shown to a container beside the image's own."""

import time
from typing import Any


def hang(event: Any, context: Any) -> None:
    """Outlast every timeout if the event asks for it."""
    del context
    if event["misbehave"]:
        time.sleep(3600)


def hoard(event: Any, context: Any) -> int:
    """Occupy 2 GB if the event asks for it."""
    del context
    return len(b"x" * (2 * 2**30)) if event["misbehave"] else 0
