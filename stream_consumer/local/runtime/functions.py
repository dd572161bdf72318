"""
A function as the event source mapping sees it: JSON in, JSON or a function error out.

The rule: a fault of the function is a value, ``Invocation.error``. An exception is a fault of the platform.
"""

import importlib
import json
import sys
import threading
import time
import traceback
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from stream_consumer.errors import LocalPlatformError, Terminated, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

RESPONSE_LIMIT = 6_291_556
"""Largest size in bytes of a synchronous response: 6 MB, and the 100 bytes more in Lambda's own error message."""

ACCOUNT = "000000000000"


@dataclass(frozen=True, slots=True)
class FunctionConfig:
    """
    A function's configuration on Lambda.

    Raises:
        UsageError: The handler is not of the form ``module.handler``, or a limit is outside Lambda's.
    """

    handler: str
    name: str = "function"
    timeout_seconds: float = 60.0
    memory_mb: int = 1024
    region: str = "us-east-1"
    task_root: Path = field(default_factory=Path.cwd)
    version: str = "$LATEST"

    def __post_init__(self) -> None:
        module, _, attribute = self.handler.rpartition(".")
        if not module or not attribute:
            raise UsageError(f"the function's handler {self.handler!r} is not of the form module.handler")
        if not 0 < self.timeout_seconds <= 900:  # noqa: PLR2004 - Lambda's limit, said in the message
            raise UsageError(f"timeout of {self.timeout_seconds} s is outside Lambda's limits, more than 0 to 900")
        if not 128 <= self.memory_mb <= 10_240:  # noqa: PLR2004 - the same
            raise UsageError(f"memory of {self.memory_mb} MB is outside Lambda's limits, 128 to 10240")

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{ACCOUNT}:function:{self.name}"


@dataclass(frozen=True, slots=True)
class FunctionError:
    """The error that Lambda reports with ``FunctionError: Unhandled``."""

    error_type: str
    message: str
    stack_trace: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Invocation:
    """The outcome of an invocation: a response, a function error, or a throttle before the function was reached."""

    request_id: str
    payload: bytes = b"null"
    error: FunctionError | None = None
    throttled: bool = False


class Function(Protocol):
    @property
    def arn(self) -> str: ...

    def invoke(self, payload: bytes) -> Invocation:
        """Invoke with an event's JSON and wait for the outcome. Several threads may call at once."""


def too_large(size: int) -> FunctionError:
    """Return the function error for a response over the limit."""
    return FunctionError(
        "Function.ResponseSizeTooLarge",
        f"Response payload size ({size} bytes) exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes).",
    )


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """The context object of an in-process invocation. Source: AWS Lambda developer guide, "Lambda context object"."""

    aws_request_id: str
    function_name: str
    function_version: str
    invoked_function_arn: str
    memory_limit_in_mb: str
    deadline: float
    """In seconds of ``time.monotonic``."""
    log_group_name: str
    log_stream_name: str = "local"
    identity: None = None
    client_context: None = None
    tenant_id: None = None

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline - time.monotonic()) * 1000))


class InProcessFunction:
    """
    The handler called in this process: quick to start and easy to debug.

    The function is a single environment. Invocations of several shards take turns, so the handler meets no more
    concurrency than on Lambda. Only the context tells the handler of its timeout, and a handler that ignores it is not
    ended.

    Raises:
        UsageError: The module or handler does not exist. Other exceptions of the module's import pass through.
    """

    def __init__(self, config: FunctionConfig) -> None:
        self._config = config
        self._turn = threading.Lock()
        self._handler = _load(config)

    @property
    def arn(self) -> str:
        return self._config.arn

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing. The method exists so that both kinds of function can be used in a with statement."""

    def invoke(self, payload: bytes) -> Invocation:
        request_id = str(uuid.uuid4())
        with self._turn:
            context = self._context(request_id)
            try:
                response = self._handler(json.loads(payload), context)
            except (KeyboardInterrupt, Terminated):  # Ctrl-C and SIGTERM are not faults of the handler
                raise
            except BaseException as error:  # noqa: BLE001 - a handler may raise anything; on Lambda it ends the worker
                return Invocation(request_id, error=_reported(error))
        try:
            answer = json.dumps(response, separators=(",", ":"), default=_decimal).encode()
        except (TypeError, ValueError) as error:
            message = f"Unable to marshal response: {error}"
            return Invocation(request_id, error=FunctionError("Runtime.MarshalError", message))
        if len(answer) > RESPONSE_LIMIT:
            return Invocation(request_id, error=too_large(len(answer)))
        return Invocation(request_id, payload=answer)

    def _context(self, request_id: str) -> LambdaContext:
        config = self._config
        return LambdaContext(
            aws_request_id=request_id,
            function_name=config.name,
            function_version=config.version,
            invoked_function_arn=config.arn,
            memory_limit_in_mb=str(config.memory_mb),
            deadline=time.monotonic() + config.timeout_seconds,
            log_group_name=f"/aws/lambda/{config.name}",
        )


def _load(config: FunctionConfig) -> "Callable[[Any, LambdaContext], Any]":
    module_name, _, attribute = config.handler.rpartition(".")
    module_name = module_name.replace("/", ".")
    root = str(config.task_root.resolve())
    if root not in sys.path:
        sys.path.insert(0, root)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module exists, and one of its imports does not
        raise UsageError(f"no module {module_name!r} for handler {config.handler!r} in {root} or installed") from error
    handler = getattr(module, attribute, None)
    if not callable(handler):
        raise UsageError(f"module {module_name!r} has no function {attribute!r} for handler {config.handler!r}")
    found: Callable[[Any, LambdaContext], Any] = handler
    return found


def _decimal(value: object) -> float:
    """Convert a Decimal, the only type beyond JSON's that Lambda's runtime client accepts."""
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _reported(error: BaseException) -> FunctionError:
    if isinstance(error, SystemExit):
        return FunctionError("Runtime.ExitError", f"Runtime exited with error: exit status {error.code}")
    own_frame_left_out = traceback.extract_tb(error.__traceback__)[1:]
    return FunctionError(type(error).__name__, str(error), tuple(traceback.format_list(own_frame_left_out)))


EMPTY_BATCH = b'{"Records":[]}'
"""An event that counts as a success for a Kinesis consumer and makes the consumer load its model."""


def started(error: FunctionError | None) -> None:
    """
    Raise if a function's first invocation, or its init, failed.

    Raises:
        LocalPlatformError: *error* is not None.
    """
    if error:
        raise LocalPlatformError(f"the function does not start: {error.error_type}: {error.message}")
