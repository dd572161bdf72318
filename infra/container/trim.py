"""
Run in the build by the image's interpreter: remove files that no invocation reads from its packages, and prove it.

The rule: removed files are listed by kind, with a reason. As proof, every estimator of scikit-learn and every client of
the functions is made. Metadata and licences stay, since the SBOM is made from them.
"""

import argparse
import re
import shutil
import sysconfig
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

# Test suites: 33 MB. One of NumPy's has a module that numpy.testing and therefore scikit-learn import.
_TEST_FOLDERS = ("tests", "test")
_IMPORTED_BY_NUMPY_TESTING = "numpy/_core/tests"
_NATYPE = "_natype.py"

# For compilers and type checkers: 6 MB.
_SOURCES = frozenset({".a", ".c", ".cpp", ".f90", ".h", ".hpp", ".pxd", ".pyi", ".pyx", ".tp"})

# Models of 430 other AWS services: 25 MB. The listed services are the functions' and those of botocore's credentials.
_SERVICES = frozenset({"kinesis", "s3", "secretsmanager", "sqs", "sso", "sso-oidc", "signin", "sts"})

# Only the starter of worker tasks uses ECS, and only the stage `doors` has the starter.
_DOORS_SERVICES = frozenset({"ecs"})

# PyArrow's parts beside local Parquet and CSV: Flight, other services and formats (33 MB), headers (6 MB). Substrait
# stays, since PyArrow's own library is linked against it.
_PYARROW_PARTS = re.compile(
    r"(lib|_)(arrow_)?(python_)?(azurefs|dataset_orc|flight|gandiva|gcsfs|hdfs|orc|pyarrow_cpp_tests)\b.*"
    r"|include|includes|src"
)
# The linker only needs libarrow.so.2500. Wheels have no links, so the other names are copies (5 MB).
_PYARROW_COPIES = re.compile(r"lib\w+\.so(\.\d+\.\d+\.\d+)?")


def superfluous(packages: Path) -> Iterator[Path]:
    """Yield the files and folders to remove."""
    for folder in sorted(path for path in packages.rglob("*") if path.is_dir() and path.name in _TEST_FOLDERS):
        if folder.relative_to(packages).as_posix() == _IMPORTED_BY_NUMPY_TESTING:
            yield from (path for path in folder.iterdir() if path.name not in {_NATYPE, "__init__.py"})
        elif not any(part in _TEST_FOLDERS for part in folder.relative_to(packages).parts[:-1]):
            yield folder
    for path in sorted(packages.rglob("*")):
        inside_tests = any(part in _TEST_FOLDERS for part in path.relative_to(packages).parts[:-1])
        if path.is_file() and path.suffix in _SOURCES and not inside_tests:
            yield path
    for data in packages.glob("botocore/data"):
        yield from sorted(path for path in data.iterdir() if path.is_dir() and path.name not in _SERVICES)
    for arrow in packages.glob("pyarrow"):
        yield from sorted(path for path in arrow.iterdir() if _is_superfluous(path.name))


def _is_superfluous(name: str) -> bool:
    """Whether PyArrow's *name* goes."""
    return bool(_PYARROW_PARTS.fullmatch(name) or _PYARROW_COPIES.fullmatch(name))


def remove(packages: Path) -> int:
    """Remove superfluous files and return their total size in bytes."""
    freed = 0
    for path in list(superfluous(packages)):
        if not path.exists():  # its folder went
            continue
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        freed += sum(file.stat().st_size for file in files)
        if path.is_file():
            path.unlink()
        else:
            shutil.rmtree(path)
    return freed


