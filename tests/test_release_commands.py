"""``make release``, ``release-due``, ``releases`` and ``release-token``, as a workflow and an operator run them."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra import commands
from infra.publish import ReleaseFailed
from infra.release_token import give_token
from infra.smoke.wait import SmokeTestFailed
from tests.release_desk import CHAMPION, Desk, at_a_desk


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Desk]:
    """An account with a champion, and the variables of a workflow that a dispatch of it runs."""
    given = {
        "CHAMPION": CHAMPION,
        "CHAMPION_VERSION": "v1",
        "EVENT": "repository_dispatch",
        "GITHUB_OUTPUT": str(tmp_path / "outputs"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "MODEL": CHAMPION,
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with at_a_desk(monkeypatch, tmp_path) as desk:
        desk.promote("7")
        monkeypatch.setattr(commands, "_environment", lambda _: desk.environment)
        monkeypatch.setattr(commands, "default_s3", lambda: desk.s3)
        monkeypatch.setattr(commands, "make_image", desk.builds)
        monkeypatch.setattr(commands, "passes", lambda *_: True)
        monkeypatch.setattr(commands, "output", lambda *_: "c0ffee\n")
        monkeypatch.setattr(commands, "verify", lambda outputs, *, model: desk.prove(outputs, model))
        yield desk


def test_the_steps_of_a_dispatch_release_it_and_the_same_once_more_does_nothing(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [commands.main([step, "dev"]) for step in ("release-due", "publish", "release", "release-due")] == [0] * 4
    [done] = desk.records.newest(5)
    assert done.model
    assert (done.cause.event, done.cause.version, done.commit) == ("repository_dispatch", "v1", "c0ffee")
    first, *published, again = (tmp_path / "outputs").read_text().splitlines()
    assert (first, again) == ("due=true", "due=false")
    assert f"model-digest={done.model.digest}" in published
    said = f"version v1 of {CHAMPION} was released at {done.at}"
    assert (tmp_path / "summary").read_text() == f"{done.summary()}Nothing to release in dev: {said}.\n"
    assert capsys.readouterr().out.splitlines()[-1] == f"nothing to release: {said}"
    assert len(desk.builds.tags) == 1


def test_a_release_that_goes_back_fails_the_step_and_is_in_its_summary(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.fault = SmokeTestFailed("no prediction")
    assert commands.main(["release", "dev"]) == 1
    assert "| outcome | failed the smoke test failed" in (tmp_path / "summary").read_text()
    assert capsys.readouterr().err.endswith("no release to go back to: no prediction\n")


def test_nothing_is_released_that_the_preflight_stops(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "passes", lambda *_: False)
    assert commands.main(["release", "dev"]) == 1
    assert "first follow the lines above that begin with STOP" in capsys.readouterr().err
    assert (desk.builds.tags, desk.environment.state.applied) == ([], [])


def test_releases_are_listed_newest_first(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["releases", "dev"]) == 0
    assert capsys.readouterr().out == "make release ENV=dev has released nothing yet\n"
    desk.release()
    desk.promote("8")
    desk.fault = SmokeTestFailed("no prediction")
    desk.release()
    capsys.readouterr()
    commands.main(["releases", "dev"])
    failed, released = capsys.readouterr().out.splitlines()
    assert failed.split()[1] == "failed"
    assert failed.endswith("rides on version 1: no prediction")
    assert released.split()[1:3] == ["released", "image"]
    assert "model 7 " in released


def test_an_environment_is_not_released_from_itself(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["release", "dev", "--source", "dev"]) == 1
    assert "another than ENV" in capsys.readouterr().err
    assert desk.environment.state.applied == []


@dataclass
class Connections:
    """EventBridge's connections, by name."""

    held: dict[str, Any] = field(default_factory=dict)

    def update_connection(self, *, Name: str, **given: Any) -> Mapping[str, Any]:  # noqa: N803 (AWS's name)
        self.held[Name] = given
        return {"ConnectionState": "AUTHORIZED"}


TRIGGER = {"release_trigger": {"connection": "dev-release", "repository": "my-company/rides"}}


def test_a_token_is_handed_to_eventbridge_and_told_to_nobody(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], desk: Desk
) -> None:
    connections = Connections()
    monkeypatch.setattr(commands, "clients", lambda _: {"events": connections}.__getitem__)
    monkeypatch.setattr("sys.stdin", io.StringIO("the-token\n"))
    desk.environment.state.newest, desk.environment.state.record = 1, {**TRIGGER, "releases": {}}
    assert commands.main(["release-token", "dev"]) == 0
    key = {"ApiKeyName": "Authorization", "ApiKeyValue": "Bearer the-token"}
    assert connections.held == {
        "dev-release": {"AuthorizationType": "API_KEY", "AuthParameters": {"ApiKeyAuthParameters": key}}
    }
    said = capsys.readouterr()
    assert said.out == "dev-release asks my-company/rides for releases: AUTHORIZED\n"
    assert "the-token" not in said.out + said.err


@pytest.mark.parametrize(
    ("outputs", "token", "refusal"),
    [
        ({}, "abc", "release_trigger is not set"),
        (TRIGGER, "", "token is empty"),
        (TRIGGER, "Bearer abc", "token is empty"),
    ],
)
def test_what_is_no_token_is_not_handed_over(outputs: Mapping[str, Any], token: str, refusal: str) -> None:
    connections = Connections()
    with pytest.raises(ReleaseFailed, match=refusal):
        give_token(lambda _: connections, outputs, token)
    assert connections.held == {}
