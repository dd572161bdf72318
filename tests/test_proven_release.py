"""``make release``: what is due, what goes live, what goes back, and the record of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.canary import Canary
from infra.champion import chosen
from infra.environment import Environment
from infra.proven_release import Order, Releaser, not_due, undone
from infra.publish import ReleaseFailed
from infra.release_records import Cause, Records
from infra.smoke.wait import Result, SmokeTestFailed
from stream_consumer.models.champion import Champion, ModelVersion, encode_champion
from stream_consumer.models.files import directory_digest
from tests.test_release import REPOSITORIES, Builds, deployed, empty_registry

CHAMPION = "s3://models/models/ride-duration/champion.json"
DISPATCH = Cause(event="repository_dispatch", champion=CHAMPION, version="v1")


@dataclass
class State:
    """Terraform's state of an environment with one consumer. An image that is new is published."""

    record: Mapping[str, Any] = field(default_factory=dict)
    applied: list[Mapping[str, Any]] = field(default_factory=list)
    newest: int = 0

    def apply(self, release: Mapping[str, Any]) -> None:
        self.newest += release["image_digest"] != self.record.get("image_digest")
        self.record = release
        self.applied.append(release)

    def outputs(self) -> dict[str, Any]:
        if not self.newest:
            return {}
        live = self.record["releases"].get("rides", {}).get("version", str(self.newest))
        consumer = {"function_name": "rides-dev", "live_version": live, "newest_version": str(self.newest)}
        return {**self.record, "consumers": {"rides": consumer}, "region": "eu-west-1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Live(Environment):
    """The environment dev with that state."""

    root: Path = Path("dev")
    approve: bool = True
    state: State = field(default_factory=State)

    def init(self) -> None:
        """It is."""

    def repositories(self) -> Mapping[str, str]:
        return REPOSITORIES

    def outputs(self) -> dict[str, Any]:
        return self.state.outputs()

    def apply(self, release: Mapping[str, Any]) -> None:
        self.state.apply(release)


@dataclass
class Desk:
    """An account with an environment, a registry of models, and a smoke test that may fail."""

    builds: Builds
    folder: Path
    environment: Live = field(default_factory=Live)
    fault: Exception | None = None
    tested: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.s3: Any = boto3.client("s3", region_name="us-east-1")
        self.s3.create_bucket(Bucket="models")
        self.records = Records(self.s3, "models", "dev")

    def promote(self, name: str) -> ModelVersion:
        """Train a model that is called *name*, and make it champion."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        (folder / "MLmodel").write_text(f"# {name}\nflavors: {{}}\n")
        try:
            before = chosen(CHAMPION, s3=lambda: self.s3).champion
        except Exception:  # noqa: BLE001 (there is none yet)
            before = None
        digest = directory_digest(folder)
        champion = Champion(version=name, digest=digest, metrics={"rmse": 5.9}, previous=before)
        self.s3.upload_file(str(folder / "MLmodel"), "models", f"models/ride-duration/{digest}/MLmodel")
        self.s3.put_object(Bucket="models", Key="models/ride-duration/champion.json", Body=encode_champion(champion))
        return ModelVersion(version=name, digest=digest, metrics={"rmse": 5.9})

    def prove(self, outputs: Mapping[str, Any], model: str) -> Iterator[Result]:
        assert outputs["consumers"]
        self.tested.append(model)
        if self.fault:
            raise self.fault
        yield Result("rides", '{"prediction": 7.5}')

    def release(self, cause: Cause = DISPATCH, canary: Canary | None = None, **order: Any) -> Any:
        releaser = Releaser(self.environment, self.records, self.builds, self.prove, canary)
        return releaser.release(Order(cause=cause, model=CHAMPION, commit="c0ffee", **order))

    def due(self, cause: Cause = DISPATCH, model: str = CHAMPION) -> str:
        return not_due(self.environment, Order(cause=cause, model=model), self.records)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Desk]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with empty_registry(monkeypatch) as builds:
        yield Desk(builds, tmp_path)


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
            "the smoke test failed, and what was live before is live again, rides on version 1: no prediction"
        )
        assert desk.environment.outputs()["consumers"]["rides"]["live_version"] == "1"
        assert desk.environment.state.newest == int(name) - 6
    assert [record.outcome for record in desk.records.newest(5)] == ["failed", "failed", "released"]


def test_a_first_release_that_is_refused_has_nothing_to_go_back_to(desk: Desk) -> None:
    desk.promote("7")
    desk.fault = SmokeTestFailed("no prediction")
    assert desk.release().reason == "the smoke test failed, and there is no release to go back to: no prediction"
    assert len(desk.environment.state.applied) == 1


def test_what_the_canary_refuses_is_written_down_and_not_tested(desk: Desk) -> None:
    desk.promote("7")
    done = desk.release(canary=Refusing(10, 10))
    assert (done.outcome, done.reason, desk.tested) == ("failed", "rides-dev-errors went off", [])
    assert desk.records.newest(1) == [done]


class Refusing(Canary):
    """A canary that is rolled back."""

    def roll_out(self, environment: Environment, release: Mapping[str, Any]) -> str:
        del environment, release
        return "rides-dev-errors went off"


def test_a_champion_of_before_is_named_by_its_digest(desk: Desk) -> None:
    """A step of a workflow releases what an earlier step pushed, whoever is promoted meanwhile."""
    first, second, third = (desk.promote(name) for name in ("7", "8", "9"))
    folder = "s3://models/models/ride-duration"
    newest, before = chosen(CHAMPION), chosen(CHAMPION, second.digest)
    assert (newest.location, newest.challenger) == (f"{folder}/{third.digest}", f"{folder}/{second.digest}")
    assert (before.location, before.challenger) == (f"{folder}/{second.digest}", f"{folder}/{first.digest}")
    assert (before.version, chosen(CHAMPION, first.digest).challenger) == (second, "")
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
    with pytest.raises(ReleaseFailed, match=r"s3://models/releases/dev/2026\.json is no record of a release"):
        desk.records.newest(1)


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
