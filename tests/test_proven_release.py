"""``make release``: what is due, what goes live, what goes back, and the record of it."""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.canary import Canary, Challenger
from infra.champion import chosen
from infra.environment import Environment
from infra.proven_release import undone
from infra.publish import ReleaseFailed
from infra.release_records import Cause, Record
from infra.smoke.wait import SmokeTestFailed
from tests.release_desk import CHAMPION, DISPATCH, Desk, Live, State, at_a_desk
from tests.test_release import deployed


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Desk]:
    with at_a_desk(monkeypatch, tmp_path) as desk:
        yield desk


def test_a_champion_is_baked_in_proven_and_written_down(desk: Desk) -> None:
    champion = desk.promote("7")
    done = desk.release()
    assert (done.outcome, done.model, done.cause, done.commit) == ("released", champion, DISPATCH, "c0ffee")
    assert done.model_digests == desk.environment.state.record["model_digests"] == {"lean": champion.digest}
    assert done.images == {"lean": desk.environment.state.record["image_digest"]}
    assert done.smoke == ['rides: {"prediction": 7.5}']
    assert desk.tested == [f"s3://models/models/ride-duration/{champion.digest}"]
    assert desk.records.newest(5) == [done]


def test_a_release_changes_no_champion(desk: Desk) -> None:
    """Else each release would ask for the next."""
    desk.promote("7")

    def written() -> list[tuple[str, str]]:
        listed = desk.s3.list_objects_v2(Bucket="models", Prefix="models/")["Contents"]
        return [(item["Key"], item["ETag"]) for item in listed]

    before = written()
    desk.release()
    assert written() == before


def test_a_dispatch_that_comes_twice_releases_once(desk: Desk) -> None:
    """EventBridge delivers at least once. The champion may have changed meanwhile, and has a dispatch of its own."""
    desk.promote("7")
    assert desk.due() == ""
    done = desk.release()
    desk.promote("8")
    assert desk.due() == f"version v1 of {CHAMPION} was released at {done.at}"
    assert desk.due(Cause(event="repository_dispatch", champion=CHAMPION, version="v2")) == ""


def test_a_champion_that_is_live_is_not_released_again(desk: Desk) -> None:
    """As by a push that came before the dispatch."""
    champion = desk.promote("7")
    desk.release(Cause(event="push"))
    assert desk.due() == f"the model 7, {champion.digest}, is live"
    desk.promote("8")
    assert desk.due() == ""


def test_a_champion_that_was_refused_is_not_live(desk: Desk) -> None:
    """The image of the record holds it, and the version before is live."""
    desk.promote("7")
    desk.release()
    desk.promote("8")
    desk.fault = SmokeTestFailed("no prediction")
    desk.release(Cause(event="push"))
    assert desk.due(Cause(event="repository_dispatch", champion=CHAMPION, version="v2")) == ""


def test_who_asks_by_hand_gets_a_release(desk: Desk) -> None:
    desk.promote("7")
    desk.release()
    assert [desk.due(Cause(event=event)) for event in ("desk", "push", "workflow_dispatch")] == ["", "", ""]


@pytest.mark.parametrize("model", ["", "s3://models/models/tips/champion.json"])
def test_a_champion_of_another_model_is_not_released(desk: Desk, model: str) -> None:
    """What the dispatch names is compared only, and never fetched."""
    assert desk.due(model=model) == f"dev bakes in {model or 'no model'}, not what {CHAMPION} names"


def test_what_the_smoke_test_refuses_does_not_stay(desk: Desk) -> None:
    """The version that was live is live again, though its number is not the one before."""
    desk.promote("7")
    desk.release()
    for name in ("8", "9"):
        desk.promote(name)
        desk.fault = SmokeTestFailed("no prediction")
        done = desk.release(Cause(event="push"))
        assert done.outcome == "failed"
        assert done.reason == (
            "the smoke test failed, and the previous release is live again, rides on version 1: no prediction"
        )
        assert desk.environment.outputs()["consumers"]["rides"]["live_version"] == "1"
        assert desk.environment.state.newest == int(name) - 6
    assert [record.outcome for record in desk.records.newest(5)] == ["failed", "failed", "released"]


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), RuntimeError("no such key")])
def test_a_smoke_test_that_ends_otherwise_goes_back_and_is_written_down(desk: Desk, fault: BaseException) -> None:
    """What nobody has proven does not stay, and whoever asks why finds a record."""
    desk.promote("7")
    desk.release()
    desk.promote("8")
    desk.fault = fault
    with pytest.raises(type(fault)) as raised:
        desk.release(Cause(event="push"))
    assert raised.value is fault
    assert desk.environment.outputs()["consumers"]["rides"]["live_version"] == "1"
    done = desk.records.newest(1)[0]
    assert (done.outcome, done.reason) == (
        "failed",
        f"the smoke test failed, and the previous release is live again, rides on version 1: {fault!r}",
    )


