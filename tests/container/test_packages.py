"""How the lock of an image that needs more is resolved: uv itself, with wheels of our own and no index."""

import json
from pathlib import Path

import cloudpickle  # type: ignore[import-untyped]
import pytest

from infra.container.choice import Order, Packages, chosen, merged
from infra.container.engine import ContainerError
from infra.container.needs import Need
from infra.container.packages import Target, command, for_processors, pins, python_of, resolved
from tests.test_makefile import wheel

AMD = Target("3.13", "amd64")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a lock, beside which every package has a newer version."""
    wheels, locks = tmp_path / "wheels", tmp_path / ".ci" / "locks"
    wheels.mkdir()
    locks.mkdir(parents=True)
    for name in ("numpy", "msgspec", "scikit-learn", "typer"):
        for version in ("1.5.2", "1.9.1", "1.9.2"):
            wheel(wheels, name.replace("-", "_"), version)
    lines = [wheel(wheels, name, "1.9.1") for name in ("msgspec", "numpy", "scikit_learn", "typer")]
    lines = [line.replace(" --hash", " \\\n    --hash").replace("_", "-") for line in lines]
    (locks / "runtime.txt").write_text("".join(lines[:3]))
    (locks / "doors.txt").write_text("".join(lines))
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["msgspec>=1", "numpy>=1", "scikit-learn>=1.9,<1.10", "typer"]\n'
        '[project.optional-dependencies]\ndoors = []\n[tool.stream-consumer]\nnot-in-lambda = ["typer"]\n'
    )
    (tmp_path / "Dockerfile").write_text("ARG PYTHON_IMAGE=python:3.13.15-slim-trixie@sha256:0\n")
    wheel(wheels, "lightgbm", "4.6.0", requires="scikit-learn")
    wheel(wheels, "xgboost", "3.0.5")
    wheel(wheels, "xgboost_cpu", "3.0.5")
    wheel(wheels, "catboost", "1.2.8")
    (wheels / "catboost-1.2.8-py3-none-any.whl").rename(wheels / "catboost-1.2.8-cp312-cp312-manylinux_2_28_x86_64.whl")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    return tmp_path


@pytest.mark.process
def test_what_need_not_move_keeps_its_version(root: Path) -> None:
    with resolved(root, ["lightgbm==4.6.0"], AMD) as lock:
        assert lock.path == Path(".image/runtime-3.13-amd64.txt")
        assert pins(root / lock.path) == {
            "lightgbm": "4.6.0",
            "msgspec": "1.9.1",
            "numpy": "1.9.1",
            "scikit-learn": "1.9.1",
        }
        assert (lock.added, lock.moved) == (["lightgbm"], [])
        text = (root / lock.path).read_text()
    assert text.count("--hash=sha256:") == 4
    assert str(root) not in text  # neither an index nor a path of this machine
    assert list((root / ".image").iterdir()) == []


@pytest.mark.process
def test_another_scikit_learn_replaces_the_projects(root: Path) -> None:
    with resolved(root, ["scikit-learn==1.5.*"], AMD) as lock:
        assert pins(root / lock.path) == {"msgspec": "1.9.1", "numpy": "1.9.1", "scikit-learn": "1.5.2"}
        assert (lock.added, lock.moved) == ([], ["scikit-learn"])


@pytest.mark.process
def test_the_packages_of_the_doors_agree_with_the_others(root: Path) -> None:
    needs = ["scikit-learn==1.5.*"]
    with resolved(root, needs, AMD) as lean, resolved(root, needs, AMD, extra="doors", after=lean.path) as doors:
        assert pins(root / doors.path) == pins(root / lean.path) | {"typer": "1.9.1"}


@pytest.mark.process
def test_libraries_for_graphics_cards_are_left_out(root: Path) -> None:
    with resolved(root, ["xgboost==3.0.5"], AMD) as lock:
        assert list(lock.added) == ["xgboost-cpu"]


@pytest.mark.process
def test_where_there_is_no_such_wheel_the_full_package_is_taken(root: Path) -> None:
    (root / "wheels" / "xgboost_cpu-3.0.5-py3-none-any.whl").unlink()
    with resolved(root, ["xgboost==3.0.5"], AMD) as lock:
        assert list(lock.added) == ["xgboost"]


@pytest.mark.process
def test_a_package_without_a_wheel_for_this_python_names_the_python_that_has_one(root: Path) -> None:
    with pytest.raises(ContainerError) as raised, resolved(root, ["catboost==1.2.8"], AMD):
        pass
    first, *reason = str(raised.value).splitlines()
    assert first == (
        "some packages have no wheels for Python 3.13; Python 3.12 has them: PYTHON_IMAGE=python:3.12-slim-trixie"
    )
    assert "catboost" in "".join(reason)
    assert list((root / ".image").iterdir()) == []


@pytest.mark.process
def test_a_version_that_does_not_exist_is_refused_with_uvs_reason(root: Path) -> None:
    message = r"(?s)change their versions by EXTRA or SKLEARN.*lightgbm==99"
    with pytest.raises(ContainerError, match=message), resolved(root, ["lightgbm==99"], AMD):
        pass


def test_an_architecture_without_wheels_is_refused(root: Path) -> None:
    message = r"resolved for 'riscv64'; wanted one of \['amd64', 'arm64'\]"
    with pytest.raises(ContainerError, match=message), resolved(root, ["lightgbm"], Target("3.13", "riscv64")):
        pass


@pytest.mark.process
def test_the_build_is_told_the_lock_and_what_to_prove(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And the user what is needed, and why."""
    with chosen(root, Order(extra=["lightgbm"], scikit_learn="1.5", doors=True), None, "") as packages:
        assert packages == Packages(
            {
                "PACKAGES": ".image/runtime-3.13-amd64.txt",
                "ADDED": "lightgbm scikit-learn",
                "DOORS_PACKAGES": ".image/doors-3.13-amd64.txt",
            },
            ["lightgbm"],
        )
    assert capsys.readouterr().out.splitlines() == [
        "beside the locked packages, for Python 3.13: scikit-learn==1.5.* (SKLEARN); lightgbm (EXTRA)",
        "packages added: lightgbm; in another version: scikit-learn",
    ]


