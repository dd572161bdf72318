"""Which container tool is used, and what is said when none can be."""

from pathlib import Path

import pytest

from infra.container.engine import ContainerError, Engine, find_engine

WORKS = "exit 0"
NO_DAEMON = "echo 'Cannot connect to the Docker daemon. Is it running?' >&2; exit 1"


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is all of PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install(tools: Path, name: str, script: str) -> None:
    (tools / name).write_text(f"#!/bin/sh\n{script}\n")
    (tools / name).chmod(0o755)


def test_the_first_tool_that_works_is_used(tools: Path) -> None:
    """A docker client without its daemon is passed over for podman."""
    install(tools, "docker", NO_DAEMON)
    install(tools, "podman", WORKS)
    install(tools, "buildah", WORKS)
    assert find_engine({}) == Engine("podman")


def test_the_environment_can_choose(tools: Path) -> None:
    install(tools, "podman", WORKS)
    install(tools, "buildah", WORKS)
    environ = {"CONTAINER_ENGINE": "buildah", "CONTAINER_BUILD_FLAGS": "--pull=never --label 'a b'"}
    assert find_engine(environ) == Engine("buildah", build_flags=("--pull=never", "--label", "a b"))


def test_no_container_tool_is_an_error_that_says_what_to_install(tools: Path) -> None:
    """Each tool's own reason is in the message."""
    install(tools, "docker", NO_DAEMON)
    install(tools, "podman", "exit 125")
    with pytest.raises(ContainerError) as raised:
        find_engine({})
    assert str(raised.value) == (
        "no container tool works here (docker: Cannot connect to the Docker daemon. Is it running?; "
        "podman: `podman images --quiet` fails with exit code 125; buildah: not installed); "
        "install docker, podman or buildah, or start its daemon"
    )


def test_a_tool_nobody_knows_is_refused() -> None:
    with pytest.raises(ContainerError, match="CONTAINER_ENGINE='rkt': wanted docker, podman, buildah"):
        find_engine({"CONTAINER_ENGINE": "rkt"})


def test_a_build_gets_its_arguments_platform_and_the_flags_of_this_machine(tools: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    install(tools, "podman", f"echo $@ >> {log}")
    Engine("podman", build_flags=("--pull=never",)).build(Path("ctx"), "name:tag", {"MODEL": "m"}, "linux/arm64")
    assert log.read_text() == "build --tag name:tag --pull=never --build-arg=MODEL=m --platform linux/arm64 ctx\n"


def test_a_failed_build_is_an_error(tools: Path) -> None:
    install(tools, "docker", "exit 1")
    with pytest.raises(ContainerError, match="docker build failed; the lines above say at which step and why"):
        Engine("docker").build(Path(), "name", {}, None)


@pytest.mark.parametrize(
    ("tool", "command"),
    [
        ("docker", "save --output a.tar name"),
        ("podman", "save --format docker-archive --output a.tar name"),
        ("buildah", "push --quiet name docker-archive:a.tar"),
    ],
)
def test_every_tool_saves_the_same_format(tools: Path, tmp_path: Path, tool: str, command: str) -> None:
    log = tmp_path / "log"
    install(tools, tool, f"echo $@ >> {log}")
    Engine(tool).save("name", Path("a.tar"))
    assert log.read_text() == f"{command}\n"


def test_an_image_that_cannot_be_saved_is_an_error(tools: Path) -> None:
    install(tools, "podman", "echo no such image >&2; exit 125")
    with pytest.raises(ContainerError, match="podman save failed: no such image"):
        Engine("podman").save("name", Path("a.tar"))


def test_a_container_is_removed_after_its_run() -> None:
    command = Engine("docker", run_flags=("--network", "host")).run_command(["--read-only"], "name", ["argument"])
    assert command == ["docker", "run", "--rm", "--network", "host", "--read-only", "name", "argument"]


def test_buildah_alone_cannot_run_the_image() -> None:
    with pytest.raises(ContainerError, match="buildah builds images and does not run them"):
        Engine("buildah").run_command([], "name")
