"""``python -m benchmarks``: measure, print one table, write JSON; ``--quick`` fails if a ratio is far below its bar."""

import argparse
import sys
from pathlib import Path
from typing import Any

from benchmarks.bars import bars
from benchmarks.measurement import FULL, QUICK, measure, measure_batch
from benchmarks.report import as_json, as_pyperf, batch_table, comparison, table, write

_ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    options = _options()
    given = QUICK if options.quick else FULL, options.train, options.rides, lambda stage: print(stage, file=sys.stderr)
    if options.only_batch:
        print(batch_table(measure_batch(*given)))
        return
    measured = measure(*given)
    print(table(measured))
    if options.json:
        options.json.write_text(as_json(measured), encoding="utf-8")
    if options.pyperf:
        as_pyperf(measured).dump(str(options.pyperf), replace=True)
    if options.write:
        write(_ROOT / "README.md", "comparison", comparison(measured))
        write(_ROOT / "docs" / "benchmarks.md", "benchmark", f"```text\n{table(measured)}\n```")
    far_off = [bar.what for bar in bars(measured) if bar.far_off]
    if options.quick and far_off:
        sys.exit(f"far below the bar: {'; '.join(far_off)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure the throughput, and print a table."
    )
    parser.add_argument("--quick", action="store_true", help="Measure few rounds, and fail far below a bar.")
    parser.add_argument("--only-batch", action="store_true", help="Measure the batch interface alone.")
    rides: dict[str, Any] = {"nargs": "+", "action": "extend", "default": [], "metavar": "FILE"}
    parser.add_argument("--train", **rides, help="TLC rides to fit the models on. Default: synthetic rides.")
    parser.add_argument("--rides", **rides, help="TLC rides to consume. Default: synthetic rides.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="File for all figures. Default: no file.")
    parser.add_argument(
        "--pyperf", type=Path, metavar="FILE", help="File for the times, in the format of pyperf. Default: no file."
    )
    parser.add_argument("--write", action="store_true", help="Write the tables of README.md and docs/benchmarks.md.")
    return parser.parse_args()


if __name__ == "__main__":
    main()