def test_without_needs_the_build_is_told_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the base image is called."""
    with chosen(root, Order(base="registry/ours@sha256:0"), None, "") as packages:
        assert packages == Packages()
    assert capsys.readouterr().out == "the locked packages are all that the model needs\n"


def test_functions_that_another_python_compiled_are_refused(root: Path) -> None:
    """A lambda in a pickle is bytecode, which ends the process of any other Python."""
    model = root / "model"
    model.mkdir()
    facts = {"pickled_model": "model.pkl", "sklearn_version": "1.9.1"}
    flavours = {"sklearn": facts, "python_function": {"python_version": "3.11.7"}}
    (model / "MLmodel").write_text(json.dumps({"flavors": flavours}))
    (model / "model.pkl").write_bytes(cloudpickle.dumps(lambda row: row))
    message = r"bytecode of Python 3\.11, and python:3\.13.* has 3\.13; give PYTHON_IMAGE=python:3\.11-slim-trixie"
    with pytest.raises(ContainerError, match=message), chosen(root, Order(), model, "there"):
        pass
    with chosen(root, Order(base="python:3.11-slim"), model, "there") as packages:
        assert packages == Packages()
    (model / "model.pkl").write_bytes(cloudpickle.dumps({"no": "code"}))
    with chosen(root, Order(), model, "there") as packages:
        assert packages == Packages()


def test_what_was_asked_for_comes_before_what_was_found_out() -> None:
    found = [Need("scikit-learn==1.5.2", "saved by 1.5.2"), Need("pandas", "a step")]
    order = Order(extra=["Pandas==3.0.0"], scikit_learn="1.6")
    assert [need.requirement for need in merged(order, found)] == ["scikit-learn==1.6.*", "Pandas==3.0.0"]


@pytest.mark.parametrize(("order", "name"), [(Order(extra=["-r a"]), "EXTRA='-r a'"), (Order(scikit_learn="x"), "SKL")])
def test_what_is_no_package_is_refused(order: Order, name: str) -> None:
    with pytest.raises(ContainerError, match=rf"{name}.*is not a package; wanted names with versions"):
        merged(order, [])


def test_only_wheels_with_hashes_of_the_images_platform_are_locked() -> None:
    line = " ".join(command(Target("3.12", "arm64"), ["--output-file", "a.txt"])[1:])
    assert line == (
        "-m uv pip compile - --generate-hashes --no-header --no-annotate --no-emit-index-url --only-binary :all: "
        "--quiet --python-version 3.12 --python-platform aarch64-manylinux_2_28 --output-file a.txt"
    )


def test_only_the_name_of_the_package_changes() -> None:
    assert for_processors(["XGBoost>=3", "xgboost-cpu==3.0.5", "numpy"]) == [
        "xgboost-cpu>=3",
        "xgboost-cpu==3.0.5",
        "numpy",
    ]


@pytest.mark.parametrize("image", ["python:3.12-slim", "registry/a/python:3.12.4-slim-trixie@sha256:0"])
def test_the_name_of_the_base_tells_its_python(image: str) -> None:
    assert python_of(image) == "3.12"


def test_a_base_that_does_not_tell_its_python_is_refused() -> None:
    with pytest.raises(ContainerError, match=r"which Python registry/ours@sha256:0 has is not in its name"):
        python_of("registry/ours@sha256:0")
