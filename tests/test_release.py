"""``make deploy`` and ``make promote``: which image is built, which is reused, and where the record of it is."""

import contextlib
import hashlib
import io
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra import commands, publish
from infra.canary import Canary, Challenger
from infra.canary_bounds import Bound
from infra.environment import Environment
from infra.release import deploy, promote
from infra.teardown import destroy
from stream_consumer.models.files import directory_digest

URL = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/stream-consumer-dev"
REPOSITORIES = {"lean": URL, "doors": f"{URL}-doors", "training": f"{URL}-training"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed(Environment):
    """An environment of which only the outputs are there; what is applied is kept."""

    shown: Mapping[str, Any]
    records: list[Mapping[str, Any]]
    urls: Mapping[str, str]

    def init(self) -> None:
        """It is."""

    def repositories(self) -> Mapping[str, str]:
        return self.urls

    def outputs(self) -> dict[str, Any]:
        return dict(self.shown)

    def apply(self, release: Mapping[str, Any]) -> None:
        self.records.append(release)


def deployed(*, root: str = "", urls: Mapping[str, str] = REPOSITORIES, **outputs: Any) -> Deployed:
    shown = {"architecture": "arm64", **outputs}
    return Deployed(root=Path(root), approve=True, shown=shown, records=[], urls=urls)


def put(ecr: Any, repository: str, tag: str, digest: str) -> None:
    media_type = "application/vnd.oci.image.manifest.v1+json"
    text = json.dumps({"schemaVersion": 2, "mediaType": media_type, "config": {"digest": digest}, "layers": []})
    image = {"imageManifest": text, "imageManifestMediaType": media_type, "imageDigest": digest}
    ecr.put_image(repositoryName=repository, imageTag=tag, **image)


class Builds:
    """Builds nothing, and puts a image of its own for each tag where the image would be pushed."""

    def __init__(self) -> None:
        self.tags: list[str] = []
        self.models: list[Path | None] = []

    def __call__(self, ecr: Any, reference: str, kind: str, architecture: str, model: Path | None) -> None:
        del kind, architecture
        repository, _, tag = reference.partition("/")[2].partition(":")
        put(ecr, repository, tag, f"sha256:{hashlib.sha256(tag.encode()).hexdigest()}")
        self.tags.append(tag)
        self.models.append(model)


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Builds]:
    """An empty registry, and the commit c0ffee."""
    with empty_registry(monkeypatch) as builds:
        yield builds


@contextlib.contextmanager
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Builds]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setattr(publish, "output", lambda *_: "c0ffee\n")
    with mock_aws():
        for url in REPOSITORIES.values():
            boto3.client("ecr", "eu-west-1").create_repository(repositoryName=url.partition("/")[2])
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
    publish.published(URL, "arm64", builds, kind="doors")
    assert builds.tags == ["lean-c0ffee-arm64", "lean-c0ffee-x86_64", "doors-c0ffee-arm64"]
    assert digests[0] == digests[1]


def test_the_same_commit_with_another_model_is_another_image(builds: Builds, model: Path) -> None:
    """The model counts, not its name: an alias may have moved."""
    without = publish.published(URL, "arm64", builds)
    first = publish.published(URL, "arm64", builds, model=model)
    again = publish.published(URL, "arm64", builds, model=model)
    (model / "MLmodel").write_text("flavors: {sklearn: {}}\n")
    second = publish.published(URL, "arm64", builds, model=model)
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
        publish.make_image(boto3.client("ecr", "eu-west-1"), f"{URL}:c0ffee", "lean", "arm64", Path("/models/7"))
    assert log.read_text().splitlines() == [
        "podman images",
        f"make image TAG={URL}:c0ffee PLATFORM=linux/arm64 DOORS= TRAINING= MODEL=/models/7",
        "podman login",
        "podman push",
    ]


def test_the_image_that_trains_is_for_sagemakers_machines_and_has_no_model(builds: Builds, model: Path) -> None:
    """None of them has a Graviton processor, whatever functions run on. Without TRAINING=1 jobs keep their image."""
    environment = deployed(doors_image_digest=None)
    deploy(environment, None, builds, training=True, model=str(model))
    digest = environment.records[-1]["training_image_digest"]
    assert builds.tags[1] == "training-c0ffee-x86_64"
    assert (builds.tags[0][-6:], builds.models) == ("-arm64", [model, None])
    later = deployed(doors_image_digest=None, training_image_digest=digest)
    deploy(later, None, builds)
    assert later.records[-1]["training_image_digest"] == digest
    images = boto3.client("ecr", "eu-west-1").describe_images(repositoryName="stream-consumer-dev-training")
    assert f"deployed-training-{digest.removeprefix('sha256:')[:12]}" in images["imageDetails"][0]["imageTags"]


