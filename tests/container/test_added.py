"""What is made of packages that a model needs beside the locked ones."""

import ctypes
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from infra.container import added
from infra.container.added import lend_openmp, main, modules_of, wants_openmp

PACKAGES = Path(sysconfig.get_path("purelib"))
NAMED = b"\0libgomp.so.1\0"


def test_the_modules_of_a_package_are_those_that_it_installed() -> None:
    """Its name may be another, and compiled helpers beside it are nobody's to import."""
    assert list(modules_of(["Scikit_Learn", "pyyaml"])) == ["sklearn", "yaml"]


def test_only_what_is_linked_against_the_systems_openmp_wants_it(tmp_path: Path) -> None:
    for name, content, wants in (("sklearn", b"\0libgomp-e985bcbb.so.1.0.0\0", False), ("lightgbm", NAMED, True)):
        (tmp_path / name / "lib").mkdir(parents=True)
        (tmp_path / name / "lib" / "lib_.so").write_bytes(content)
        assert wants_openmp(tmp_path) == wants


@pytest.mark.skipif(not list(PACKAGES.glob("scikit_learn.libs/libgomp-*")), reason="this platform has no libgomp")
def test_scikit_learns_openmp_answers_to_the_systems_name(tmp_path: Path) -> None:
    """A process that loads the copy needs no library of the system: the linker finds the name among what is loaded."""
    (tmp_path / "scikit_learn.libs").symlink_to(PACKAGES / "scikit_learn.libs")
    lend_openmp(tmp_path)
    code = (tmp_path / "openmp.pth").read_text()
    program = f"{code}\nimport ctypes, os; print(ctypes.CDLL('libgomp.so.1', os.RTLD_NOLOAD).omp_get_max_threads() > 0)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout  # noqa: S603
    assert said == "True\n"


def test_without_scikit_learn_there_is_nothing_to_lend(tmp_path: Path) -> None:
    with pytest.raises(ImportError, match=r"libgomp\.so\.1 is not in the base image"):
        lend_openmp(tmp_path)


def test_openmp_is_lent_only_where_the_system_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    lent: list[Path] = []
    monkeypatch.setattr(added, "lend_openmp", lent.append)
    monkeypatch.setattr(added, "wants_openmp", lambda *_: True)

    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", lambda _: None)
    main(["pyyaml"])
    assert lent == []
    monkeypatch.setattr(ctypes, "CDLL", missing)
    main(["pyyaml"])
    assert lent == [PACKAGES]


def test_what_cannot_be_imported_fails_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "__init__.py").write_text("import nothing_of_this_name")
    (tmp_path / "broken-1.0.dist-info").mkdir()
    (tmp_path / "broken-1.0.dist-info" / "METADATA").write_text("Name: broken\nVersion: 1.0\n")
    (tmp_path / "broken-1.0.dist-info" / "RECORD").write_text("broken/__init__.py,,\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="nothing_of_this_name"):
        main(["broken"])


def test_without_additions_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    assert capsys.readouterr().out == ""
