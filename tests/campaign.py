"""
The delivery promise over many random schedules: ``python -m tests.campaign --schedules 10000 --seed 1``.

Runs the property tests, that of Kinesis and those of Kafka, in as many processes as there are processors, each with a
seed of its own counted from the given one. Prints what was tried of Kinesis and what came of it. A failing schedule is
shrunk and printed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.figures import ROOT, Figures, write

TESTS = (
    "tests/test_invariants.py::test_the_delivery_promise_holds_under_any_schedule",
    "tests/kafka/test_invariants.py::test_the_delivery_promise_holds_with_kafka_on_both_sides",
    "tests/group/test_invariants.py::test_the_delivery_promise_holds_of_a_consumer_group",
)


def begin(schedules: int, seed: int, figures: Path) -> "subprocess.Popen[str]":
    """Start one process of the property tests."""
    environment = {**os.environ, "SCHEDULES": str(schedules), "FIGURES": str(figures)}
    environment.pop("CI", None)  # with it the examples would be the same in every process, whatever the seed
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--hypothesis-seed={seed}", *TESTS]
    return subprocess.Popen(  # noqa: S603 - our own test
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def run(schedules: int, seed: int, jobs: int) -> Figures:
    """Return the sums of all processes; exit if one finds a schedule that breaks the promise."""
    total = Figures()
    with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
        paths = [Path(folder, str(job)) for job in range(jobs)]
        running = [begin(-(-schedules // jobs), seed + job, path) for job, path in enumerate(paths)]
        outputs = [process.communicate()[0] for process in running]
        for job, (process, output) in enumerate(zip(running, outputs, strict=True)):
            if process.returncode:
                sys.exit(f"{output}\nthe promise is broken; again with --hypothesis-seed={seed + job}")
        for path in paths:
            total.add(Figures.load(path))
    return total


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaign",
        description="Run the property tests of the delivery promise over random schedules of faults, in parallel "
        "processes with a seed each. A failing schedule is shrunk and printed.",
    )
    parser.add_argument(
        "--schedules", type=int, default=10_000, metavar="COUNT", help="Number of schedules. Default: %(default)s."
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="Seed of the random number generators. Default: %(default)s."
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=os.cpu_count() or 1,
        metavar="COUNT",
        help="Number of processes. Default: number of cores.",
    )
    parser.add_argument("--write", action="store_true", help="Write the table into README.md and docs/.")
    options = parser.parse_args()
    began = time.monotonic()
    print(f"{options.schedules:,} schedules in {options.jobs} processes, seed {options.seed}", flush=True)
    figures = run(options.schedules, options.seed, options.jobs)
    table = figures.table("random schedules")
    print(f"\n{table}\n\nthe promise held in {time.monotonic() - began:.0f} s")
    if options.write:
        source = f"`make invariants SEED={options.seed}`, {datetime.now(UTC):%d %B %Y}"
        write("invariants", f"{source}:\n\n{table}")
        write("invariants-summary", figures.summary(f"{figures.schedules:,} random schedules, simulated ({source})"))


if __name__ == "__main__":
    main()
