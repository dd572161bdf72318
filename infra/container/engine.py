"""
The container tool of this machine: the first of docker, podman and buildah that works.

The rule: this module knows nothing about the image. Flags that only this machine needs (a proxy's certificates, an
isolation mode) come from CONTAINER_BUILD_FLAGS and CONTAINER_RUN_FLAGS.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TOOLS = ("docker", "podman", "buildah")
_PROBE_SECONDS = 30


class ContainerError(Exception):
    """The image cannot be built, run or accepted. The message has the reason and a remedy."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A container tool that answered."""

    tool: str
    build_flags: tuple[str, ...] = ()
    run_flags: tuple[str, ...] = ()

    def build(
        self, context: Path, tag: str, arguments: Mapping[str, str], platform: str | None, target: str = ""
    ) -> None:
        """
        Build the Dockerfile of *context* up to its stage *target*, and show the tool's own output.

        Raises:
            ContainerError: The build failed. The tool's output has the reason.
        """
        command = [self.tool, "build", "--tag", tag, *self.build_flags]
        command += [f"--build-arg={name}={value}" for name, value in arguments.items()]
        command += ["--platform", platform] if platform else []
        command += ["--target", target] if target else []
        # Lambda takes a manifest of one image, and buildx would push an attestation beside it.
        environment = {**os.environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
        if subprocess.run([*command, str(context)], check=False, env=environment).returncode:  # noqa: S603 (the user's own tool)
            raise ContainerError(
                f"{self.tool} build failed; the lines above say at which step and why (the base image and the packages "
                "come over the network)"
            )

    def save(self, image: str, archive: Path) -> None:
        """Write *image* in docker's archive format."""
        if self.tool == "buildah":
            self._answer("push", "--quiet", image, f"docker-archive:{archive}")
        else:
            only_podman = ["--format", "docker-archive"] if self.tool == "podman" else []
            self._answer("save", *only_podman, "--output", str(archive), image)

    def run_command(self, options: Sequence[str], image: str, arguments: Sequence[str] = ()) -> list[str]:
        """
        Return the command that runs a container of *image* in the foreground and removes it afterwards.

        Raises:
            ContainerError: The tool only builds.
        """
        if self.tool == "buildah":
            raise ContainerError(
                "buildah builds images and does not run them as Lambda would; install podman or docker"
            )
        return [self.tool, "run", "--rm", *self.run_flags, *options, image, *arguments]

    def call(self, *arguments: str) -> str:
        """Run the tool and return its output. An error of the tool is a :class:`ContainerError`."""
        return self._answer(*arguments)

    def _answer(self, *arguments: str) -> str:
        answer = subprocess.run([self.tool, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
        if answer.returncode:
            raise ContainerError(f"{self.tool} {arguments[0]} failed: {answer.stderr.strip()}")
        return answer.stdout


def find_engine(environ: Mapping[str, str]) -> Engine:
    """
    Return the first tool that works, or the tool in CONTAINER_ENGINE.

    Raises:
        ContainerError: No tool works. The message has the reason of each.
    """
    wanted = environ.get("CONTAINER_ENGINE")
    if wanted and wanted not in _TOOLS:
        raise ContainerError(f"CONTAINER_ENGINE={wanted!r}: wanted {', '.join(_TOOLS)}")
    faults = []
    for tool in [wanted] if wanted else _TOOLS:
        fault = _fault(tool)
        if fault is None:
            flags = (tuple(shlex.split(environ.get(f"CONTAINER_{kind}_FLAGS", ""))) for kind in ("BUILD", "RUN"))
            return Engine(tool, *flags)
        faults.append(f"{tool}: {fault}")
    raise ContainerError(
        f"no container tool works here ({'; '.join(faults)}); install docker, podman or buildah, or start its daemon"
    )


def _fault(tool: str) -> str | None:
    """Return the reason why *tool* cannot be used, or None. A client without its daemon does not count."""
    if shutil.which(tool) is None:
        return "not installed"
    question = [tool, "images", "--quiet"]
    try:
        answer = subprocess.run(question, capture_output=True, text=True, check=False, timeout=_PROBE_SECONDS)  # noqa: S603
    except subprocess.TimeoutExpired:
        return f"`{shlex.join(question)}` does not answer"
    if not answer.returncode:
        return None
    lines = answer.stderr.strip().splitlines()
    return lines[-1] if lines else f"`{shlex.join(question)}` fails with exit code {answer.returncode}"
