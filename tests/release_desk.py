"""What a release is tested on: an account with an environment, a registry of models and a registry of images."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra import publish
from infra.canary import Canary
from infra.champion import chosen
from infra.environment import Environment
from infra.proven_release import Order, Releaser, not_due
from infra.release_records import Cause, Record, Records
from infra.smoke.wait import Result
from stream_consumer.errors import ModelError
from stream_consumer.models.champion import Champion, ModelVersion, encode_champion
from stream_consumer.models.files import directory_digest
from tests.test_release import REPOSITORIES, Builds, empty_registry

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

    def models_bucket(self) -> str:
        return "models"

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
    fault: BaseException | None = None
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
        except ModelError:  # there is none yet
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

    def release(self, cause: Cause = DISPATCH, canary: Canary | None = None, **order: Any) -> Record:
        releaser = Releaser(self.environment, self.records, self.builds, self.prove, canary)
        return releaser.release(Order(cause=cause, model=CHAMPION, commit="c0ffee", **order))

    def due(self, cause: Cause = DISPATCH, model: str = CHAMPION) -> str:
        return not_due(self.environment, Order(cause=cause, model=model), self.records)


@contextmanager
def at_a_desk(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[Desk]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with empty_registry(monkeypatch) as builds:
        desk = Desk(builds, folder)
        # A client takes a tenth of a second to make, and a release makes many.
        monkeypatch.setattr("stream_consumer.models.files.default_client", lambda _: desk.s3)
        monkeypatch.setattr("infra.publish._client", cache(publish._client))  # noqa: SLF001 (as above)
        yield desk
