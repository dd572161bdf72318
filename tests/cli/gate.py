"""An estimator that predicts when it is let, for the test that stops a worker at its work."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Gated:
    """Predicts 5 minutes: the one or two rows of init at once, the four of an object once the file GATE is gone."""

    def predict(self, matrix: Any) -> NDArray[np.float64]:
        if len(matrix) > 2:
            self._wait()
        return np.full(len(matrix), 5.0)

    def _wait(self) -> None:
        gate, deadline = Path(os.environ["GATE"]), time.monotonic() + 60
        (gate.parent / "at-the-gate").touch()
        while gate.exists():
            assert time.monotonic() < deadline, "the gate stays shut"
            time.sleep(0.01)
