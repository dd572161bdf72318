"""What is in the images, lean and full, and what must not be."""

import json
import os
import re
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from infra.container.engine import Engine
from integration_tests.tiers import HANDLER

ROOT = Path(__file__).parent.parent.parent
OURS = ("opt/venv", "opt/model", "var/task")
LAYERS = {"lean": 3, "doors": 5}
LOCKS = {"lean": "runtime.txt", "doors": "doors.txt"}
NOT_FOR_LAMBDA = [
    "jq",
    "matplotlib",
    "mlflow",
    "moto",
    "pandas",
    "pip",
    "pyarrow",
    "pytest",
    "rich",
    "setuptools",
    "typer",
]
ELSEWHERE = [f"stream_consumer.{room}" for room in ("batch", "cli", "local", "training", "web")]


def layers_of_ours(archive: Path, count: int) -> Iterator[tarfile.TarFile]:
    """The last layers: of those that the Dockerfile adds to its base there are LAYERS."""
    with tarfile.open(archive) as image:
        manifest = image.extractfile("manifest.json")
        assert manifest
        [description] = json.load(manifest)
        for name in description["Layers"][-count:]:
            with tarfile.open(fileobj=image.extractfile(name)) as layer:
                yield layer


def configuration(archive: Path) -> str:
    with tarfile.open(archive) as image:
        manifest = image.extractfile("manifest.json")
        assert manifest
        [description] = json.load(manifest)
        file = image.extractfile(description["Config"])
        assert file
        return file.read().decode()


def python(engine: Engine, image: str, program: str) -> str:
    """Run *program* in the image."""
    command = engine.run_command(["--read-only", "--cap-drop", "all", "--entrypoint", "python"], image, ["-c", program])
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603


@pytest.mark.parametrize("kind", ["lean"], indirect=True)
def test_the_image_adds_its_packages_its_code_and_its_model_and_nothing_else(archive: Path, kind: str) -> None:
    """No cache, no configuration, no rubbish of a build: every file is under one of three folders."""
    names = [member.name for layer in layers_of_ours(archive, LAYERS[kind]) for member in layer if not member.isdir()]
    assert names
    assert [name for name in names if not name.startswith(OURS)] == []


def test_nothing_of_the_build_machine_is_in_the_image(archive: Path, kind: str) -> None:
    """
    Neither its paths nor its name nor what pip needed there is in a file or in the image's history.

    A model's own record of where it was logged (``artifact_path`` in MLmodel) belongs to what its digest covers.
    """
    traces = [str(ROOT), str(Path.home()), os.environ.get("PIP_INDEX_URL", ""), os.environ.get("HTTPS_PROXY", "")]
    # The names that anybody's machine has say nothing.
    machine = socket.gethostname()
    traces += [machine] if len(machine) > 8 else []
    needles = [trace.encode() for trace in traces if trace and trace != "/root"]
    guilty = [
        (member.name, needle)
        for layer in layers_of_ours(archive, LAYERS[kind])
        for member in layer
        if member.isfile() and not member.name.startswith("opt/model/MLmodel")
        for content in [(layer.extractfile(member) or sys.exit()).read()]
        for needle in needles
        if needle in content
    ]
    assert guilty == []
    assert [needle for needle in needles if needle.decode() in configuration(archive)] == []


def test_only_what_the_lambda_path_needs_can_be_imported(engine: Engine, image: str) -> None:
    program = f"""
import importlib.util
def there(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
print([name for name in {NOT_FOR_LAMBDA + ELSEWHERE} if there(name)])
"""
    assert python(engine, image, program) == "[]\n"


def test_every_module_is_compiled(engine: Engine, built: str) -> None:
    """With hashes that are not checked: a time stamp that a registry changed would cost init a compilation."""
    program = """
import importlib.util, pathlib
sources = [path for root in ("/opt/venv/lib", "/opt/doors", "/var/task") for path in pathlib.Path(root).rglob("*.py")]
compiled = [pathlib.Path(importlib.util.cache_from_source(path)) for path in sources]
print(len(sources) > 1000, [str(path) for path in compiled if not path.exists()])
print({path.read_bytes()[4:8].hex() for path in compiled if path.exists()})
"""
    everything, flags = python(engine, built, program).splitlines()
    assert everything == "True []"
    assert flags == "{'01000000'}"  # hash-based, unchecked: PEP 552


