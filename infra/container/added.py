"""
Run in the build by the image's interpreter: make what a model needed beside the locked packages work, and prove it.

``python added.py 'NAME …'`` imports the packages of these names. Without any it does nothing, so the usual image stays
as it is.
"""

import ctypes
import importlib
import importlib.metadata
import re
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

# LightGBM's wheel asks for the system's OpenMP, which a slim base has not. scikit-learn brings one of its own, under a
# name of its own.
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
    Let the linker find scikit-learn's OpenMP by the system's name: a copy of that name, loaded when Python starts.

    Raises:
        ImportError: scikit-learn does not bring one.
    """
    bundled = next(packages.glob(_BUNDLED), None)
    if bundled is None:
        raise ImportError(f"{_OPENMP} is not in the base image, and scikit-learn brings none")
    own, wanted = bundled.name.encode(), _OPENMP.encode()
    copy = packages / _OPENMP
    # A loaded library answers to the name that stands in it, whatever its file is called.
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