def test_an_environment_of_before_there_was_training_is_bootstrapped_again(builds: Builds) -> None:
    environment = deployed(root="dev", urls={"lean": URL, "doors": f"{URL}-doors"}, doors_image_digest=None)
    with pytest.raises(publish.ReleaseFailed, match="no repository for the image training: make bootstrap ENV=dev"):
        deploy(environment, None, builds, training=True)
    assert builds.tags == []


def test_other_packages_are_another_image(builds: Builds, monkeypatch: pytest.MonkeyPatch) -> None:
    """They reach `make image` by its variables, and the same tag would name an image without them."""
    environment = deployed(doors_image_digest=None)
    for version in ("1.5", "1.6", "1.5"):
        monkeypatch.setenv("SKLEARN", version)
        deploy(environment, None, builds)
    first, second, third = (record["image_digest"] for record in environment.records)
    assert first == third != second


def test_what_is_deployed_is_marked_for_the_registry_to_keep(builds: Builds) -> None:
    """A mark is put once: the tag never moves."""
    environment = deployed(doors_image_digest=None)
    for _ in range(2):
        deploy(environment, None, builds)
    [digest] = {record["image_digest"] for record in environment.records}
    images = boto3.client("ecr", "eu-west-1").describe_images(repositoryName="stream-consumer-dev")["imageDetails"]
    mark = f"deployed-lean-{digest.removeprefix('sha256:')[:12]}"
    assert [sorted(image["imageTags"]) for image in images] == [sorted(["lean-c0ffee-arm64", mark])]


class Terraform:
    """A command that keeps its arguments, whose state has these *outputs*."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, outputs: Mapping[str, Any]) -> None:
        self._log = folder / "log"
        shown = json.dumps({"system": {"value": outputs}} if outputs else {})
        (folder / "terraform").write_text(f"#!/bin/sh\necho $* >> {self._log}\ntest $1 != output || echo '{shown}'\n")
        (folder / "terraform").chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        (folder / "bootstrap.auto.tfvars.json").write_text('{"bootstrap": {"repositories": {}}}')

    def calls(self, command: str) -> list[str]:
        return [line for line in self._log.read_text().splitlines() if line.startswith(f"{command} ")]


RECORD = {"image_digest": "sha256:abcd", "architecture": "arm64", "releases": {"rides": {"version": "7"}}}


def rendered(root: Path) -> Any:
    return json.loads((root / "release.auto.tfvars.json").read_text())


def test_the_state_is_the_record_whatever_the_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another clone deployed meanwhile, and this one plans with what is deployed."""
    (tmp_path / "release.auto.tfvars.json").write_text('{"image_digest": "sha256:old"}')
    terraform = Terraform(tmp_path, monkeypatch, {**RECORD, "doors_image_digest": None, "region": "eu-west-1"})
    environment = Environment(tmp_path, approve=True)
    environment.init()
    environment.plan()
    assert rendered(tmp_path) == RECORD
    assert terraform.calls("plan") == ["plan -input=false"]


