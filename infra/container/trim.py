"""
Run in the build by the image's interpreter: remove from its packages what no invocation reads, then prove it.

The rule: what goes is named by kind and with a reason; the proof is that every estimator of scikit-learn and every
client that the functions use can still be made. Metadata and licences stay, for the SBOM is read off them.
"""

import shutil
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

# Test suites: 33 MB. NumPy keeps one module of its own in one, which numpy.testing and so scikit-learn import.
_TEST_FOLDERS = ("tests", "test")
_IMPORTED_BY_NUMPY_TESTING = "numpy/_core/tests"
_NATYPE = "_natype.py"

# For compilers and type checkers: 6 MB.
_SOURCES = frozenset({".a", ".c", ".cpp", ".f90", ".h", ".hpp", ".pxd", ".pyi", ".pyx", ".tp"})

# Models of the 430 other AWS services: 25 MB. These are the functions' own and what botocore may ask for credentials.
_SERVICES = frozenset({"kinesis", "s3", "sqs", "sso", "sso-oidc", "signin", "sts"})


def superfluous(packages: Path) -> Iterator[Path]:
    """Yield the files and folders to remove, no folder inside another."""
    for folder in sorted(path for path in packages.rglob("*") if path.is_dir() and path.name in _TEST_FOLDERS):
        if folder.relative_to(packages).as_posix() == _IMPORTED_BY_NUMPY_TESTING:
            yield from (path for path in folder.iterdir() if path.name not in {_NATYPE, "__init__.py"})
        elif not any(part in _TEST_FOLDERS for part in folder.relative_to(packages).parts[:-1]):
            yield folder
    for path in sorted(packages.rglob("*")):
        inside_tests = any(part in _TEST_FOLDERS for part in path.relative_to(packages).parts[:-1])
        if path.is_file() and path.suffix in _SOURCES and not inside_tests:
            yield path
    data = packages / "botocore" / "data"
    yield from sorted(path for path in data.iterdir() if path.is_dir() and path.name not in _SERVICES)


def remove(packages: Path) -> int:
    """Remove what is superfluous and return how many bytes that was."""
    freed = 0
    for path in list(superfluous(packages)):
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        freed += sum(file.stat().st_size for file in files)
        if path.is_file():
            path.unlink()
        else:
            shutil.rmtree(path)
    return freed


def prove() -> None:
    """
    Import all that a model or the functions may need.

    Raises:
        ImportError: Too much was removed.
    """
    import boto3  # noqa: PLC0415 (after the trimming, that is the point)
    import numpy.testing  # noqa: F401, PLC0415
    import sklearn.utils  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sklearn.utils.all_estimators()
    for service in sorted(_SERVICES):
        boto3.session.Session().client(service, region_name="us-east-1")  # type: ignore[call-overload]


if __name__ == "__main__":
    freed_bytes = remove(Path(sysconfig.get_path("purelib")))
    print(f"trimmed {freed_bytes / 1e6:.0f} MB of tests, sources and other services' models")
    prove()
