"""``make smoke``, and the smoke test at the end of a rollback."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from infra import commands
from infra.smoke.wait import Result, SmokeTestFailed
from tests.test_release import Deployed, deployed


@dataclass(slots=True)
class SmokeTests:
    """Smoke tests: what each was of, and how the next one ends."""

    environment: Deployed
    of: list[Collection[str]] = field(default_factory=list)
    end: BaseException | None = None

    def verify(self, outputs: Mapping[str, Any], *, model: str, only: Collection[str]) -> Iterator[Result]:
        assert (outputs["architecture"], model) == ("arm64", "s3://models/7")
        self.of.append(only)
        if self.end:
            raise self.end
        yield Result("web", "predicted")


@pytest.fixture
def rolling_back(monkeypatch: pytest.MonkeyPatch) -> SmokeTests:
    """A system of which the web interface can go back by one."""
    web = {"function_name": "web", "live_version": "2", "newest_version": "2"}
    outputs: dict[str, Any] = {
        "image_digest": "sha256:1",
        "doors_image_digest": "sha256:2",
        "releases": {},
        "region": "eu-west-1",
    }
    environment = deployed(**outputs, web=web)
    tests = SmokeTests(environment)
    monkeypatch.setattr(commands, "_environment", lambda _: environment)
    monkeypatch.setattr(commands, "verify", tests.verify)
    monkeypatch.setenv("MODEL", "s3://models/7")
    return tests


def test_a_rollback_keeps_the_rest_of_the_record_and_is_tested(
    rolling_back: SmokeTests, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.main(["rollback", "dev", "--consumer", "web", "--to", "1"]) == 0
    [record] = rolling_back.environment.records
    assert record == {
        "image_digest": "sha256:1",
        "doors_image_digest": "sha256:2",
        "architecture": "arm64",
        "releases": {"web": {"version": "1"}},
    }
    assert rolling_back.of == [["web"]]
    assert capsys.readouterr().out.splitlines() == ["web: 2 → 1", "web: predicted"]


def test_a_smoke_test_alone_changes_nothing(rolling_back: SmokeTests) -> None:
    assert commands.main(["smoke", "dev"]) == 0
    assert rolling_back.environment.records == []
    assert rolling_back.of == [[]]


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        (SmokeTestFailed("no prediction came"), 1, "error: no prediction came\n"),
        (KeyboardInterrupt(), 130, "\nstopped: make smoke tests what is live now\n"),
    ],
    ids=["failed", "Ctrl-C"],
)
def test_a_test_that_does_not_pass_ends_with_one_line(
    rolling_back: SmokeTests, capsys: pytest.CaptureFixture[str], end: BaseException, code: int, said: str
) -> None:
    rolling_back.end = end
    assert commands.main(["smoke", "dev"]) == code
    assert capsys.readouterr().err == said