@pytest.mark.parametrize("fault", [ReleaseFailed("terraform ended with 1"), KeyboardInterrupt()])
def test_a_release_that_cannot_go_back_is_written_down(
    desk: Desk, fault: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.promote("7")
    desk.release()
    desk.promote("8")
    desk.fault = SmokeTestFailed("no prediction")
    apply = State.apply

    def refusing(state: State, release: Mapping[str, Any]) -> None:
        if release["releases"]:
            raise fault
        apply(state, release)

    monkeypatch.setattr(State, "apply", refusing)
    with contextlib.suppress(KeyboardInterrupt):
        desk.release(Cause(event="push"))
    done = desk.records.newest(1)[0]
    said = "terraform ended with 1" if isinstance(fault, ReleaseFailed) else "KeyboardInterrupt()"
    assert done.outcome == "failed"
    assert done.reason == (
        f"the smoke test failed, and the previous release is not live again, {said}; go back with make "
        "rollback ENV=dev: no prediction"
    )


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), RuntimeError("the token expired")])
def test_a_canary_that_ends_otherwise_is_written_down(desk: Desk, fault: BaseException) -> None:
    """It has gone back by itself."""
    desk.promote("7")
    with pytest.raises(type(fault)):
        desk.release(canary=Stopped(10, 10, fault=fault))
    done = desk.records.newest(1)[0]
    assert (done.outcome, done.reason, done.smoke) == ("failed", f"it was stopped before the smoke test: {fault!r}", [])


@dataclass(frozen=True)
class Stopped(Canary):
    """A canary that ends with *fault*."""

    fault: BaseException = field(default_factory=Exception)

    def roll_out(self, environment: Environment, release: Mapping[str, Any]) -> str:
        del environment, release
        raise self.fault


def test_a_first_release_that_is_refused_has_nothing_to_go_back_to(desk: Desk) -> None:
    desk.promote("7")
    desk.fault = SmokeTestFailed("no prediction")
    assert desk.release().reason == "the smoke test failed, and there is no release to go back to: no prediction"
    assert len(desk.environment.state.applied) == 1


