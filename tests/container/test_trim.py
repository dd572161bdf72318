"""What is removed from the image's packages, and what never is."""

from pathlib import Path

from infra.container.trim import gather, prove, prove_doors, prove_training, remove, set_aside

KEPT = [
    "boto3/session.py",
    "botocore/data/endpoints.json",
    "botocore/data/kinesis/2013-12-02/service-2.json.gz",
    "numpy/_core/tests/__init__.py",
    "numpy/_core/tests/_natype.py",
    "numpy/testing/__init__.py",
    "pyarrow/_dataset_parquet.cpython-313-x86_64-linux-gnu.so",
    "pyarrow/_parquet.cpython-313-x86_64-linux-gnu.so",
    "pyarrow/libarrow.so.2500",
    "pyarrow/libarrow_python.so.2500",
    "pyarrow/libarrow_substrait.so.2500",
    "scikit_learn-1.9.1.dist-info/METADATA",
    "scikit_learn-1.9.1.dist-info/licenses/COPYING",
    "sklearn/tree/_tree.cpython-313-x86_64-linux-gnu.so",
]
REMOVED = [
    "botocore/data/ec2/2016-11-15/service-2.json.gz",
    "numpy/_core/lib/libnpymath.a",
    "numpy/_core/tests/test_umath.py",
    "pyarrow/_flight.cpython-313-x86_64-linux-gnu.so",
    "pyarrow/_orc.cpython-313-x86_64-linux-gnu.so",
    "pyarrow/include/arrow/api.h",
    "pyarrow/include/arrow/util/tests/data",
    "pyarrow/libarrow_flight.so.2500",
    "pyarrow/libarrow_python.so",
    "pyarrow/libarrow_python.so.2500.1.0",
    "pyarrow/libarrow_python_flight.so.2500",
    "sklearn/datasets/tests/data/openml/1.json",
    "sklearn/tree/_tree.pyx",
    "sklearn/tree/tests/test_tree.py",
]


def test_tests_sources_and_other_services_go_and_nothing_else(tmp_path: Path) -> None:
    """The metadata stays, for the SBOM is read off it."""
    for name in KEPT + REMOVED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("12345")
    assert remove(tmp_path) == 5 * len(REMOVED)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()) == KEPT


def test_what_the_doors_bring_is_gathered_behind_the_lean_packages(tmp_path: Path) -> None:
    """Whatever the version of Python; scripts that pip wrote for the commands of packages are nobody's."""
    packages, doors = tmp_path / "venv" / "lib" / "python3.13" / "site-packages", tmp_path / "doors"
    (packages / "botocore" / "data" / "ecs").mkdir(parents=True)
    (packages / "botocore" / "data" / "ecs" / "service-2.json.gz").write_text("12345")
    for name in ("lib/python3.13/site-packages/typer/__init__.py", "bin/pygmentize"):
        (doors / "opt" / "doors" / name).parent.mkdir(parents=True, exist_ok=True)
        (doors / "opt" / "doors" / name).write_text("12345")
    set_aside(packages, doors)
    gathered = gather(packages, doors)
    there = doors / packages.relative_to("/")
    assert sorted(path for path in doors.rglob("*") if path.is_file()) == sorted(
        [
            gathered / "typer" / "__init__.py",
            there / "botocore" / "data" / "ecs" / "service-2.json.gz",
            there / "doors.pth",
        ]
    )
    assert gathered == doors / "opt" / "doors" / "packages"
    assert (there / "doors.pth").read_text() == "/opt/doors/packages\n"


def test_each_layer_is_found_by_a_file_of_its_own(tmp_path: Path) -> None:
    packages, training = tmp_path / "venv" / "lib" / "python3.13" / "site-packages", tmp_path / "training"
    (training / "opt" / "training" / "lib" / "python3.13" / "site-packages").mkdir(parents=True)
    assert gather(packages, training) == training / "opt" / "training" / "packages"
    finder = training / packages.relative_to("/") / "training.pth"
    assert finder.read_text() == "/opt/training/packages\n"


def test_what_is_installed_here_proves_to_be_enough() -> None:
    prove()
    prove_doors()
    prove_training()
