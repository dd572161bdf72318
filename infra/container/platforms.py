"""
The platforms for which this machine can build images: its own, and emulated ones.

The rule: the answer comes from the machine that runs the build. This may be a virtual machine of the container tool.
"""

import json
import platform
from pathlib import Path

from infra.container.engine import ContainerError, Engine

ARCHITECTURES = {"arm64": "linux/arm64", "x86_64": "linux/amd64"}
"""Platforms in the container tools' words, by architecture in Lambda's words."""

_MACHINES = {"x86_64": "x86_64", "AMD64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
BINFMT = Path("/proc/sys/fs/binfmt_misc")
# The machine of a program: two bytes at 18 of an ELF file. Source: elf.h, EM_X86_64 and EM_AARCH64.
_ELF_MACHINES = {"3e00": "linux/amd64", "b700": "linux/arm64"}
_MACHINE_DIGITS = slice(2 * 18, 2 * 20)


def own_architecture() -> str:
    """
    Return Lambda's word for the architecture of this machine.

    Raises:
        ContainerError: Lambda does not have this architecture.
    """
    machine = platform.machine()
    if machine not in _MACHINES:
        raise ContainerError(
            f"this machine is {machine!r}, and Lambda runs {' and '.join(ARCHITECTURES)} only: choose one with ARCH=…"
        )
    return _MACHINES[machine]


def own_platform() -> str:
    """Return the container tools' word for the platform of this machine."""
    machine = platform.machine()
    return ARCHITECTURES.get(_MACHINES.get(machine, ""), f"linux/{machine}")


def emulated(binfmt: Path = BINFMT) -> frozenset[str]:
    """
    Return the platforms that the kernel emulates, also in containers.

    Only a handler with the flag F works in a container, which does not have the emulator's file.

    Source: Linux, Documentation/admin-guide/binfmt-misc.
    """
    if not binfmt.is_dir():
        return frozenset()
    return frozenset(filter(None, map(_handled, binfmt.iterdir())))


def _handled(entry: Path) -> str | None:
    """Return the platform of a handler. The folder has the files `status`, `register` and one for each handler."""
    if entry.name in {"register", "status"}:
        return None
    lines = entry.read_text(encoding="ascii", errors="replace").splitlines()
    facts = dict(line.rstrip().partition(" ")[::2] for line in lines)
    if "enabled" not in facts or "F" not in facts.get("flags:", ""):
        return None
    return _ELF_MACHINES.get(facts.get("magic", "")[_MACHINE_DIGITS])


def buildable(engine: Engine, binfmt: Path = BINFMT) -> frozenset[str]:
    """Return the platforms for which *engine* builds."""
    if engine.tool == "docker":  # its daemon may run elsewhere, for example in Docker Desktop's virtual machine
        server = _answer(engine, "version", "--format={{.Server.Os}}/{{.Server.Arch}}")
        return _of_buildx(engine) or frozenset({server}) | emulated(binfmt)
    return _of_host(engine) | emulated(binfmt)


def _of_buildx(engine: Engine) -> frozenset[str]:
    """Return the platforms of the builder, which is started as for a build."""
    lines = _answer(engine, "buildx", "inspect", "--bootstrap").splitlines()
    listed = [line.partition(":")[2] for line in lines if line.lstrip().startswith("Platforms:")]
    return frozenset(name.strip(" *[]") for names in listed for name in names.split(","))


def _of_host(engine: Engine) -> frozenset[str]:
    """Return the platforms of podman's or buildah's host, which may be a virtual machine."""
    asked = ["info"] if engine.tool == "buildah" else ["info", "--format=json"]
    try:
        host = json.loads(_answer(engine, *asked)).get("host", {})
    except json.JSONDecodeError:
        host = {}
    own = f"{host.get('os', 'linux')}/{host['arch']}" if "arch" in host else own_platform()
    return frozenset({own, *host.get("emulatedArchitectures", ())})


def _answer(engine: Engine, *arguments: str) -> str:
    """Return the tool's answer. Empty if the tool does not know the question."""
    try:
        return engine.call(*arguments).strip()
    except ContainerError:
        return ""


def refuse_unbuildable(engine: Engine, wanted: str, binfmt: Path = BINFMT) -> None:
    """
    Raise before a build that would fail at its first command.

    Raises:
        ContainerError: *engine* does not build for the platform *wanted*. The message has a remedy.
    """
    known = buildable(engine, binfmt)
    if wanted in known:
        return
    own = sorted(known & set(ARCHITECTURES.values()))
    words = {name: architecture for architecture, name in ARCHITECTURES.items()}
    instead = " or ".join(f"ARCH={words[name]} (PLATFORM={name})" for name in own)
    raise ContainerError(
        f"{engine.tool} builds for {', '.join(own) or 'nothing that Lambda runs'} here, not for {wanted}: "
        f"{_remedy(engine, wanted)}{f', or build with {instead}' if instead else ''}"
    )


def _remedy(engine: Engine, wanted: str) -> str:
    if engine.tool == "docker":
        return f"docker run --privileged --rm tonistiigi/binfmt --install {wanted.partition('/')[2]}"
    return "install qemu-user-static and binfmt-support"
