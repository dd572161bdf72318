"""
Containers of the image as workers: what the local Lambda runtime starts in place of a Python process.

The rule: a container has what Lambda gives the function and nothing more: no privilege, a read-only root, 512 MB of
/tmp, its memory and the share of processors that goes with it. The container tool must run on this Linux machine, since
the Runtime API listens on its loopback only.
"""

import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from infra.container.engine import ContainerError, Engine
from stream_consumer.local.runtime.child_process import Child
from stream_consumer.local.runtime.execution_environment import Launch, Process

# Source: AWS Lambda developer guide, "Configure Lambda function memory": at 1,769 MB a function has one vCPU.
MEGABYTES_PER_VCPU = 1769

TASK_ROOT = "/var/task"

# Lambda runs an image as a user of its own, whatever USER says.
SOME_USER = "993:990"

JAIL = ("--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--user", SOME_USER)
TMP = ("--tmpfs", "/tmp:rw,nosuid,nodev,size=512m,mode=1777")  # noqa: S108 (the container's)


class Container:
    """A running container; what ends the tool's client is not enough to end it, so it has a name to be killed by."""

    def __init__(self, engine: Engine, image: str, options: Sequence[str], launch: Launch) -> None:
        self.name = f"worker-{uuid.uuid4().hex[:12]}"
        self._engine = engine
        self._paused = False
        environment = {**launch.environment, "LAMBDA_TASK_ROOT": TASK_ROOT}
        variables = [f"--env={name}={value}" for name, value in environment.items()]
        megabytes = launch.function.memory_mb
        size = ["--memory", f"{megabytes}m", "--memory-swap", f"{megabytes}m"]
        size += ["--cpus", f"{min(megabytes / MEGABYTES_PER_VCPU, os.cpu_count() or 1):.2f}"]
        command = engine.run_command(
            [*on_this_network(engine), *JAIL, *size, "--name", self.name, *variables, *options],
            image,
            [launch.function.handler],
        )
        # The tool's monitor leaves a note in its working directory when the kernel runs out of the container's memory.
        self._scratch = tempfile.TemporaryDirectory(prefix="container-")
        self._child = Child(
            [full_path(command[0]), *command[1:]],
            environment=dict(os.environ),
            directory=Path(self._scratch.name),
            on_line=launch.on_line,
            on_exit=launch.on_exit,
        )

    @property
    def returncode(self) -> int | None:
        return self._child.returncode

    def resident_bytes(self) -> int:
        return 0  # the kernel holds it to its memory

    def signal(self, number: int) -> None:
        if number == signal.SIGSTOP:
            self._engine.call("pause", self.name)
            self._paused = True
        elif number == signal.SIGCONT and self._paused:
            self._engine.call("unpause", self.name)
            self._paused = False

    def kill(self) -> None:
        """End it as a crash of its host would."""
        with suppress(ContainerError):  # it has ended by itself
            self._engine.call("kill", self.name)

    def stop(self) -> None:
        if self._child.returncode is None:
            self.kill()
        self._child.stop()
        self._scratch.cleanup()


def in_containers(
    engine: Engine, image: str, options: Sequence[str] = TMP, *, started: Callable[[Container], None] = lambda _: None
) -> Callable[[Launch], Process]:
    """Return what starts a worker as a container of *image*; *started* is told of each."""

    def start(launch: Launch) -> Process:
        container = Container(engine, image, options, launch)
        started(container)
        return container

    return start


def on_this_network(engine: Engine) -> list[str]:
    """Return the options that let a container reach this machine's loopback, unless CONTAINER_RUN_FLAGS has them."""
    return [] if "--network" in engine.run_flags else ["--network", "host"]


def full_path(tool: str) -> str:
    found = shutil.which(tool)
    if found is None:
        raise ContainerError(f"{tool} is not installed any more")
    return found


def mounted(source: Path, target: str) -> list[str]:
    """Return the options that show a file or folder of this machine to a container, read-only."""
    return ["--mount", f"type=bind,source={source.resolve()},target={target},readonly"]
