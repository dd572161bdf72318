"""How many cores scikit-learn sees: it need not know, because all that we have it do is on one thread."""

import os


def leave_cores_uncounted() -> None:
    """
    Set OMP_NUM_THREADS for this process, unless its user has.

    Without it, scikit-learn asks joblib for the number of physical cores. joblib starts ``lscpu``, and prints a warning
    and a traceback where that finds none, as where /sys is not mounted.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
