"""Which platforms an image can be built for here, and what is said of one that cannot."""

import platform
from pathlib import Path

import pytest

from infra.container.engine import ContainerError, Engine
from infra.container.platforms import buildable, emulated, own_architecture, refuse_unbuildable

# As Debian 12 registers them, and Docker Desktop its Rosetta.
ARM = """enabled
interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
flags: {flags}
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""
ROSETTA = """enabled
interpreter /run/rosetta/rosetta
flags: POCF
offset 0
magic 7f454c4602010100000000000000000002003e00
mask fffffffffffefe00fffffffffffffffffeffffff
"""
JAVA = "enabled\ninterpreter /usr/bin/jexec\nflags: \noffset 0\nmagic 504b0304\n"

BUILDX = """case "$1 $2" in
"buildx inspect") printf 'Name: b\\nNodes:\\nName: b0\\nPlatforms: linux/amd64*, linux/amd64/v2, linux/386\\n';;
*) echo linux/amd64;;
esac"""
DAEMON = 'case "$1" in version) echo linux/amd64;; *) exit 1;; esac'


@pytest.fixture
def binfmt(tmp_path: Path) -> Path:
    """The kernel's handlers: none yet, but the two files that are always there."""
    folder = tmp_path / "binfmt_misc"
    folder.mkdir()
    (folder / "status").write_text("enabled\n")
    (folder / "register").write_text("")
    (folder / "jar").write_text(JAVA)
    return folder


def engine(folder: Path, tool: str, script: str, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A container tool of a few lines, alone on the PATH."""
    (folder / tool).write_text(f"#!/bin/sh\n{script}\n")
    (folder / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return Engine(tool)


@pytest.mark.parametrize(("flags", "platforms"), [("POCF", {"linux/arm64"}), ("", set()), ("OC", set())])
def test_an_emulator_counts_where_containers_find_it(binfmt: Path, flags: str, platforms: set[str]) -> None:
    """Without the flag F the kernel looks for the emulator inside the container, where it is not."""
    (binfmt / "qemu-aarch64").write_text(ARM.format(flags=flags))
    assert emulated(binfmt) == platforms


def test_an_emulator_that_is_switched_off_does_not_count(binfmt: Path) -> None:
    (binfmt / "qemu-aarch64").write_text(ARM.format(flags="F").replace("enabled", "disabled"))
    assert emulated(binfmt) == set()


def test_an_emulator_counts_whatever_its_name(binfmt: Path) -> None:
    (binfmt / "rosetta").write_text(ROSETTA)
    assert emulated(binfmt) == {"linux/amd64"}


def test_a_kernel_without_handlers_emulates_nothing(tmp_path: Path) -> None:
    assert emulated(tmp_path / "binfmt_misc") == set()


def test_dockers_builder_is_believed_not_this_kernel(
    tmp_path: Path, binfmt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon may run in a machine of its own."""
    docker = engine(tmp_path, "docker", BUILDX, monkeypatch)
    (binfmt / "rosetta").write_text(ROSETTA.replace("3e00", "b700"))
    assert buildable(docker, binfmt) == {"linux/amd64", "linux/amd64/v2", "linux/386"}


def test_a_docker_without_buildx_builds_for_its_daemon_and_the_emulators(
    tmp_path: Path, binfmt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = engine(tmp_path, "docker", DAEMON, monkeypatch)
    assert buildable(docker, binfmt) == {"linux/amd64"}
    (binfmt / "qemu-aarch64").write_text(ARM.format(flags="F"))
    assert buildable(docker, binfmt) == {"linux/amd64", "linux/arm64"}


@pytest.mark.parametrize(
    ("told", "platforms"),
    [
        pytest.param('{"host": {"arch": "amd64", "os": "linux"}}', {"linux/amd64"}, id="of its host"),
        pytest.param(
            '{"host": {"arch": "arm64", "os": "linux", "emulatedArchitectures": ["linux/amd64", "linux/386"]}}',
            {"linux/arm64", "linux/amd64", "linux/386"},
            id="of its machine, with emulators",
        ),
    ],
)
def test_podman_and_buildah_name_their_platforms(
    tmp_path: Path, binfmt: Path, monkeypatch: pytest.MonkeyPatch, told: str, platforms: set[str]
) -> None:
    tools = [engine(tmp_path, tool, f"echo '{told}'", monkeypatch) for tool in ("podman", "buildah")]
    assert [buildable(tool, binfmt) for tool in tools] == [platforms, platforms]


def test_another_platform_is_refused_with_what_to_install(
    tmp_path: Path, binfmt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    podman = engine(tmp_path, "podman", """echo '{"host": {"arch": "amd64"}}'""", monkeypatch)
    with pytest.raises(ContainerError) as raised:
        refuse_unbuildable(podman, "linux/arm64", binfmt)
    assert str(raised.value) == (
        "podman builds for linux/amd64 here, not for linux/arm64: install qemu-user-static and binfmt-support, "
        "or build with ARCH=x86_64 (PLATFORM=linux/amd64)"
    )
    (binfmt / "qemu-aarch64").write_text(ARM.format(flags="POCF"))
    refuse_unbuildable(podman, "linux/arm64", binfmt)


def test_docker_installs_its_emulators_itself(tmp_path: Path, binfmt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = engine(tmp_path, "docker", DAEMON, monkeypatch)
    with pytest.raises(
        ContainerError, match="docker run --privileged --rm tonistiigi/binfmt --install arm64, or build"
    ):
        refuse_unbuildable(docker, "linux/arm64", binfmt)


@pytest.mark.parametrize(
    ("machine", "architecture"),
    [("x86_64", "x86_64"), ("AMD64", "x86_64"), ("aarch64", "arm64"), ("arm64", "arm64")],
)
def test_the_architecture_is_this_machines(machine: str, architecture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert own_architecture() == architecture


def test_a_machine_that_lambda_has_not_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(ContainerError, match="this machine is 'riscv64', and Lambda runs arm64 and x86_64 only"):
        own_architecture()