def test_the_image_is_nobodys_to_write(engine: Engine, built: str) -> None:
    """Its user is not root and owns nothing in it."""
    program = """
import os, pathlib
paths = [path for root in ("/opt", "/var/task") for path in pathlib.Path(root).rglob("*")]
print(os.getuid(), [str(path) for path in paths if path.stat().st_uid or path.stat().st_mode & 0o022])
"""
    assert python(engine, built, program) == "65532 []\n"


def test_labels_entry_point_and_command(archive: Path) -> None:
    """SnapStart's label, OCI's, and the digest of the model in label and environment alike."""
    config = json.loads(configuration(archive))["config"]
    environment = dict(variable.split("=", 1) for variable in config["Env"])
    labels = config["Labels"]
    assert labels["com.amazonaws.lambda.feature.snapstart"] == "Allow"
    assert labels["org.opencontainers.image.title"] == "stream-consumer"
    assert re.fullmatch("[0-9a-f]{64}", labels["stream-consumer.model.digest"])
    assert environment["MODEL_DIGEST"] == labels["stream-consumer.model.digest"]
    assert environment["MODEL_LOCATION"] == "/opt/model"
    assert config["Entrypoint"] == ["/opt/venv/bin/python", "/var/task/entry.py"]
    assert config["Cmd"] == [HANDLER]
    assert config["User"] == "65532:65532"


def test_the_restore_hook_is_there_under_snapstart(engine: Engine, image: str) -> None:
    program = """
import os
os.environ |= {"AWS_LAMBDA_RUNTIME_API": "-", "AWS_DEFAULT_REGION": "us-east-1"}
import snapshot_restore_py, stream_consumer.lambda_function
print([hook.__qualname__ for hook, _, _ in snapshot_restore_py.get_after_restore()])
"""
    assert python(engine, image, program).splitlines()[-1] == "['Handler.renew']"


def tool(name: str) -> str:
    """The path of a scanner; without it its test is skipped, and named in the closing line."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        pytest.skip(f"{name} is not installed")
    return str(path)


def scanned(command: Sequence[str], **environ: str) -> str:
    answer = subprocess.run(  # noqa: S603 (our own tools)
        command, capture_output=True, text=True, check=False, env=dict(os.environ) | environ, cwd=ROOT
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_no_layer_wastes_what_another_brought(archive: Path) -> None:
    """A file is written once."""
    arguments = [f"docker-archive://{archive}", "--lowestEfficiency", "0.99", "--highestUserWastedPercent", "0.01"]
    assert "Result:PASS" in scanned([tool("dive"), *arguments], CI="true")


def test_the_dockerfile_has_no_fault_that_hadolint_knows() -> None:
    assert scanned([tool("hadolint"), "Dockerfile"]) == ""


OFFLINE = ("--quiet", "--offline-scan", "--skip-check-update", "--skip-version-check", "--exit-code", "1")


def test_no_secret_and_no_misconfiguration_is_in_the_image(archive: Path) -> None:
    """Exceptions are in .trivyignore, each with its reason."""
    what = ["--scanners", "secret,misconfig", "--image-config-scanners", "secret,misconfig"]
    scanned([tool("trivy"), "image", *OFFLINE, *what, "--input", str(archive)])


def test_the_sbom_lists_every_locked_package(archive: Path, kind: str, tmp_path: Path) -> None:
    """Trimming left the packages' metadata, so that a scanner of vulnerabilities sees what is there."""
    written = tmp_path / "sbom.json"
    scanned(
        [tool("trivy"), "image", *OFFLINE, "--format", "cyclonedx", "--output", str(written), "--input", str(archive)]
    )
    components = json.loads(written.read_text())["components"]
    found = {(normal(one["name"]), one.get("version")) for one in components}
    wanted = locked(LOCKS[kind])
    assert len(wanted) > 20
    assert wanted - found == set()


def locked(lock: str) -> set[tuple[str, str]]:
    """The packages of a lock that belong on Linux and this Python, with their versions."""
    text = (ROOT / ".ci/locks" / lock).read_text()
    found = re.findall(r"^(\S+)==([^\s;]+)(?: ; (.*?))? \\$", text, re.MULTILINE)
    return {(normal(name), version) for name, version, marker in found if not re.search("== 'win32'|< '3.12'", marker)}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
