"""An estimator that predicts when it is let, for the test that stops a worker at its work."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Gated:
    """Predicts 5 minutes, once the file GATE is gone."""

    def predict(self, matrix: Any) -> NDArray[np.float64]:
        gate, deadline = Path(os.environ["GATE"]), time.monotonic() + 60
        (gate.parent / "at-the-gate").touch()
        while gate.exists():
            assert time.monotonic() < deadline, "the gate stays shut"
            time.sleep(0.01)
        return np.full(len(matrix), 5.0)
