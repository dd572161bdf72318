"""
The command line on a pseudo-terminal of 80 columns: what a person sees, and Ctrl-C.

The rule: an escape sequence that the screen does not know fails the test, so that no output is passed over.
"""

import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import stream_consumer

COLUMNS, ROWS = 80, 24
SECONDS = 120.0
"""A command that takes longer hangs."""

_CTRL_C = b"\x03"
# Only a process that leads a session can take a terminal as its own, and Ctrl-C reaches only such a process.
_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.executable, [sys.executable, '-m', 'stream_consumer', *sys.argv[1:]])"
)
_PIECE = re.compile(r"\x1b\[(?P<count>[0-9;?]*)(?P<action>[A-Za-z])|(?P<text>[^\x1b])")


@dataclass(frozen=True)
class Seen:
    """What a command left on the screen and above it."""

    code: int
    lines: list[str]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def in_terminal(
    *arguments: object,
    directory: Path,
    environment: Mapping[str, str] | None = None,
    interrupt_at: str | None = None,
) -> Seen:
    """
    Run the command line with *arguments* in *directory*.

    Ctrl-C is pressed once, as soon as *interrupt_at* has been written.
    """
    ours, theirs = pty.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        process = subprocess.Popen(  # noqa: S603 (our own interpreter)
            [sys.executable, "-c", _TAKE_TERMINAL, *map(str, arguments)],
            cwd=directory,
            env=_environment() | dict(environment or {}),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        with process:
            try:
                output = _output(ours, interrupt_at)
            finally:
                process.kill()
        return Seen(process.returncode, screen(output))
    finally:
        os.close(ours)


def _environment() -> dict[str, str]:
    """Return this process's variables but for those that tell of a width, of AWS or of a store."""
    prefixes = ("AWS_", "MLFLOW_", "COLUMNS", "LINES", "NO_COLOR", "CI")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    return kept | {"TERM": "xterm-256color", "PYTHONPATH": str(Path(stream_consumer.__file__).parents[1])}


def _output(terminal: int, interrupt_at: str | None) -> str:
    output = b""
    while True:
        if not select.select([terminal], [], [], SECONDS)[0]:
            raise TimeoutError(f"nothing was written for {SECONDS:.0f} s after:\n{output.decode(errors='replace')}")
        try:
            part = os.read(terminal, 65_536)
        except OSError:  # Linux's way to say that the other side is closed
            part = b""
        if not part:
            return output.decode()
        output += part
        if interrupt_at and interrupt_at.encode() in output:
            os.write(terminal, _CTRL_C)
            interrupt_at = None


def screen(output: str) -> list[str]:
    """Return the lines that *output* leaves on a screen without edges, where a line that is too long stays one."""
    lines, row, column = [""], 0, 0
    for piece in _PIECE.finditer(output):
        match piece["action"], piece["text"]:
            case None, "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            case None, "\r":
                column = 0
            case None, letter:
                lines[row] = lines[row][:column].ljust(column) + letter + lines[row][column + 1 :]
                column += 1
            case "A", _:
                row -= int(piece["count"] or 1)
            case "K", _:
                lines[row] = "" if piece["count"] == "2" else lines[row][:column]
            case "m" | "h" | "l", _:
                pass
            case action, _:
                raise AssertionError(f"the screen does not know CSI {piece['count']}{action}")
    return [line.rstrip() for line in lines]


class Tty(io.StringIO):
    """A terminal in this process."""

    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        return [line for line in screen(self.getvalue().replace("\n", "\r\n")) if line]
