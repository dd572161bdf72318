"""
Run in the build by the image's interpreter: make a model's additional packages work, and prove it.

``python added.py 'NAME …'`` imports the packages of these names. Without names, the image does not change.
"""

import ctypes
import importlib
import importlib.metadata
import re
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

# LightGBM's wheel needs the system's OpenMP, which a slim base lacks. scikit-learn brings its own, under another name.
_OPENMP = "libgomp.so.1"
_BUNDLED = "scikit_learn.libs/libgomp-*.so*"


def modules_of(names: Sequence[str]) -> Iterator[str]:
    """Yield the importable top-level names of distributions."""
    wanted = {_normal(name) for name in names}
    for module, distributions in sorted(importlib.metadata.packages_distributions().items()):
        if module.isidentifier() and not module.startswith("_") and wanted & set(map(_normal, distributions)):
            yield module


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def wants_openmp(packages: Path) -> bool:
    """Return whether a library in *packages* is linked against the system's OpenMP."""
    libraries = packages.glob("[!.]*/**/*.so")
    return any(b"\0" + _OPENMP.encode() + b"\0" in library.read_bytes() for library in libraries)


def lend_openmp(packages: Path) -> None:
    """
    Copy scikit-learn's OpenMP to the system's name, and load the copy when Python starts.

    Raises:
        ImportError: scikit-learn has no OpenMP.
    """
    bundled = next(packages.glob(_BUNDLED), None)
    if bundled is None:
        raise ImportError(f"{_OPENMP} is not in the base image, and scikit-learn brings none")
    own, wanted = bundled.name.encode(), _OPENMP.encode()
    copy = packages / _OPENMP
    # The linker knows a loaded library by the name inside the file, not by the file's own name.
    named = bundled.read_bytes().replace(b"\0" + own + b"\0", b"\0" + wanted.ljust(len(own), b"\0") + b"\0")
    copy.write_bytes(named)
    (packages / "openmp.pth").write_text(f"import ctypes; ctypes.CDLL({str(copy)!r})\n", encoding="ascii")
    ctypes.CDLL(str(copy))


def main(names: Sequence[str]) -> None:
    """Prove the packages *names*."""
    packages, modules = Path(sysconfig.get_path("purelib")), list(modules_of(names))
    if modules and wants_openmp(packages):
        try:
            ctypes.CDLL(_OPENMP)
        except OSError:
            lend_openmp(packages)
    for module in modules:
        importlib.import_module(module)
    if modules:
        print(f"added, and can be imported: {', '.join(modules)}")


if __name__ == "__main__":
    main(sys.argv[1].split())
