"""Estimators that predict their example, and do something else for rides of 13 miles."""

import ctypes
import os
import signal
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression

_CHUNK = 1 << 26
_ENOUGH = 1 << 34


class Unlucky(LinearRegression):  # type: ignore[misc]  # it has no types
    """Pickled by reference: the process that loads it has this module."""

    def __init__(self, misdeed: str = "") -> None:
        super().__init__()
        self.misdeed = misdeed

    def predict(self, X: Any) -> NDArray[np.float64]:  # noqa: N803 (scikit-learn's name)
        if np.any(np.asarray(X)[:, 2] == 13):
            self._misbehave()
        predicted: NDArray[np.float64] = super().predict(X)
        return predicted

    def _misbehave(self) -> None:
        match self.misdeed:
            case "hang":  # in C, and with the interpreter's lock held: no thread of the process goes on
                ctypes.PyDLL(None).sleep(1_000)
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "exit":
                os._exit(3)
            case "flood":  # its process is told the number of the socket
                os.write(int(sys.argv[1]), b"\xff" * 2**16)
                time.sleep(1_000)
            case "eat":
                eaten: list[NDArray[np.float64]] = []
                while len(eaten) * _CHUNK < _ENOUGH:
                    eaten.append(np.ones(_CHUNK // 8))
            case _:
                raise ValueError(self.misdeed)
