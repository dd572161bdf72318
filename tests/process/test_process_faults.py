"""What happens to processes on Lambda happens to real workers here; the promise holds all the same."""

import os
import random
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from integration_tests.faults import Fault
from integration_tests.proxy import FaultProxy
from stream_consumer.local.demo.embedded_aws import EmbeddedAws
from stream_consumer.local.mapping.checkpoints import FileCheckpoints, MemoryCheckpoints
from stream_consumer.local.mapping.events import Checkpointed, Event, Invoked
from stream_consumer.local.runtime.functions import FunctionConfig
from stream_consumer.local.runtime.worker_pool import RuntimeFunction
from tests.process.handlers import plan
from tests.process.relay import Relay
from tests.process.scene import BATCH, PARTS, Scene

pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def aws() -> Iterator[EmbeddedAws]:
    with EmbeddedAws() as made:
        yield made


@pytest.fixture
def scene(aws: EmbeddedAws, request: pytest.FixtureRequest, boosted_rides_model: Path) -> Scene:
    name = re.sub("[^a-z0-9]+", "-", request.node.name.removeprefix("test_"))[:40].strip("-")
    return Scene(aws.clients(), name, boosted_rides_model)


@dataclass
class Errors:
    """An observer that keeps the errors of invocations."""

    types: list[str] = field(default_factory=list)
    seen: threading.Event = field(default_factory=threading.Event)

    def __call__(self, event: Event) -> None:
        if isinstance(event, Invoked) and event.invocation.error:
            self.types.append(event.invocation.error.error_type)
            self.seen.set()