def prove() -> None:
    """
    Import all packages that a model or the functions may need.

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


def set_aside(packages: Path, doors: Path) -> None:
    """Copy the parts of *packages* that only the stage ``doors`` has to the location in its layer."""
    for service in _DOORS_SERVICES:
        folder = packages / "botocore" / "data" / service
        shutil.copytree(folder, doors / folder.relative_to("/"))


def gather(packages: Path, layer: Path) -> Path:
    """
    Move pip's packages under *layer* to a path without Python's version, and add this path to *packages*.

    The path comes last, so the packages of the lean image go first. The name of *layer* is the folder's below /opt.
    """
    prefix = layer / "opt" / layer.name
    gathered = prefix / "packages"
    [installed] = prefix.glob("lib/python*/site-packages")
    installed.rename(gathered)
    shutil.rmtree(prefix / "lib")
    shutil.rmtree(prefix / "bin", ignore_errors=True)
    finder = layer / packages.relative_to("/") / f"{layer.name}.pth"
    finder.parent.mkdir(parents=True, exist_ok=True)
    finder.write_text(f"/opt/{layer.name}/packages\n", encoding="ascii")
    return gathered


def prove_doors() -> None:
    """
    Write and read Parquet and CSV, and make the clients that only the stage ``doors`` uses.

    Raises:
        ImportError: Too much was removed.
    """
    import boto3  # noqa: PLC0415 (as above)

    prove_tables()
    for service in _DOORS_SERVICES:
        boto3.session.Session().client(service, region_name="us-east-1")  # type: ignore[call-overload]


def prove_training() -> None:
    """
    Read tables, draw a plot, and import the packages that save a model.

    Raises:
        ImportError: Too much was removed.
    """
    import mlflow.sklearn  # noqa: F401, PLC0415 (as above)
    from matplotlib.figure import Figure  # noqa: PLC0415
    from pandas import DataFrame  # noqa: PLC0415

    prove_tables()
    with tempfile.TemporaryFile() as file:
        Figure().savefig(file, format="png")
    if DataFrame({"ride_id": [1]}).to_dict("split")["data"] != [[1]]:
        raise ImportError("pandas does not hold what it was given")


def prove_tables() -> None:
    """
    Write and read Parquet and CSV.

    Raises:
        ImportError: Too much was removed.
    """
    import pyarrow as pa  # noqa: PLC0415 (as above)
    import pyarrow.compute as pc  # noqa: PLC0415
    import pyarrow.csv  # noqa: PLC0415
    import pyarrow.dataset  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    table = pa.table({"ride_id": ["a", "b"], "ride_duration": [1.5, 2.5]})
    with tempfile.TemporaryDirectory() as scratch:
        for codec in ("snappy", "zstd", "gzip", "brotli", "lz4"):
            pq.write_table(table, f"{scratch}/{codec}.parquet", compression=codec)
        pyarrow.csv.write_csv(table, f"{scratch}/table.csv")
        if pyarrow.csv.read_csv(f"{scratch}/table.csv") != table or pc.sum(
            pyarrow.dataset.dataset([f"{scratch}/{codec}.parquet" for codec in ("zstd", "snappy")])
            .to_table()
            .column("ride_duration")
        ) != pa.scalar(8.0):
            raise ImportError("PyArrow does not read what it wrote")


def main() -> None:
    """Trim the packages of this interpreter or, on request, of another layer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--aside", type=Path, help="folder for the files that only the stage doors has")
    parser.add_argument("--gather", type=Path, help="folder of another layer, to gather and trim")
    parser.add_argument("--prove-doors", dest="prove", action="store_const", const=prove_doors)
    parser.add_argument("--prove-training", dest="prove", action="store_const", const=prove_training)
    wanted, packages = parser.parse_args(), Path(sysconfig.get_path("purelib"))
    if wanted.prove:
        wanted.prove()
        return
    if wanted.aside:
        set_aside(packages, wanted.aside)
    freed = remove(gather(packages, wanted.gather) if wanted.gather else packages)
    print(f"trimmed {freed / 1e6:.0f} MB of tests, sources, other services' models and unused parts of PyArrow")
    if not wanted.gather:
        prove()


if __name__ == "__main__":
    main()