def test_what_the_canary_refuses_is_written_down_and_not_tested(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """What it said is printed, and kept."""
    desk.promote("7")
    done = desk.release(canary=Refusing(10, 10))
    assert (done.outcome, done.reason, desk.tested) == ("failed", "rides-dev-errors went off", [])
    assert done.canary == ["compared 20 batches"]
    assert capsys.readouterr().out.startswith("compared 20 batches\n")
    assert desk.records.newest(1) == [done]


def test_the_champion_before_challenges_the_new_one(desk: Desk) -> None:
    """In the only consumer, or in the one that is named."""
    first = desk.promote("7")
    desk.release()
    desk.promote("8")
    location = f"s3://models/models/ride-duration/{first.digest}"
    for consumer in (None, "rides"):
        canary = Refusing(10, 10, asked=[])
        assert desk.release(canary=canary, challenger_of=consumer).challenger == location
        assert canary.asked == [Challenger(location, first.digest, consumer)]


def test_a_canary_keeps_the_challenger_that_was_asked_for(desk: Desk) -> None:
    desk.promote("7")
    desk.promote("8")
    asked = Challenger("s3://models/models/ride-duration/other")
    assert desk.release(canary=Refusing(10, 10, challenger=asked)).challenger == asked.location


@dataclass(frozen=True)
class Refusing(Canary):
    """A canary that is rolled back."""

    asked: list[Challenger | None] = field(default_factory=list)

    def roll_out(self, environment: Environment, release: Mapping[str, Any]) -> str:
        del environment, release
        self.asked.append(self.challenger)
        sys.stdout.write("compared 20 batches\n")
        return "rides-dev-errors went off"


def test_a_champion_of_before_is_named_by_its_digest(desk: Desk) -> None:
    """A step of a workflow releases what an earlier step pushed, whoever is promoted meanwhile."""
    first, second, third = (desk.promote(name) for name in ("7", "8", "9"))
    folder = "s3://models/models/ride-duration"
    newest, before = chosen(CHAMPION), chosen(CHAMPION, second.digest)
    assert newest.location == f"{folder}/{third.digest}"
    assert newest.challenger == Challenger(f"{folder}/{second.digest}", second.digest)
    assert before.location == f"{folder}/{second.digest}"
    assert before.challenger == Challenger(f"{folder}/{first.digest}", first.digest)
    assert (before.version, chosen(CHAMPION, first.digest).challenger) == (second, None)
    with pytest.raises(ReleaseFailed, match=f"no champion of {CHAMPION}, now or before, has the digest abc"):
        chosen(CHAMPION, "abc")


def test_a_rollback_of_the_model_is_a_release_like_any_other(desk: Desk) -> None:
    """Its image is there already."""
    desk.promote("7")
    desk.release()
    desk.promote("8")
    desk.release(Cause(event="repository_dispatch", champion=CHAMPION, version="v2"))
    back = desk.promote("7")
    cause = Cause(event="repository_dispatch", champion=CHAMPION, version="v3")
    assert desk.due(cause) == ""
    assert desk.release(cause).model_digests == {"lean": back.digest}
    assert len(desk.builds.tags) == 2


def test_what_is_promoted_brings_the_digest_of_its_model(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    champion = desk.promote("7")
    desk.release()
    source = deployed(root="dev", **desk.environment.state.record)
    monkeypatch.setattr("infra.release.copied", lambda *_, **__: None)
    desk.environment = Live(root=Path("prod"))
    done = desk.release(Cause(event="workflow_dispatch"), source=source)
    assert (done.environment, done.model, done.model_digests) == ("prod", champion, {"lean": champion.digest})
    assert len(desk.builds.tags) == 1


def test_going_back_keeps_what_a_rollback_held_and_gives_the_doors_their_image() -> None:
    function = {"function_name": "f", "live_version": "7", "newest_version": "9"}
    before = {
        "image_digest": "sha256:1",
        "doors_image_digest": "sha256:2",
        "architecture": "arm64",
        "releases": {"rides": {"version": "7", "canary_weight": 0.1}},
        "consumers": {"rides": function},
        "web": {**function, "live_version": "3"},
        "model_digests": {"lean": "a", "doors": "a"},
    }
    after = {**before, "image_digest": "sha256:8", "doors_image_digest": "sha256:9", "releases": {}}
    assert undone(before, {**after, "model_digests": {"lean": "b", "doors": "b"}}) == {
        "image_digest": "sha256:8",
        "doors_image_digest": "sha256:2",
        "architecture": "arm64",
        "model_digests": {"lean": "b", "doors": "a"},
        "releases": {"rides": {"version": "7", "canary_weight": 0.1}, "web": {"version": "3"}},
    }


def test_a_record_that_is_none_is_named(desk: Desk) -> None:
    desk.s3.put_object(Bucket="models", Key="releases/dev/2026.json", Body=b"{}")
    with pytest.raises(ReleaseFailed, match=r"s3://models/releases/dev/2026\.json is not a record of a release"):
        desk.records.newest(1)


def test_records_of_the_same_millisecond_are_all_kept(desk: Desk) -> None:
    """The newest comes first all the same."""
    records = [
        Record(at=at, environment="dev", outcome=outcome, cause=Cause(), commit="c0ffee", images={})
        for at, outcome in (
            ("2026-01-01T00:00:00.000Z", "failed"),
            ("2026-01-01T00:00:00.000Z", "released"),
            ("2026-01-01T00:00:00.000Z", "failed"),
            ("2026-01-01T00:00:00.001Z", "released"),
        )
    ]
    folder = "s3://models/releases/dev/2026-01-01T00:00:00.00"
    assert [desk.records.write(record) for record in records] == [
        f"{folder}0Z.json",
        f"{folder}0Z_2.json",
        f"{folder}0Z_3.json",
        f"{folder}1Z.json",
    ]
    assert desk.records.newest(9) == records[::-1]


def test_a_record_that_cannot_be_written_fails(desk: Desk) -> None:
    desk.s3.delete_bucket(Bucket="models")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        desk.records.write(Record(at="2026", environment="dev", outcome="failed", cause=Cause(), commit="", images={}))


def test_the_summary_of_a_release_is_a_table(desk: Desk) -> None:
    champion = desk.promote("7")
    done = desk.release()
    assert done.summary().splitlines() == [
        f"| dev | {done.at} |",
        "| --- | --- |",
        "| outcome | released |",
        f"| event | repository_dispatch {CHAMPION} v1 |",
        "| commit | c0ffee |",
        f"| image lean | {done.images['lean']} |",
        f"| model | version 7, {champion.digest}; rmse 5.9 |",
        '| smoke test | rides: {"prediction": 7.5} |',
    ]