@contextmanager
def function(
    aws: EmbeddedAws, scene: Scene, steps: Path, *, endpoint: str = "", **options: Any
) -> Iterator[RuntimeFunction]:
    """Run the handler in workers of Lambda's runtime client, which take the steps of the plan in *steps*."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environ |= aws.environment | scene.environment | {"PLAN": str(steps)} | options.pop("environ", {})
    if endpoint:
        environ["AWS_ENDPOINT_URL"] = endpoint
    config = FunctionConfig(
        "tests.process.handlers.handler",
        name="score",
        task_root=ROOT,
        timeout_seconds=options.pop("timeout", 20.0),
        memory_mb=options.pop("memory_mb", 1024),
    )
    with RuntimeFunction(config, environment=environ, **options) as made:
        yield made


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_any_point_of_the_batch(aws: EmbeddedAws, scene: Scene, tmp_path: Path, seed: int) -> None:
    """SIGKILL at random moments: what was published since the checkpoint comes twice, and nothing is lost."""
    dice = random.Random(seed)  # noqa: S311 - repeatable, not secret
    kills = [{"kill": dice.uniform(0.0, 0.06)} for _ in range(4)]
    plan(tmp_path, (step for kill in kills for step in (kill, {})))
    scene.put(2_000)
    errors = Errors()
    with function(aws, scene, tmp_path) as made:
        mapping = scene.mapping(made, errors)
        mapping.drain()
        mapping.run()
    assert set(errors.types) <= {"Runtime.ExitError"}
    scene.check(duplicates=len(errors.types) * BATCH * PARTS)


def test_killed_while_requests_are_in_flight(aws: EmbeddedAws, scene: Scene, tmp_path: Path) -> None:
    """The output takes a second to answer, and the process is gone before it does: the whole request comes twice."""
    plan(tmp_path, [{"kill": 0.5}])
    scene.put(100)
    errors = Errors()
    with FaultProxy(aws.endpoint_url) as proxy, function(aws, scene, tmp_path, endpoint=proxy.url) as made:
        proxy.script("PutRecords", Fault.SLOW)
        mapping = scene.mapping(made, errors)
        mapping.drain()
        mapping.run()
    assert errors.types == ["Runtime.ExitError"]
    figures = scene.check(duplicates=None)
    assert figures.duplicates == figures.predictions


@pytest.mark.parametrize("margin", ["1000", "0"], ids=["with a margin", "without"])
def test_out_of_time_in_mid_publish(aws: EmbeddedAws, scene: Scene, tmp_path: Path, margin: str) -> None:
    """
    The output hangs until the time is up.

    With a margin the handler still answers which records are unsettled; without one Lambda's timeout kills it.
    """
    scene.put(300)
    errors = Errors()
    with (
        FaultProxy(aws.endpoint_url) as proxy,
        function(aws, scene, tmp_path, endpoint=proxy.url, timeout=3.0, environ={"DEADLINE_MARGIN_MS": margin}) as made,
    ):
        proxy.script("PutRecords", Fault.HANGING, Fault.HANGING)
        mapping = scene.mapping(made, errors)
        mapping.drain()
        mapping.run()
    assert set(errors.types) == {"BatchFailed" if margin == "1000" else "Sandbox.Timedout"}
    scene.check(duplicates=len(errors.types) * BATCH * PARTS)


def test_out_of_memory(aws: EmbeddedAws, scene: Scene, tmp_path: Path) -> None:
    plan(tmp_path, [{}, {"eat": 400}])
    scene.put(600)
    errors = Errors()
    with function(aws, scene, tmp_path, memory_mb=400) as made:
        mapping = scene.mapping(made, errors)
        mapping.drain()
        mapping.run()
    assert errors.types == ["Runtime.OutOfMemory"]
    scene.check(duplicates=BATCH * PARTS)


def test_an_init_that_fails_consumes_nothing_and_is_recovered_from(
    aws: EmbeddedAws, scene: Scene, tmp_path: Path, boosted_rides_model: Path
) -> None:
    """The model is not there yet: no prediction, no dead letter, no checkpoint; when it comes, everything is done."""
    scene.put(300)
    late = tmp_path / "model"
    errors = Errors()
    with function(aws, scene, tmp_path, environ={"MODEL_LOCATION": str(late)}) as made:
        mapping = scene.mapping(made, errors)
        mapping.drain()
        running = threading.Thread(target=mapping.run)
        running.start()
        assert errors.seen.wait(60)
        assert list(scene.read(scene.output)) == []
        assert "Contents" not in scene.aws.s3.list_objects_v2(Bucket=scene.bucket)
        shutil.copytree(boosted_rides_model, tmp_path / "copy")
        (tmp_path / "copy").rename(late)
        running.join()
    assert set(errors.types) == {"ModelError"}
    scene.check()


def test_frozen_and_thawed_with_connections_that_were_cut(aws: EmbeddedAws, scene: Scene, tmp_path: Path) -> None:
    """An environment sleeps between invocations; its connections do not survive that, and nothing comes of it."""
    errors, checkpoints = Errors(), MemoryCheckpoints()
    with Relay(aws.endpoint_url) as relay, function(aws, scene, tmp_path, endpoint=relay.url, freeze=True) as made:
        for seed in range(3):
            scene.put(200, seed=seed)
            mapping = scene.mapping(made, errors, checkpoints=checkpoints)
            mapping.drain()
            mapping.run()
            assert relay.cut() > 0
    assert errors.types == []
    scene.check()


def test_delivered_twice_at_once(aws: EmbeddedAws, scene: Scene, tmp_path: Path) -> None:
    """Two pollers own the shard, as after a failover, with batches of different size: all comes twice, and no more."""
    scene.put(1_000)
    with function(aws, scene, tmp_path, environments=2) as made:
        assert made.warm_up() is None
        mappings = [scene.mapping(made, batch_size=size) for size in (BATCH, 70)]
        threads = [threading.Thread(target=mapping.run) for mapping in mappings]
        for mapping, thread in zip(mappings, threads, strict=True):
            mapping.drain()
            thread.start()
        for thread in threads:
            thread.join()
    figures = scene.check(duplicates=None)
    assert figures.duplicates == figures.predictions


def test_a_mapping_that_is_stopped_and_started_goes_on_at_its_checkpoint(
    aws: EmbeddedAws, scene: Scene, tmp_path: Path
) -> None:
    scene.put(1_000)
    checkpoints = FileCheckpoints(tmp_path / "checkpoints.json")
    with function(aws, scene, tmp_path) as made:
        first = scene.mapping(
            made, lambda event: first.stop() if isinstance(event, Checkpointed) else None, checkpoints=checkpoints
        )
        first.run()
        assert list(scene.read(scene.output)) != []
        second = scene.mapping(made, checkpoints=checkpoints)
        second.drain()
        second.run()
    scene.check()
