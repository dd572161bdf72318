"""
Fuzz the decoding of records, guided by coverage, for a fixed budget.

``python tests/fuzz/fuzz_decode.py -runs=200000 -seed=1``; without a budget, 20 seconds. The options are libFuzzer's. It
prints the seed; the input that broke something is written to the working directory and can be given as an argument, to
run it alone. It needs atheris, which has no wheels for every interpreter and so is in no lock: ``pip install atheris``.
"""

import importlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOKENS = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    '\\"ride\\"',
    '\\"ride_id\\"',
    '\\"PULocationID\\"',
    '\\"trip_distance\\"',
    "null",
]
TOKENS += ["true", "1e999", "-1", "265", "\\\\ud800", "\\xff", "\\xf3\\x89\\x9a\\xc2", "\\x1f\\x8b", "\\x03\\x00"]


def main(options: list[str]) -> int:
    if importlib.util.find_spec("atheris") is None:
        sys.exit(
            "atheris is not installed here: pip install atheris (it has wheels for some versions of CPython on Linux)"
        )
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        child = os.fork()
        if not child:
            fuzz(options, Path(scratch))  # does not return: libFuzzer ends the process
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def fuzz(options: list[str], scratch: Path) -> None:
    atheris = importlib.import_module("atheris")
    sys.path.insert(0, str(ROOT))
    with atheris.instrument_imports(include=["stream_consumer"]):
        target = importlib.import_module("tests.fuzz.target")
    dictionary, corpus = scratch / "dictionary", scratch / "corpus"
    dictionary.write_text("".join(f'"{token}"\n' for token in TOKENS), encoding="utf-8")
    corpus.mkdir()
    for number, seed in enumerate(importlib.import_module("tests.fuzz.seeds").seeds()):
        (corpus / str(number)).write_bytes(seed)
    arguments = [sys.argv[0], f"-dict={dictionary}", "-max_len=4096", "-timeout=10", *options]
    if not any(option.startswith(("-runs=", "-max_total_time=")) for option in options):
        arguments.append("-max_total_time=20")
    if all(option.startswith("-") for option in options):
        arguments.append(str(corpus))
    atheris.Setup(arguments, target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
