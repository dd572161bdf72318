"""``make image`` from end to end, with a container tool of a few lines; the real one is .ci/image.sh's."""

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from infra.container.bake import bake
from infra.container.context import staged
from infra.container.example_model import write_example_model
from infra.container.measure import DOORS, LEAN, Layer, over_budget, weigh, weigh_packages
from stream_consumer.errors import ModelError
from stream_consumer.models.files import directory_digest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_example_model(folder)
    return folder


def archive(path: Path, *layers: bytes) -> Path:
    """An image in docker's archive format, a file of the given content in each layer."""
    with tarfile.open(path, "w") as image:
        for at, content in enumerate(layers):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as layer:
                add(layer, "opt/file", content)
            add(image, f"{at}.tar", inner.getvalue())
        names = [f"{at}.tar" for at in range(len(layers))]
        add(image, "manifest.json", json.dumps([{"Layers": names}]).encode())
    return path


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def image(tmp_path: Path, *arguments: str, tool: str | None = None, isolated: bool = False) -> tuple[int, str, str]:
    """Run ``python -m infra.container build`` where *tool*, a shell script, is the only container tool."""
    if tool is not None:
        (tmp_path / "podman").write_text(f"#!/bin/sh\n{tool}\n")
        (tmp_path / "podman").chmod(0o755)
    (tmp_path / "git").write_text("#!/bin/sh\necho c0ffee\n")
    (tmp_path / "git").chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "CONTAINER_ENGINE": "podman", "PYTHONPATH": str(ROOT)}
    python = [sys.executable, *(["-S"] if isolated else [])]
    command = [*python, "-m", "infra.container", "build", *arguments]
    answer = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)  # noqa: S603
    return answer.returncode, answer.stdout, answer.stderr


def tool_for(saved: Path, init: str = "echo 0.987") -> str:
    """A tool that builds nothing, saves *saved* and whose containers do *init*."""
    return f'case "$1" in save) for last; do :; done; cp {saved} "$5";; run) {init};; build) echo "$@";; esac'


def test_sizes_and_init_are_printed(tmp_path: Path) -> None:
    """One line an image: unpacked, compressed, init at one vCPU."""
    saved = archive(tmp_path / "saved.tar", b"a" * 3_000_000, b"b" * 2_000_000)
    code, out, err = image(tmp_path, "--tag", "name:tag", tool=tool_for(saved))
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "name:tag: 5 MB unpacked, 0 MB compressed, init 0.99 s at one vCPU"
    assert out.startswith("build --tag name:tag --build-arg=REVISION=c0ffee ")


def test_slow_init_is_over_budget(tmp_path: Path) -> None:
    saved = archive(tmp_path / "saved.tar", b"a")
    code, _, err = image(tmp_path, tool=tool_for(saved, "echo 1.501"))
    assert code == 1
    assert err == ("error: stream-consumer:latest is over budget: init takes 1.50 s at one vCPU, 1.5 allowed\n")


def test_every_limit_that_is_passed_is_named() -> None:
    layers = [Layer("base", 300_000_000, 100_000_000), Layer("packages", 121_000_000, 51_000_000)]
    assert over_budget(layers, 1.0) == ["421 MB unpacked, 420 allowed", "151 MB compressed, 150 allowed"]
    assert over_budget(layers[:1], None) == []
    assert over_budget(layers, 1.0, DOORS) == []


def packages_archive(path: Path) -> Path:
    """An image with a package and its neighbour."""
    site = "opt/venv/lib/python3.13/site-packages"
    files = {
        f"{site}/light_gbm-4.6.0.dist-info/RECORD": b"light_gbm/__init__.py,sha256=a,1\nlight_gbm/lib/x.so,,\n",
        f"{site}/light_gbm/__init__.py": b"1" * 100,
        f"{site}/light_gbm/__pycache__/__init__.cpython-313.pyc": b"1" * 200,
        f"{site}/light_gbm/lib/x.so": b"1" * 3_000,
        f"{site}/neighbour-1.0.dist-info/RECORD": b"neighbour/__init__.py,,\n",
        f"{site}/neighbour/__init__.py": b"1" * 50_000,
    }
    with tarfile.open(path, "w") as image:
        inner = io.BytesIO()
        with tarfile.open(fileobj=inner, mode="w") as layer:
            for name, content in files.items():
                add(layer, name, content)
        add(image, "0.tar", inner.getvalue())
        add(image, "manifest.json", json.dumps([{"Layers": ["0.tar"]}]).encode())
    return path


