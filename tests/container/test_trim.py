"""What is removed from the image's packages, and what never is."""

from pathlib import Path

from infra.container.trim import prove, remove

KEPT = [
    "boto3/session.py",
    "botocore/data/endpoints.json",
    "botocore/data/kinesis/2013-12-02/service-2.json.gz",
    "numpy/_core/tests/__init__.py",
    "numpy/_core/tests/_natype.py",
    "numpy/testing/__init__.py",
    "scikit_learn-1.9.1.dist-info/METADATA",
    "scikit_learn-1.9.1.dist-info/licenses/COPYING",
    "sklearn/tree/_tree.cpython-313-x86_64-linux-gnu.so",
]
REMOVED = [
    "botocore/data/ec2/2016-11-15/service-2.json.gz",
    "numpy/_core/lib/libnpymath.a",
    "numpy/_core/tests/test_umath.py",
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


def test_what_is_installed_here_proves_to_be_enough() -> None:
    prove()