def test_a_state_from_before_the_record_leaves_the_file_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not say which consumers are held at an older version."""
    (tmp_path / "release.auto.tfvars.json").write_text(json.dumps(RECORD))
    Terraform(tmp_path, monkeypatch, {"image_digest": "sha256:abcd", "architecture": "arm64"})
    Environment(tmp_path, approve=True).init()
    assert rendered(tmp_path) == RECORD


def test_nothing_is_planned_before_something_is_deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terraform = Terraform(tmp_path, monkeypatch, {})
    with pytest.raises(publish.ReleaseFailed, match=f"make deploy ENV={tmp_path.name} comes first"):
        Environment(tmp_path, approve=True).plan()
    assert terraform.calls("plan") == []


@pytest.mark.parametrize(("answer", "applied"), [("yes", 1), ("y", 0)])
def test_a_plan_that_is_not_approved_leaves_the_record(
    answer: str, applied: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terraform = Terraform(tmp_path, monkeypatch, RECORD)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    new = {**RECORD, "releases": {}}
    with contextlib.nullcontext() if applied else pytest.raises(publish.ReleaseFailed, match="is unchanged"):
        Environment(tmp_path, approve=False).apply(new)
    assert terraform.calls("plan") == ["plan -input=false -out=release.tfplan"]
    assert len(terraform.calls("apply")) == applied
    assert rendered(tmp_path) == (new if applied else RECORD)


def test_nothing_begins_before_the_bootstrap(tmp_path: Path) -> None:
    """Terraform would ask for a bucket and a region in twenty lines."""
    with pytest.raises(publish.ReleaseFailed, match=f"make bootstrap ENV={tmp_path.name}"):
        Environment(tmp_path, approve=True).init()


def test_nothing_is_applied_where_nobody_can_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terraform = Terraform(tmp_path, monkeypatch, {})
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(publish.ReleaseFailed, match="APPROVE=1"):
        Environment(tmp_path, approve=False).apply(RECORD)
    assert terraform.calls("apply") == []


def test_nothing_to_destroy_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terraform = Terraform(tmp_path, monkeypatch, {})
    (tmp_path / "terraform").write_text(
        (tmp_path / "terraform").read_text() + """test $1 != show || echo '{"format_version": "1.0"}'\n"""
    )
    with pytest.raises(publish.ReleaseFailed, match="nothing is deployed"):
        destroy(Environment(tmp_path, approve=True), lambda: True)
    assert terraform.calls("destroy") == []


def test_an_interrupted_command_ends_in_its_own_time(tmp_path: Path) -> None:
    """The terminal's Ctrl-C reaches both; killed, Terraform would forget what it made and keep its lock."""
    command = "trap '' INT; sleep 0.3; kill -INT $PPID; sleep 0.6; echo done > ended"
    with pytest.raises(KeyboardInterrupt):
        publish.run(["sh", "-c", command], tmp_path)
    assert (tmp_path / "ended").read_text() == "done\n"


def test_an_init_that_failed_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Terraform makes its folder before it reaches the backend, so the folder says nothing."""
    (tmp_path / ".terraform").mkdir()
    (tmp_path / "backend.hcl").touch()
    terraform = Terraform(tmp_path, monkeypatch, {})
    for _ in range(2):
        Environment(tmp_path, approve=True).init()
    assert terraform.calls("init") == ["init -input=false -backend-config=backend.hcl"] * 2


PROD = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/stream-consumer-prod"
IN_PROD = {"lean": PROD, "doors": f"{PROD}-doors", "training": f"{PROD}-training"}


class Skopeo:
    """A command that pushes what it is asked to copy, so that the registry there has it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.copies: list[list[str]] = []
        self.auths: list[Any] = []
        monkeypatch.setattr(publish, "run", self)

    def __call__(self, command: Sequence[str], directory: Path) -> None:
        del directory
        *options, secrets, source, target = command
        assert options == ["skopeo", "copy", "--preserve-digests", "--authfile"]
        self.copies.append([source, target])
        self.auths.append(json.loads(Path(secrets).read_text())["auths"])
        repository, _, tag = target.rpartition("/")[2].partition(":")
        put(boto3.client("ecr", "eu-central-1"), repository, tag, source.partition("@")[2])