def test_a_package_weighs_what_its_files_and_their_bytecode_do(tmp_path: Path) -> None:
    assert weigh_packages(packages_archive(tmp_path / "image.tar"), ["light-gbm", "none"]) == {
        "light-gbm": 100 + 200 + 3_000,
        "none": 0,
    }


def test_the_budget_grows_by_what_was_added_and_by_nothing_else() -> None:
    """The rest of the image stays within its own budget; init within Lambda's limit, an image within its 10 GB."""
    grown = LEAN.with_packages(55_000_000, 15_000_000)
    assert str(grown) == "475 MB unpacked, 165 MB compressed, init 10.0 s"
    huge = LEAN.with_packages(11_000_000_000, 4_000_000_000)
    assert over_budget([Layer("all", 11_300_000_000, 4_100_000_000)], 9.0, huge) == ["11300 MB unpacked, 10000 allowed"]
    assert over_budget([Layer("all", 1, 1)], 10.1, grown) == ["init takes 10.10 s at one vCPU, 10.0 allowed"]


def test_a_package_that_is_none_is_a_clear_message(tmp_path: Path) -> None:
    code, _, err = image(tmp_path, "--extra", "-r a.txt", tool="exit 0")
    assert code == 1
    assert err.startswith("error: EXTRA='-r a.txt' is not a package")


@pytest.mark.parametrize("finish", ["doors", "training"])
def test_each_finish_is_a_stage_of_the_same_file(tmp_path: Path, finish: str) -> None:
    saved = archive(tmp_path / "saved.tar", b"a")
    code, out, _ = image(tmp_path, f"--{finish}", tool=tool_for(saved))
    assert code == 0
    assert f" --target {finish} " in out.splitlines()[0]


def test_of_the_image_that_trains_no_init_is_timed(tmp_path: Path) -> None:
    saved = archive(tmp_path / "saved.tar", b"a")
    code, out, _ = image(tmp_path, "--training", tool=tool_for(saved, "exit 1"))
    assert code == 0
    assert out.splitlines()[-1].endswith("init SKIPPED: no function runs in it")


def test_an_image_has_one_finish(tmp_path: Path) -> None:
    code, _, err = image(tmp_path, "--doors", "--training", tool="exit 0")
    assert code == 2
    assert "--training: not allowed with argument --doors" in err


def test_an_image_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    saved = archive(tmp_path / "saved.tar", b"a")
    code, _, err = image(tmp_path, tool=tool_for(saved, "echo 'init failed: no model' >&2; exit 1"))
    assert (code, err) == (1, "error: the image does not start: init failed: no model\n")


def test_another_architecture_is_built_and_its_init_named_as_skipped(tmp_path: Path) -> None:
    saved = archive(tmp_path / "saved.tar", b"a")
    emulates = """[ "$1" = info ] && echo '{"host": {"emulatedArchitectures": ["linux/riscv64"]}}'; """
    code, out, _ = image(tmp_path, "--platform", "linux/riscv64", tool=emulates + tool_for(saved, "exit 1"))
    assert code == 0
    assert out.splitlines()[-1].endswith("init SKIPPED: linux/riscv64 does not run here")


def test_an_architecture_that_nothing_emulates_is_refused_before_the_build(tmp_path: Path) -> None:
    tool = """[ "$1" = info ] && echo '{"host": {"arch": "amd64"}}'; [ "$1" = build ] && echo built"""
    code, out, err = image(tmp_path, "--platform", "linux/riscv64", tool=f"{tool}; exit 0")
    assert (code, out) == (1, "")
    assert err.startswith(
        "error: podman builds for linux/amd64 here, not for linux/riscv64: install qemu-user-static and binfmt-support"
    )


