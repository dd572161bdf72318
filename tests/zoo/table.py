"""A plugin of pytest that prints what came of each model, and the totals."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.zoo.entry import SKLEARN, Verdict, worst


def pytest_terminal_summary(terminalreporter: Any) -> None:
    rows = sorted(_rows(terminalreporter.stats), key=lambda row: str(row["name"]))
    terminalreporter.section("zoo")
    for row in rows:
        terminalreporter.write_line(_line(row))
    terminalreporter.write_line(_totals(rows))


def _rows(stats: Mapping[str, list[Any]]) -> Iterator[Mapping[str, Any]]:
    for reports in stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and report.when == "call":
                yield from (value for key, value in report.user_properties if key == "zoo")  # type: ignore[misc]


def _line(row: Mapping[str, Any]) -> str:
    verdicts = " ".join(f"{verdict:8}" for verdict in row["verdicts"].values())
    said = " ".join(row["said"].split())
    return f"{row['name']:58.58} {verdicts} {'' if row['lean'] else 'mlflow':7} {said[-110:]}"


def _totals(rows: list[Mapping[str, Any]]) -> str:
    came_to = Counter(worst(row["verdicts"].values()) for row in rows)
    sklearn = [row for row in rows if row["name"].partition("/")[0] in SKLEARN]
    lean = sum(row["lean"] and worst(row["verdicts"].values()) is Verdict.RIGHT for row in sklearn)
    counts = ", ".join(f"{verdict} {came_to[verdict]}" for verdict in list(Verdict)[1:])
    return (
        f"right {came_to[Verdict.RIGHT]} of {len(rows)}, {counts}; "
        f"scikit-learn models served without mlflow and pandas: {lean} of {len(sklearn)}"
    )