def test_an_environment_gets_the_images_of_another_by_their_digests(
    builds: Builds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is built, what is there is not copied again, and the registry there keeps what is deployed."""
    skopeo = Skopeo(monkeypatch)
    ecr = boto3.client("ecr", "eu-central-1")
    for url in IN_PROD.values():
        ecr.create_repository(repositoryName=url.partition("/")[2])
    lean, doors, training = (f"sha256:{digit * 64}" for digit in "123")
    dev = deployed(image_digest=lean, doors_image_digest=doors, training_image_digest=training)
    prod = deployed(urls=IN_PROD, image_digest="sha256:old")
    for _ in range(2):
        promote(dev, prod)
    digests = {"image_digest": lean, "doors_image_digest": doors, "training_image_digest": training}
    record = {**digests, "architecture": "arm64", "releases": {}}
    assert prod.records == [record, record]
    assert (dev.records, builds.tags) == ([], [])
    assert skopeo.copies == [
        [f"docker://{URL}@{lean}", f"docker://{PROD}:lean-{'1' * 12}"],
        [f"docker://{URL}-doors@{doors}", f"docker://{PROD}-doors:doors-{'2' * 12}"],
        [f"docker://{URL}-training@{training}", f"docker://{PROD}-training:training-{'3' * 12}"],
    ]
    assert {tuple(auths) for auths in skopeo.auths} == {(URL.partition("/")[0], PROD.partition("/")[0])}
    for kind, digit in {"lean": "1", "doors": "2", "training": "3"}.items():
        [image] = ecr.describe_images(repositoryName=IN_PROD[kind].partition("/")[2])["imageDetails"]
        assert f"deployed-{kind}-{digit * 12}" in image["imageTags"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({}, "nothing is deployed in dev"),
        ({"image_digest": "sha256:1", "releases": {"rides": {"version": "7"}}}, "rides of dev does not run the newest"),
    ],
)
def test_what_is_promoted_runs_in_the_other_environment(source: dict[str, Any], said: str) -> None:
    """An environment that was rolled back runs another image than its record names."""
    dev, prod = deployed(root="dev", **source), deployed(urls=IN_PROD)
    with pytest.raises(publish.ReleaseFailed, match=said):
        promote(dev, prod)
    assert prod.records == []


def test_an_image_whose_canary_failed_is_marked_too(builds: Builds) -> None:
    """It stays the function's newest version, and the next apply asks for it."""
    environment = deployed()
    with pytest.raises(publish.ReleaseFailed, match="an alarm"):
        deploy(environment, None, builds, canary=Failing(10, 10))
    images = boto3.client("ecr", "eu-west-1").describe_images(repositoryName="stream-consumer-dev")["imageDetails"]
    assert [len(image["imageTags"]) for image in images] == [2]


class Failing(Canary):
    """A canary that is rolled back."""

    def roll_out(self, environment: Environment, release: Mapping[str, Any]) -> str:
        del environment, release
        return "an alarm went off"


def test_a_step_of_a_workflow_gets_the_image_as_its_outputs(
    builds: Builds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second run of the same commit finds the image, so it says the same."""
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "outputs"))
    monkeypatch.setattr(commands, "make_image", builds)
    monkeypatch.setattr(commands, "_environment", lambda _: deployed())
    assert [commands.main(["publish", "dev"]) for _ in range(2)] == [0, 0]
    digest = f"sha256:{hashlib.sha256(b'lean-c0ffee-arm64').hexdigest()}"
    assert (tmp_path / "outputs").read_text() == f"lean-url={URL}\nlean-digest={digest}\n" * 2
    assert builds.tags == ["lean-c0ffee-arm64"]


def test_both_images_hold_the_model_that_was_fetched_once(builds: Builds, model: Path) -> None:
    """The record says which it is, and keeps the digest of interfaces that keep their image."""
    environment = deployed(doors_image_digest="sha256:abcd", model_digests={"lean": "1", "doors": "2"})
    digest = directory_digest(model)
    deploy(environment, None, builds, model=str(model))
    deploy(environment, None, builds, model=str(model), doors=True)
    deploy(environment, None, builds)
    assert [record["model_digests"] for record in environment.records] == [
        {"lean": digest, "doors": "2"},
        {"lean": digest, "doors": digest},
        {"doors": "2"},
    ]


def test_doors_that_run_keep_their_image_when_the_consumers_get_another(builds: Builds) -> None:
    """Without it in the record the next plan would have interfaces and no image."""
    environment = deployed(doors_image_digest="sha256:abcd")
    deploy(environment, None, builds)
    assert [record["doors_image_digest"] for record in environment.records] == ["sha256:abcd"]
    assert builds.tags == ["lean-c0ffee-arm64"]


def test_consumers_stay_lean_when_the_doors_get_an_image(builds: Builds) -> None:
    """Each image is in the repository of its kind, and marked there."""
    environment = deployed(doors_image_digest="sha256:abcd")
    deploy(environment, None, builds, doors=True)
    [record] = environment.records
    assert builds.tags == ["lean-c0ffee-arm64", "doors-c0ffee-arm64"]
    for kind, digest in {"lean": record["image_digest"], "doors": record["doors_image_digest"]}.items():
        repository = REPOSITORIES[kind].partition("/")[2]
        [image] = boto3.client("ecr", "eu-west-1").describe_images(repositoryName=repository)["imageDetails"]
        mark = f"deployed-{kind}-{digest.removeprefix('sha256:')[:12]}"
        assert (image["imageDigest"], sorted(image["imageTags"])) == (digest, sorted([f"{kind}-c0ffee-arm64", mark]))


def test_what_has_not_been_bootstrapped_is_not_deployed(tmp_path: Path, builds: Builds) -> None:
    with pytest.raises(publish.ReleaseFailed, match="make bootstrap ENV=dev"):
        deploy(Environment(tmp_path / "dev", approve=True), None, builds)
    assert builds.tags == []


def test_without_doors_the_record_has_none(builds: Builds) -> None:
    environment = deployed(doors_image_digest=None)
    deploy(environment, "x86_64", builds)
    assert [sorted(record) for record in environment.records] == [["architecture", "image_digest", "releases"]]


@pytest.mark.parametrize(("machine", "architecture"), [("x86_64", "x86_64"), ("aarch64", "arm64")])
def test_the_first_deployment_takes_this_machines_architecture(
    builds: Builds, monkeypatch: pytest.MonkeyPatch, machine: str, architecture: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    environment = deployed(architecture=None, doors_image_digest=None)
    deploy(environment, None, builds)
    assert [record["architecture"] for record in environment.records] == [architecture]
    assert builds.tags == [f"lean-c0ffee-{architecture}"]


@pytest.mark.parametrize(("asked", "built"), [(None, "arm64"), ("x86_64", "x86_64")])
def test_later_deployments_keep_what_runs_unless_asked(
    builds: Builds, monkeypatch: pytest.MonkeyPatch, asked: str | None, built: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    environment = deployed(architecture="arm64", doors_image_digest=None)
    deploy(environment, asked, builds)
    assert [record["architecture"] for record in environment.records] == [built]


def test_doors_are_not_left_behind_on_another_architecture(builds: Builds) -> None:
    """Terraform has one for all functions and tasks: theirs would not start."""
    environment = deployed(doors_image_digest="sha256:abcd")
    with pytest.raises(publish.ReleaseFailed, match="batch and web run on arm64: add DOORS=1 for x86_64"):
        deploy(environment, "x86_64", builds)
    assert (environment.records, builds.tags) == ([], [])


@pytest.mark.parametrize(
    ("options", "canary"),
    [([], None), (["--canary", "0"], None), (["--canary", "25", "--minutes", "30"], Canary(25, 30))],
)
def test_a_share_of_nothing_is_no_canary(
    options: list[str], canary: Canary | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workflow asks for a share, and 0 is its word for all at once."""
    seen: list[Canary | None] = []
    monkeypatch.setattr(commands, "deploy", lambda *_, canary, **__: seen.append(canary))
    monkeypatch.setattr(commands, "passes", lambda *_: True)
    monkeypatch.setattr(commands, "_verify", lambda *_: None)
    assert commands.main(["deploy", "dev", *options]) == 0
    assert seen == [canary]


def test_a_canary_takes_what_the_command_line_says(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Canary | None] = []
    monkeypatch.setattr(commands, "promote", lambda *asked: seen.append(asked[-1]))
    monkeypatch.setattr(commands, "_verify", lambda *_: None)
    options = ["--canary", "10", "--batches", "5", "--longest", "40", "--bounds", "mean=2 unseen=1%"]
    options += ["--challenger", "s3://models/7", "--challenger-digest", "ab", "--challenger-of", "rides"]
    assert commands.main(["promote", "prod", "--source", "dev", *options]) == 0
    bounds = {"mean": Bound(2.0, relative=False), "unseen": Bound(0.01, relative=False)}
    assert seen == [Canary(10, 10, 5, 40, bounds, Challenger("s3://models/7", "ab", "rides"))]


def test_a_challenger_without_a_canary_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would be compared for ever, or not at all."""
    monkeypatch.setattr(commands, "promote", lambda *_: pytest.fail("promoted"))
    assert commands.main(["promote", "prod", "--source", "dev", "--challenger", "s3://models/7"]) == 1
    assert "add CANARY=10" in capsys.readouterr().err


def test_nothing_is_deployed_that_the_preflight_stops(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[object] = []
    monkeypatch.setattr(commands, "deploy", lambda *_, **__: seen.append("deployed"))
    monkeypatch.setattr(commands, "passes", lambda *_: False)
    assert (commands.main(["deploy", "dev"]), seen) == (1, [])
    assert "first follow the lines above that begin with STOP" in capsys.readouterr().err


def test_a_web_interface_that_was_rolled_back_stays_when_only_the_consumers_get_an_image(builds: Builds) -> None:
    """Its newest version is the one that was rolled back; an image of its own moves it on."""
    held = {"web": {"version": "2"}, "rides": {"version": "3"}}
    consumers: dict[str, Any] = {"rides": {}}
    environment = deployed(doors_image_digest="sha256:abcd", consumers=consumers, releases=held)
    deploy(environment, None, builds)
    deploy(environment, None, builds, doors=True)
    assert [record["releases"] for record in environment.records] == [{"web": {"version": "2"}}, {}]