def test_no_container_tool_is_a_clear_message_and_not_a_traceback(tmp_path: Path) -> None:
    code, _, err = image(tmp_path, tool="echo no daemon >&2; exit 1")
    assert code == 1
    assert err.startswith("error: no container tool works here (podman: no daemon)")


def test_a_missing_model_is_a_clear_message(tmp_path: Path) -> None:
    code, _, err = image(tmp_path, "--model", "/no/such/model", tool="exit 0")
    assert code == 1
    assert err.startswith("error: there is no MLflow model at /no/such/model")


def test_a_model_without_the_packages_to_fetch_it_is_a_clear_message(tmp_path: Path) -> None:
    """A bare python3 builds an image without a model, and says what it takes to bake one in."""
    code, _, err = image(tmp_path, "--model", "/no/such/model", tool="exit 0", isolated=True)
    assert code == 1
    assert "use `make image MODEL=…`" in err


def test_a_model_is_baked_in_by_its_digest(tmp_path: Path, model: Path) -> None:
    digest = directory_digest(model)
    saved = archive(tmp_path / "saved.tar", b"a")
    code, out, _ = image(tmp_path, "--model", str(model), "--base", "base@sha256:0", tool=tool_for(saved))
    assert code == 0
    assert f"--build-arg=MODEL={digest[:12]} --build-arg=MODEL_DIGEST={digest} " in out
    assert "--build-arg=PYTHON_IMAGE=base@sha256:0" in out


def test_a_model_is_in_the_context_only_while_the_build_runs(tmp_path: Path, model: Path) -> None:
    with staged(str(model), tmp_path) as one:
        assert directory_digest(tmp_path / ".image" / one.folder) == one.digest
    assert list((tmp_path / ".image").iterdir()) == []


def test_a_layer_weighs_what_its_files_do(tmp_path: Path) -> None:
    [layer] = weigh(archive(tmp_path / "image.tar", os.urandom(1_000_000)))
    assert layer.unpacked == 1_000_000
    assert 1_000_000 < layer.compressed < 1_010_000  # (noise does not compress)


def test_the_build_loads_the_model_it_bakes_in(tmp_path: Path, model: Path) -> None:
    baked = tmp_path / "baked"
    digest = directory_digest(model)
    said = bake(model.name, digest, context=model.parent, baked=baked)
    assert said == f"baked in ride-duration version example, digest {digest}"
    assert directory_digest(baked) == digest


def test_a_baked_model_is_readable_by_every_user(tmp_path: Path, model: Path) -> None:
    """Lambda runs the image as a user of its own."""
    baked = tmp_path / "baked"
    bake(model.name, directory_digest(model), context=model.parent, baked=baked)
    assert {path.stat().st_mode & 0o777 for path in baked.iterdir()} == {0o644}
    assert baked.stat().st_mode & 0o777 == 0o755


def test_without_a_model_the_image_has_an_empty_folder(tmp_path: Path) -> None:
    baked = tmp_path / "baked"
    assert bake("", "", context=tmp_path, baked=baked) == "no model baked in: MODEL_LOCATION is read at init"
    assert list(baked.iterdir()) == []


@pytest.mark.parametrize(
    ("folder", "digest", "message"),
    [
        ("nothing", "0" * 64, r"no MLflow model in \.image/nothing"),
        ("model", "", "MODEL_DIGEST is empty; this model's is [0-9a-f]{64}"),
        ("model", "0" * 64, "MODEL_DIGEST pins 0000"),
    ],
)
def test_a_wrong_model_fails_the_build(tmp_path: Path, model: Path, folder: str, digest: str, message: str) -> None:
    (tmp_path / "model").symlink_to(model)
    with pytest.raises(ModelError, match=message):
        bake(folder, digest, context=tmp_path, baked=tmp_path / "baked")


def test_a_model_of_another_scikit_learn_fails_the_build(tmp_path: Path) -> None:
    write_example_model(tmp_path / "old", scikit_learn="1.5.2")
    digest = directory_digest(tmp_path / "old")
    with pytest.raises(ModelError, match=r"was saved by scikit-learn 1\.5\.2 and this is 1\.9"):
        bake("old", digest, context=tmp_path, baked=tmp_path / "baked")
