"""
Run as a script: become another program that the kernel kills when its parent dies in any way.

``python -IS parent_death.py PARENT_PID PROGRAM ARGUMENT…``. On Linux the parent's death is a signal to the child
(``PR_SET_PDEATHSIG``), and the setting survives exec. On other systems the program is only started.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent, *program = arguments
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - costs 10 ms that only Linux needs

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(parent):
            sys.exit("the parent died before its child could begin")
    os.execv(program[0], program)  # noqa: S606 - a program of our own choosing, no shell


if __name__ == "__main__":
    main(sys.argv[1:])
