"""Handlers of every temper, for both kinds of function."""

import os
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from stream_consumer.errors import Terminated

COLD = [True]


def succeed(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001
    return {"batchItemFailures": [], "records": len(event["Records"])}


def describe(event: dict[str, Any], context: Any) -> dict[str, Any]:
    cold, COLD[0] = COLD[0], False
    return {
        "event": event,
        "cold": cold,
        "pid": os.getpid(),
        "environment": {
            name: value for name, value in os.environ.items() if name.startswith(("AWS_", "LAMBDA_", "_H"))
        },
        "remaining": context.get_remaining_time_in_millis(),
        "request_id": context.aws_request_id,
        "function_name": context.function_name,
        "function_version": context.function_version,
        "invoked_function_arn": context.invoked_function_arn,
        "memory_limit_in_mb": context.memory_limit_in_mb,
    }


def misbehave(event: dict[str, Any], context: Any) -> Any:  # noqa: ARG001, C901, PLR0911, PLR0912, RET503 - one entry a misdeed
    match event["do"]:
        case "raise":
            raise ValueError("the function's fault")
        case "interrupt":
            raise KeyboardInterrupt
        case "get a signal":
            raise Terminated
        case "exit":
            sys.exit(3)
        case "exit at once":
            os._exit(7)
        case "exit silently":
            os._exit(0)
        case "abort":
            os.abort()
        case "hang":
            time.sleep(60)
        case "eat memory":
            eaten = [bytearray(32 * 1024 * 1024) for _ in range(100)]
            time.sleep(60)
            return len(eaten)
        case "return an object":
            return object()
        case "return too much":
            return "x" * 6_291_555
        case "return as much as fits":
            return "x" * 6_291_554
        case "return a decimal":
            return {"seconds": Decimal("1.5")}
        case "meet":
            folder = Path(event["folder"])
            (folder / str(os.getpid())).touch()
            while len(list(folder.iterdir())) < event["count"]:
                time.sleep(0.01)
        case "print":
            sys.stdout.write("a line on standard output\n")
            sys.stderr.write("a line on standard error\n")
            return None
        case _:
            return {"pid": os.getpid()}
