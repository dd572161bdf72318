"""
The number of cores visible to scikit-learn.

A single core suffices, because all its work here runs on a single thread.
"""

import os


def leave_cores_uncounted() -> None:
    """
    Set OMP_NUM_THREADS for this process, unless the user has.

    Without this variable, scikit-learn asks joblib for the number of physical cores. joblib starts ``lscpu``, and
    prints a warning and a traceback if ``lscpu`` finds no cores, for example because /sys is not mounted.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
