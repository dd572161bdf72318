"""A machine whose cores cannot be counted, as where /sys is not mounted."""

import os
from pathlib import Path


def environment_without_cores(scratch: Path) -> dict[str, str]:
    """Return this process' environment, but for an ``lscpu`` that finds nothing and the settings of OpenMP."""
    lscpu = scratch / "bin" / "lscpu"
    lscpu.parent.mkdir()
    lscpu.write_text("#!/bin/sh\n")
    lscpu.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "LOKY_"))}
    return kept | {"PATH": f"{lscpu.parent}{os.pathsep}{os.environ['PATH']}"}
