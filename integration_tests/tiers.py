"""
The tiers: the same suite on an embedded emulator, on kinesis-local, on LocalStack, and on docker compose.

What each is for, and what none of them can show, is in docs/image.md.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.container.engine import Engine
from integration_tests import compose
from integration_tests.containers import TMP, Container, in_containers, mounted
from integration_tests.emulators import kinesis_local, kinesis_local_missing, localstack, localstack_missing
from integration_tests.proxy import FaultProxy
from integration_tests.world import Capability, Consumer, Endpoints, Proxies, World, create_stream
from stream_consumer.aws.clients import connect
from stream_consumer.local.demo.embedded_aws import EmbeddedAws
from stream_consumer.local.runtime.functions import FunctionConfig
from stream_consumer.local.runtime.worker_pool import RuntimeFunction
from stream_consumer.model import Model

HANDLER = "stream_consumer.lambda_function.lambda_handler"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

TIMEOUT_SECONDS = 10.0
"""Of the functions: room for two tries of a request that hangs for botocore's 4 s."""

MISSING: dict[str, Callable[[], str | None]] = {
    "ministack": lambda: None,
    "kinesis-local": kinesis_local_missing,
    "localstack": localstack_missing,
    "compose": compose.missing,
}
"""The tiers, and what says what a machine lacks to run them."""


@dataclass(frozen=True, slots=True)
class Material:
    """What every tier's consumers are made of."""

    engine: Engine
    image: str
    """With the champion baked in."""
    models: Path
    """A folder with the challenger in ``challenger``, for containers to mount."""
    champion: Model
    challenger: Model


def opened(name: str, material: Material) -> AbstractContextManager[World]:
    """Open a tier's surroundings."""
    can = {
        "ministack": frozenset({Capability.FAULTS, Capability.VOLUME}),
        "kinesis-local": frozenset({Capability.FAULTS, Capability.RESHARDING}),
        "localstack": frozenset(Capability),
    }
    if name == "compose":
        return compose.opened(material.image, material.models, material.champion, material.challenger)
    endpoints = {"ministack": _ministack, "kinesis-local": _kinesis_local, "localstack": _localstack}
    return _without_docker(material, name, can[name], endpoints[name])


@contextmanager
def _ministack() -> Iterator[Endpoints]:
    with EmbeddedAws() as aws:
        yield Endpoints(aws.endpoint_url, aws.endpoint_url)


@contextmanager
def _kinesis_local() -> Iterator[Endpoints]:
    """It has no S3; ministack lends one."""
    with kinesis_local() as url, EmbeddedAws() as lender:
        yield Endpoints(url, lender.endpoint_url)


@contextmanager
def _localstack() -> Iterator[Endpoints]:
    with localstack() as url:
        yield Endpoints(url, url)


@contextmanager
def _without_docker(
    material: Material,
    name: str,
    capabilities: frozenset[Capability],
    endpoints: Callable[[], AbstractContextManager[Endpoints]],
) -> Iterator[World]:
    """Containers started one by one, on the host's network, behind proxies."""
    with ExitStack() as stack:
        urls = stack.enter_context(endpoints())
        kinesis = connect(environ={}, endpoint_url=urls.kinesis).kinesis
        s3 = connect(environ={}, endpoint_url=urls.s3).s3
        proxies = Proxies(*(stack.enter_context(FaultProxy(url)) for url in urls))
        environment = KEYS | {"AWS_ENDPOINT_URL_KINESIS": proxies.kinesis.url, "AWS_ENDPOINT_URL_S3": proxies.s3.url}
        containers: list[Container] = []

        def consumer(role: str, model: Model, settings: Mapping[str, str]) -> Consumer:
            output, bucket = create_stream(kinesis, f"{role}-predictions", shards=2), f"{role}-dead-letters"
            s3.create_bucket(Bucket=bucket)
            function = RuntimeFunction(
                FunctionConfig(HANDLER, name=role, timeout_seconds=TIMEOUT_SECONDS, memory_mb=1769),
                environment={
                    **environment,
                    "PREDICTIONS_STREAM_NAME": output,
                    "DEAD_LETTER_BUCKET": bucket,
                    **settings,
                },
                start=in_containers(
                    material.engine,
                    material.image,
                    (*TMP, *mounted(material.models, "/models")),
                    started=containers.append if role == "champion" else lambda _: None,
                ),
            )
            stack.enter_context(function)
            return Consumer(function, model, output, bucket)

        yield World(
            name,
            capabilities,
            urls,
            kinesis,
            s3,
            consumer("champion", material.champion, {}),
            consumer(
                "challenger",
                material.challenger,
                {"MODEL_LOCATION": "/models/challenger", "MODEL_DIGEST": material.challenger.digest},
            ),
            proxies,
            kill=lambda: containers[-1].kill(),  # noqa: PLW0108 (the latest when it is called, not now)
        )
