"""
The real handler in a process to which things happen.

What happens is planned on disk, so that it outlives the process: each invocation takes the next step of the plan.
"""

import json
import os
import signal
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stream_consumer.lambda_function import lambda_handler


def plan(folder: Path, steps: Iterable[Mapping[str, float]]) -> None:
    """
    Let the next invocations take *steps*, one each.

    ``kill``: SIGKILL so many seconds after the invocation began, whatever goes on then. ``eat``: megabytes to occupy.
    """
    for number, step in enumerate(steps):
        (folder / f"{number:06d}.step").write_text(json.dumps(step), encoding="utf-8")


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    step = _next_step(Path(os.environ["PLAN"]))
    if "kill" in step:
        timer = threading.Timer(step["kill"], os.kill, (os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()
    eaten = bytearray(int(step.get("eat", 0) * 2**20))
    response = lambda_handler(event, context)
    del eaten
    return response


def _next_step(folder: Path) -> dict[str, float]:
    for path in sorted(folder.glob("*.step")):
        taken = path.with_suffix(".taken")
        try:
            path.rename(taken)
        except FileNotFoundError:  # another worker was quicker
            continue
        step: dict[str, float] = json.loads(taken.read_text(encoding="utf-8"))
        return step
    return {}
