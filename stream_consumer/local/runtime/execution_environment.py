"""
An execution environment: a worker process, its init, its invocations and its end, as Lambda reports them.

The first invocation starts the environment. A timeout or an excess of memory kills it, and the next invocation starts
it anew. Otherwise the environment is kept. An environment runs a single invocation at a time.

Source: AWS Lambda developer guide, "Understanding the Lambda execution environment lifecycle". The texts of the errors
are Lambda's.
"""

import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from stream_consumer.local.runtime.child_process import Child
from stream_consumer.local.runtime.functions import FunctionConfig, FunctionError, Invocation
from stream_consumer.local.runtime.runtime_api import Request, RuntimeApi

WATCH_SECONDS = 0.02
"""Interval between checks of a working process's memory."""

_TIMED_OUT = "Sandbox.Timedout"
_GONE = FunctionError("Runtime.ExitError", "Runtime exited without providing a reason")


class Process(Protocol):
    """A running worker."""

    @property
    def returncode(self) -> int | None: ...

    def resident_bytes(self) -> int: ...

    def signal(self, number: int) -> None: ...

    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Launch:
    """The parameters for starting a worker."""

    function: FunctionConfig
    environment: Mapping[str, str]
    on_line: Callable[[str], object]
    on_exit: Callable[[], None]


def start_python(launch: Launch) -> Process:
    """Start a worker with this interpreter."""
    return Child(
        [sys.executable, "-m", "awslambdaric", launch.function.handler],
        environment=launch.environment,
        directory=launch.function.task_root,
        on_line=launch.on_line,
        on_exit=launch.on_exit,
    )


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """The parameters of a function's workers."""

    function: FunctionConfig
    environment: Mapping[str, str]
    log: Callable[[str], object]
    init_seconds: float
    freeze: bool
    start: Callable[[Launch], Process] = start_python


class _Worker:
    """A running runtime interface client with its Runtime API."""

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config
        # Lambda's /tmp ends with its environment. Files of a killed worker, such as a copy of the model, must be
        # deleted too.
        self._scratch = tempfile.TemporaryDirectory(prefix="environment-", ignore_cleanup_errors=True)
        self.api = RuntimeApi(self._freeze if config.freeze else lambda: None)
        with self.api.changed:  # no thread may use the child before it exists
            self.child = config.start(Launch(config.function, self._environment(), config.log, self._exited))

    def wait(self, done: Callable[[], bool], deadline: float) -> FunctionError | None:
        """
        Wait until *done*, called under the API's condition, is true.

        Else return the fault: an exit, memory or the deadline.
        """
        with self.api.changed:
            while not done():
                fault = self._fault(deadline)
                if fault is not None:
                    return fault
                self.api.changed.wait(min(WATCH_SECONDS, max(0.0, deadline - time.monotonic())))
        return None

    def close(self) -> None:
        self.child.stop()
        self.api.close()
        self._scratch.cleanup()

    def hand_over(self, request: Request) -> None:
        with self.api.changed:  # together: a worker frozen between the two would never see the request
            self.api.offer(request)
            self.child.signal(signal.SIGCONT)

    def _fault(self, deadline: float) -> FunctionError | None:
        if self.child.returncode is not None:
            return FunctionError("Runtime.ExitError", f"Runtime exited {_how(self.child.returncode)}")
        if self.child.resident_bytes() > self._config.function.memory_mb * 1024 * 1024:
            return FunctionError("Runtime.OutOfMemory", "Runtime exited with error: signal: killed")
        if time.monotonic() >= deadline:
            return FunctionError(_TIMED_OUT, "")
        return None

    def _freeze(self) -> None:
        self.child.signal(signal.SIGSTOP)

    def _exited(self) -> None:
        with self.api.changed:
            self.api.changed.notify_all()

    def _environment(self) -> dict[str, str]:
        function = self._config.function
        inherited = {name: value for name, value in self._config.environment.items() if name != "AWS_EXECUTION_ENV"}
        return inherited | {
            "_HANDLER": function.handler,
            "AWS_DEFAULT_REGION": function.region,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": function.version,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"local/[{function.version}]{uuid.uuid4().hex}",
            "AWS_LAMBDA_RUNTIME_API": self.api.address,
            "AWS_REGION": function.region,
            "LAMBDA_TASK_ROOT": str(function.task_root.resolve()),
            "TMPDIR": self._scratch.name,
            "TZ": ":UTC",
        }


class Environment:
    """An execution environment. Not thread-safe."""

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config
        self._worker: _Worker | None = None

    def warm_up(self) -> FunctionError | None:
        """
        Init now, if not done yet. Return the error of a failed init. The next invocation then repeats the init.

        A slow init is repeated with the function's timeout, as within an invocation.
        """
        timeout = self._config.function.timeout_seconds
        error = self._init(self._config.init_seconds)
        if error is None or error.error_type != _TIMED_OUT:
            return error
        error = self._init(timeout)
        if error is None or error.error_type != _TIMED_OUT:
            return error
        return FunctionError(_TIMED_OUT, f"init timed out after {timeout:g} seconds; raise the function's timeout")

    def invoke(self, payload: bytes) -> Invocation:
        request_id = str(uuid.uuid4())
        timeout = self._config.function.timeout_seconds
        error = self._init(self._config.init_seconds)
        deadline = time.monotonic() + timeout
        if error is not None:  # Lambda repeats the init within the invocation, with the function's timeout
            error = self._init(timeout)
        worker = self._worker
        if error is not None or worker is None:
            return Invocation(request_id, error=_worded(error or _GONE, request_id, timeout))
        deadline_ms = int((time.time() + deadline - time.monotonic()) * 1000)
        worker.hand_over(Request(request_id, payload, self._config.function.arn, deadline_ms))
        # The invocation is over when the worker asks for the next one. An answer counts even if the worker dies
        # afterwards.
        fault = worker.wait(lambda: worker.api.answer is not None and worker.api.asking, deadline)
        if fault is not None:
            self.close()
        answer = worker.api.answer
        if answer is None:
            return Invocation(request_id, error=_worded(fault or _GONE, request_id, timeout))
        if isinstance(answer, FunctionError):
            return Invocation(request_id, error=answer)
        return Invocation(request_id, payload=answer)

    def close(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()

    def _init(self, limit: float) -> FunctionError | None:
        if self._worker is not None and self._worker.child.returncode is None:
            return None
        self.close()
        worker = self._worker = _Worker(self._config)
        api = worker.api
        fault = worker.wait(lambda: api.asking or api.init_error is not None, time.monotonic() + limit)
        error = api.init_error or fault
        if error is not None:
            self.close()
        return error


def _how(returncode: int) -> str:
    if returncode == 0:
        return "without providing a reason"
    if returncode < 0:
        return f"with error: signal: {(signal.strsignal(-returncode) or str(-returncode)).lower()}"
    return f"with error: exit status {returncode}"


def _worded(error: FunctionError, request_id: str, timeout: float) -> FunctionError:
    """Return a fault of the environment in Lambda's words. An error reported by the runtime client stays the same."""
    if error.error_type not in {"Runtime.ExitError", "Runtime.OutOfMemory", _TIMED_OUT}:
        return error
    message = f"Task timed out after {timeout:.2f} seconds" if error.error_type == _TIMED_OUT else error.message
    return FunctionError(error.error_type, f"RequestId: {request_id} Error: {message}")
