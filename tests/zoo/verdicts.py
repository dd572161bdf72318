"""What serving a model came to, held against what is right."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.zoo.entry import Entry, Made, Verdict, worst
from tests.zoo.interfaces import INTERFACES, Answer, Served, from_json
from tests.zoo.worker import Worker


class NotRight(AssertionError):
    """A model came to something else than it must."""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of one entry."""

    verdicts: Mapping[str, Verdict]
    """By interface."""
    lean: bool
    """Whether the model was served without mlflow and pandas."""
    said: str = ""
    """The first refusal, difference or fault."""


def report_of(entry: Entry, made: Made, lean: Worker, full: Worker) -> Report:
    """
    Serve a model as the lean image would and, only if that refuses what it need not refuse, with mlflow and pandas.

    A model that does harm in the lean image does harm, whatever a larger image would do.
    """
    served = from_json(lean.ask(made.location, made.environ, made.rows))
    report = _report(served, made, lean=True)
    if worst(report.verdicts.values()) is Verdict.REFUSED and (entry.refused is None or not entry.lean):
        return _report(from_json(full.ask(made.location, made.environ, made.rows)), made, lean=False)
    return report


def _report(served: Served, made: Made, *, lean: bool) -> Report:
    if served.crashed or served.refused:
        verdict = Verdict.CRASH if served.crashed else Verdict.REFUSED
        said = served.crashed or f"at init: {served.refused}"
        return Report(dict.fromkeys(INTERFACES, verdict), lean and not served.refused, said)
    judged = {name: _judge(answer, made.expected) for name, answer in served.answers.items()}
    said = next((said for verdict, said in judged.values() if verdict is not Verdict.RIGHT), "")
    return Report({name: verdict for name, (verdict, _) in judged.items()}, lean, said)


def _judge(answer: Answer, expected: Sequence[Any]) -> tuple[Verdict, str]:
    if answer.crashed or answer.refused:
        return (Verdict.CRASH, answer.crashed) if answer.crashed else (Verdict.REFUSED, answer.refused or "")
    if answer.faults:
        [(fault, count)] = Counter(answer.faults).most_common(1)
        verdict = Verdict.SILENT if len(answer.faults) == len(answer.values) else Verdict.WRONG
        return verdict, f"{count} times {fault}"
    for at, (value, right) in enumerate(zip(answer.values, expected or answer.values, strict=True)):
        if not same(value, right):
            return Verdict.WRONG, f"row {at}: {value!r}, wanted {right!r}"
    # A model that must be refused and predicts has no right value.
    return (Verdict.RIGHT, "") if expected else (Verdict.WRONG, "it predicts")


def same(value: Any, right: Any) -> bool:
    """Return whether two JSON values are equal in type, names and, but for rounding, value."""
    if type(value) is not type(right):
        return False
    if isinstance(right, dict):
        return value.keys() == right.keys() and all(same(value[name], right[name]) for name in right)
    if isinstance(right, list):
        return len(value) == len(right) and all(map(same, value, right))
    return math.isclose(value, right, rel_tol=1e-9, abs_tol=1e-12) if isinstance(right, float) else value == right


def faults_of(entry: Entry, report: Report) -> list[str]:
    """Return how *report* differs from what *entry* must come to."""
    if entry.refused is None:
        faults = [f"{name} {verdict}" for name, verdict in report.verdicts.items() if verdict is not Verdict.RIGHT]
        if entry.lean and not report.lean and not faults:
            faults = ["served only with mlflow or pandas"]
    else:
        faults = [f"{name} {verdict}" for name, verdict in report.verdicts.items() if verdict is not Verdict.REFUSED]
        if not faults and not (report.said.startswith("at init: ") and entry.refused in report.said):
            faults = [f"refused, but not at init with a remedy that says {entry.refused!r}"]
    return [*faults, report.said] if faults else []
