"""``make deploy``: which image is built, and which is reused."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra import publish
from infra.release import Environment, deploy

URL = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/stream-consumer-dev"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed(Environment):
    """An environment of which only the outputs are there; what is applied is kept."""

    shown: Mapping[str, Any]
    records: list[Mapping[str, Any]]

    def init(self) -> None:
        """It is."""

    def outputs(self) -> dict[str, Any]:
        return dict(self.shown)

    def apply(self, release: Mapping[str, Any]) -> None:
        self.records.append(release)


def deployed(**outputs: str | None) -> Deployed:
    shown = {"registry_url": URL, "architecture": "arm64", **outputs}
    return Deployed(root=Path(), approve=True, shown=shown, records=[])


class Builds:
    """Builds nothing, and puts a image of its own for each tag where the image would be pushed."""

    def __init__(self) -> None:
        self.tags: list[str] = []
        self.models: list[Path | None] = []

    def __call__(self, ecr: Any, reference: str, architecture: str, model: Path | None) -> None:
        del architecture
        repository, _, tag = reference.partition("/")[2].partition(":")
        media_type = "application/vnd.oci.image.manifest.v1+json"
        text = json.dumps({"schemaVersion": 2, "mediaType": media_type, "config": {"digest": tag}, "layers": []})
        image = {"imageManifest": text, "imageManifestMediaType": media_type}
        digest = f"sha256:{hashlib.sha256(tag.encode()).hexdigest()}"
        ecr.put_image(repositoryName=repository, imageTag=tag, imageDigest=digest, **image)
        self.tags.append(tag)
        self.models.append(model)


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Builds]:
    """An empty registry, and the commit c0ffee."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setattr(publish, "output", lambda *_: "c0ffee\n")
    with mock_aws():
        boto3.client("ecr", "eu-west-1").create_repository(repositoryName="stream-consumer-dev")
        yield Builds()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n")
    return folder


def test_a_commit_is_built_once_for_each_architecture_with_the_doors_and_without(builds: Builds) -> None:
    digests = [publish.published(URL, "arm64", builds) for _ in range(2)]
    publish.published(URL, "x86_64", builds)
    publish.published(URL, "arm64", builds, doors=True)
    assert builds.tags == ["lean-c0ffee-arm64", "lean-c0ffee-x86_64", "doors-c0ffee-arm64"]
    assert digests[0] == digests[1]


def test_the_same_commit_with_another_model_is_another_image(builds: Builds, model: Path) -> None:
    """The model counts, not its name: an alias may have moved."""
    without = publish.published(URL, "arm64", builds)
    first = publish.published(URL, "arm64", builds, model=str(model))
    again = publish.published(URL, "arm64", builds, model=str(model))
    (model / "MLmodel").write_text("flavors: {sklearn: {}}\n")
    second = publish.published(URL, "arm64", builds, model=str(model))
    assert first == again
    assert len({without, first, second}) == 3
    assert builds.models == [None, model, model]


def test_an_image_is_pushed_by_the_tool_that_builds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A docker without its daemon builds nothing, and what podman built it could not push."""
    log = tmp_path / "log"
    scripts = {"docker": "exit 1", "podman": f"echo podman $1 >> {log}", "make": f"echo make $* >> {log}"}
    for name, script in scripts.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CONTAINER_ENGINE", raising=False)
    with mock_aws():
        publish.make_image(boto3.client("ecr", "eu-west-1"), f"{URL}:c0ffee", "arm64", Path("/models/7"))
    assert log.read_text().splitlines() == [
        "podman images",
        f"make image TAG={URL}:c0ffee PLATFORM=linux/arm64 MODEL=/models/7",
        "podman login",
        "podman push",
    ]


def test_what_is_deployed_is_marked_for_the_registry_to_keep(builds: Builds) -> None:
    """A mark is put once: the tag never moves."""
    environment = deployed(doors_image_digest=None)
    for _ in range(2):
        deploy(environment, None, builds)
    [digest] = {record["image_digest"] for record in environment.records}
    images = boto3.client("ecr", "eu-west-1").describe_images(repositoryName="stream-consumer-dev")["imageDetails"]
    mark = f"deployed-lean-{digest.removeprefix('sha256:')[:12]}"
    assert [sorted(image["imageTags"]) for image in images] == [sorted(["lean-c0ffee-arm64", mark])]


def test_an_init_that_failed_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Terraform makes its folder before it reaches the backend, so the folder says nothing."""
    (tmp_path / ".terraform").mkdir()
    (tmp_path / "backend.hcl").touch()
    (tmp_path / "terraform").write_text(f"#!/bin/sh\necho $* >> {tmp_path}/log\n")
    (tmp_path / "terraform").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    for _ in range(2):
        Environment(tmp_path, approve=True).init()
    assert (tmp_path / "log").read_text().splitlines() == ["init -input=false -backend-config=backend.hcl"] * 2


def test_doors_that_run_keep_their_image_when_the_consumers_get_another(builds: Builds) -> None:
    """Without it in the record the next plan would have doors and no image."""
    environment = deployed(doors_image_digest="sha256:abcd")
    deploy(environment, None, builds)
    assert [record["doors_image_digest"] for record in environment.records] == ["sha256:abcd"]
    assert builds.tags == ["lean-c0ffee-arm64"]


def test_an_image_with_the_doors_is_for_the_consumers_too(builds: Builds) -> None:
    environment = deployed(doors_image_digest="sha256:abcd")
    deploy(environment, None, builds, doors=True)
    [record] = environment.records
    assert record["doors_image_digest"] == record["image_digest"] != "sha256:abcd"


def test_without_doors_the_record_has_none(builds: Builds) -> None:
    environment = deployed(doors_image_digest=None)
    deploy(environment, "x86_64", builds)
    assert [sorted(record) for record in environment.records] == [["architecture", "image_digest", "releases"]]


def test_doors_are_not_left_behind_on_another_architecture(builds: Builds) -> None:
    """Terraform has one for all functions and tasks: theirs would not start."""
    environment = deployed(doors_image_digest="sha256:abcd")
    with pytest.raises(publish.ReleaseFailed, match="the doors run on arm64: to bring them to x86_64, add DOORS=1"):
        deploy(environment, "x86_64", builds)
    assert (environment.records, builds.tags) == ([], [])
