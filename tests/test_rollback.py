"""``make rollback``: which release each part of the system goes back to."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from moto import mock_aws

from infra.clients import Aws, clients
from infra.publish import ReleaseFailed
from infra.rollback import rolled_back

REGION = "eu-west-1"


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


@dataclass(slots=True)
class System:
    """An account with functions of several versions and tasks of several images, each named by a letter."""

    live: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The live and the newest version of each consumer and of ``web``."""
    images: str = ""
    """The images that the worker's tasks have had."""
    canaries: dict[str, float] = field(default_factory=dict)
    """The share of the newest version's batches, by consumer."""
    client: Aws = field(default_factory=lambda: clients({"region": REGION}))

    def __post_init__(self) -> None:
        role = self.client("iam").create_role(RoleName="role", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        functions = self.client("lambda")
        for name, (_, newest) in self.live.items():
            code = {"ImageUri": f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/x@{digest('a')}"}
            functions.create_function(FunctionName=name, Role=role, PackageType="Image", Code=code)
            for number in range(newest):
                variables = {"NUMBER": str(number)}
                functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
                functions.publish_version(FunctionName=name)
        for revision, letter in enumerate(self.images, start=1):
            container = {"name": "worker", "image": f"registry@{digest(letter)}", "memory": 512}
            self.client("ecs").register_task_definition(family="worker", containerDefinitions=[container])
            if revision > 1:
                self.client("ecs").deregister_task_definition(taskDefinition=f"worker:{revision - 1}")

    def back(self, only: str | None = None, to: str | None = None) -> dict[str, Any]:
        parts = {
            name: {"function_name": name, "live_version": str(live), "newest_version": str(newest)}
            for name, (live, newest) in self.live.items()
        }
        task = f"arn:aws:ecs:{REGION}:123456789012:task-definition/worker:{len(self.images)}"
        outputs = {
            "web": parts.pop("web", None),
            "batch": {"task_definitions": {"worker": task}} if self.images else None,
            "consumers": parts,
            "releases": {
                name: {"version": parts[name]["live_version"], "canary_weight": share}
                for name, share in self.canaries.items()
            },
        }
        return rolled_back(self.client, outputs, only, to)


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws(config={"lambda": {"use_docker": False}}):
        yield


def test_every_part_goes_back_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    system = System({"rides": (3, 3), "trips": (2, 4), "web": (2, 2)}, images="ab")
    assert system.back() == {
        "releases": {"rides": {"version": "2"}, "trips": {"version": "1"}, "web": {"version": "1"}},
        "doors_image_digest": digest("a"),
    }
    assert capsys.readouterr().out.splitlines() == [
        "rides: 3 → 2",
        "trips: 2 → 1",
        "web: 2 → 1",
        f"batch: {digest('b')} → {digest('a')}",
    ]


def test_of_a_part_with_a_canary_only_the_canary_goes(capsys: pytest.CaptureFixture[str]) -> None:
    """The version before the live one would be one too far, and there may be none."""
    system = System({"rides": (1, 2), "trips": (2, 3)}, canaries={"rides": 0.1, "trips": 0.1})
    assert system.back() == {"releases": {"rides": {"version": "1"}, "trips": {"version": "2"}}}
    assert capsys.readouterr().out.splitlines()[0] == "rides: all of the batches → 1, which has most of them"


def test_what_has_no_earlier_release_stays_and_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    system = System({"rides": (2, 2), "web": (1, 1)}, images="a")
    assert system.back() == {"releases": {"rides": {"version": "1"}}}
    assert capsys.readouterr().out.splitlines() == [
        "rides: 2 → 1",
        "web has no version before 1, and stays",
        f"the tasks worker have had no image before {digest('a')}, and stays",
    ]


def test_nothing_before_anywhere_is_refused() -> None:
    with pytest.raises(ReleaseFailed, match="rides has no version before 1; web has no version before 1"):
        System({"rides": (1, 1), "web": (1, 1)}).back()


def test_the_web_interface_goes_back_alone() -> None:
    """What is behind its newest version already stays there."""
    system = System({"rides": (1, 2), "trips": (2, 2), "web": (3, 3)}, images="ab")
    assert system.back("web") == {"releases": {"rides": {"version": "1"}, "web": {"version": "2"}}}
    assert system.back("web", "1")["releases"]["web"] == {"version": "1"}


def test_the_tasks_image_goes_back_without_the_web_interface() -> None:
    """The image is the web interface's as well: unpinned, its alias would move to a version that nobody has tried."""
    system = System({"rides": (2, 2), "web": (2, 2)}, images="ab")
    assert system.back("batch") == {"releases": {"web": {"version": "2"}}, "doors_image_digest": digest("a")}


@pytest.mark.parametrize(
    ("images", "before"), [("ab", "a"), ("abb", "a"), ("abcb", "a"), ("abcbd", "c")], ids=lambda value: value
)
def test_images_go_back_in_the_order_of_their_first_use(images: str, before: str) -> None:
    """A second rollback goes further back, and not to where the first one began."""
    assert System(images=images).back("batch")["doors_image_digest"] == digest(before)


def test_an_image_is_named_by_its_digest() -> None:
    system = System(images="abc")
    assert system.back("batch", digest("a"))["doors_image_digest"] == digest("a")
    with pytest.raises(ReleaseFailed, match="TO=12: the batch interface goes back to an image, sha256:<64 hex digits>"):
        system.back("batch", "12")


def test_a_version_without_a_part_is_the_consumers() -> None:
    system = System({"rides": (3, 3), "web": (3, 3)}, images="ab")
    assert system.back(to="1") == {"releases": {"rides": {"version": "1"}}}


def test_an_unknown_part_is_refused_with_those_there_are() -> None:
    with pytest.raises(ReleaseFailed, match="there is no consumer 'other' here, only rides, web, batch"):
        System({"rides": (2, 2), "web": (2, 2)}, images="a").back("other")
