"""The handler as Lambda runs it: ``python -m awslambdaric`` in processes with one invocation at a time."""

import importlib.util
import queue
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from stream_consumer.errors import LocalPlatformError, UsageError
from stream_consumer.local.runtime.execution_environment import Environment, Launch, Process, WorkerConfig, start_python
from stream_consumer.local.runtime.functions import FunctionConfig, FunctionError, Invocation

INIT_SECONDS = 10.0
"""Source: AWS Lambda developer guide, "Understanding the Lambda execution environment lifecycle", init phase."""


def unlogged(_: str) -> None:
    """Drop the output of the workers."""


class RuntimeFunction:
    """
    A pool of execution environments. If all are busy, an invocation waits for a free environment.

    Args:
        config: The function.
        environments: Number of concurrent invocations. A mapping needs shards times parallelization factor.
        environment: All environment variables of the workers except those that Lambda sets.
        log: Called from a separate thread with each line of a worker's output.
        init_seconds: The limit of a first init.
        freeze: Stop an idle worker's process until its next invocation, as Lambda freezes environments.
        start: Starts a worker. The default runs this interpreter. A container of the image is the alternative.

    Raises:
        UsageError: awslambdaric is not installed.
    """

    def __init__(  # noqa: PLR0913 - options by name, each with its default
        self,
        config: FunctionConfig,
        *,
        environment: Mapping[str, str],
        environments: int = 1,
        log: Callable[[str], object] = unlogged,
        init_seconds: float = INIT_SECONDS,
        freeze: bool = False,
        start: Callable[[Launch], Process] = start_python,
    ) -> None:
        if start is start_python and importlib.util.find_spec("awslambdaric") is None:
            raise UsageError(
                "the package awslambdaric, Lambda's runtime interface client, is not installed; it exists for Linux "
                "only: elsewhere invoke the handler in process"
            )
        worker = WorkerConfig(config, environment, log, init_seconds, freeze, start)
        self._arn = config.arn
        self._environments = tuple(Environment(worker) for _ in range(environments))
        self._idle: queue.LifoQueue[Environment] = queue.LifoQueue()
        for one in self._environments:
            self._idle.put(one)
        self._closed = False

    @property
    def arn(self) -> str:
        return self._arn

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def warm_up(self) -> FunctionError | None:
        """Init every environment now, never during invocations. Return the error of a failed init, if any."""
        with ThreadPoolExecutor(len(self._environments)) as threads:
            try:
                errors = [error for error in threads.map(Environment.warm_up, self._environments) if error]
            except BaseException:  # Ctrl-C and SIGTERM do not wait for the rest of an init
                self.close()
                raise
        return errors[0] if errors else None

    def invoke(self, payload: bytes) -> Invocation:
        one = self._idle.get()
        try:
            if self._closed:
                raise LocalPlatformError(f"function {self._arn} was closed while it was being invoked")
            return one.invoke(payload)
        finally:
            self._idle.put(one)

    def close(self) -> None:
        """End every worker at once."""
        self._closed = True
        for one in self._environments:
            one.close()
