"""Every model of the zoo is served with the values of ``mlflow.pyfunc``, or refused at init with a remedy."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.zoo.entry import SKLEARN, Entry
from tests.zoo.models import ZOO
from tests.zoo.today import MENDED_BY
from tests.zoo.verdicts import NotRight, faults_of, report_of
from tests.zoo.worker import Worker


def _param(entry: Entry) -> object:
    fails = entry.name in MENDED_BY
    marks = [pytest.mark.xfail(raises=NotRight, strict=True, reason=MENDED_BY[entry.name])] if fails else []
    return pytest.param(entry, marks=marks, id=entry.name)


@pytest.mark.zoo
@pytest.mark.parametrize("entry", [_param(entry) for entry in ZOO])
def test_a_model_is_served_as_mlflow_serves_it_or_refused_with_a_remedy(
    entry: Entry, tmp_path: Path, lean: Worker, full: Worker, record_property: Callable[[str, object], None]
) -> None:
    if entry.needs:
        pytest.importorskip(entry.needs)
    report = report_of(entry, entry.make(tmp_path), lean, full)
    verdicts = {name: str(verdict) for name, verdict in report.verdicts.items()}
    record_property("zoo", {"name": entry.name, "verdicts": verdicts, "lean": report.lean, "said": report.said})
    if faults := faults_of(entry, report):
        raise NotRight("; ".join(faults))


def test_the_zoo_has_as_many_models_of_each_kind_as_people_have() -> None:
    kinds = Counter(entry.kind for entry in ZOO)
    assert len({entry.name for entry in ZOO}) == len(ZOO) >= 97
    assert sum(kinds[kind] for kind in SKLEARN) >= 80
    assert kinds["columns"] >= 15


def test_what_fails_today_is_in_the_zoo() -> None:
    assert {entry.name for entry in ZOO} >= set(MENDED_BY)
