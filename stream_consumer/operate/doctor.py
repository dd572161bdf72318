"""
Checks of the machine and the AWS account for the needs of each job.

A job is a command of the command line or a target of the Makefile. The rule: a check reports its finding and never
raises. tests/operate/test_doctor.py compares the table with the Makefile.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from stream_consumer.errors import StreamConsumerError, UsageError, in_one_line
from stream_consumer.operate import machine
from stream_consumer.operate.machine import Seen, Tools

if TYPE_CHECKING:
    from stream_consumer.aws.clients import Clients
    from stream_consumer.model import Model

_ON_AWS = (
    *("bootstrap", "preflight", "deploy", "plan", "promote", "publish", "rollback", "smoke", "destroy"),
    *("release", "release-due", "release-token", "releases"),
)
_ON_STREAMS = ("put", "consume", "tail", "replay", "worker", "dead-letters", "status", "logs")
_OF_A_MODEL = ("consume", "replay", "batch", "worker", "serve")
_CONNECT_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Check:
    """A need of jobs, and how to check it."""

    subject: str
    jobs: tuple[str, ...]
    """The jobs with this need. Empty means every job."""
    look: Callable[[], Seen]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of a check."""

    subject: str
    ok: bool
    seen: str
    remedy: str
    needed_by: tuple[str, ...]


def checks(
    tools: Tools,
    connect: "Callable[[], Clients]",
    load: "Callable[[], Model]",
    *,
    endpoint: str | None = None,
    folder: Path,
) -> list[Check]:
    """
    Return all checks.

    *connect* makes the AWS clients, *endpoint* is their endpoint URL if it is not AWS, *load* loads the model of the
    environment, and *folder* is the folder of the checkout.
    """
    engines = ("docker", "podman", "buildah")
    chromium = tools.environ.get("CHROMIUM") or "chromium"
    return [
        Check("python", (), machine.python),
        Check("pip", ("demo", "test"), machine.pip),
        Check("disk", ("demo", "test"), partial(machine.disk, folder)),
        Check("local", ("demo", "local"), partial(machine.extra, "local")),
        Check("train", ("demo", "train"), partial(machine.extra, "train")),
        Check("doors", ("serve",), partial(machine.extra, "doors")),
        Check(
            "container",
            ("image", "image-test", "integration-local", "deploy", "publish", "release"),
            partial(tools.container, *engines),
        ),
        Check("docker", ("integration",), partial(tools.container, "docker")),
        Check("terraform", (*_needing_terraform(), "infra-test", "infra-apply-local"), tools.terraform),
        Check("skopeo", ("promote", "release"), partial(tools.there, "skopeo")),
        Check("node", ("integration-local", "web-test", "workflows"), tools.node),
        Check("chromium", ("web-test",), partial(tools.there, chromium, "Chromium, or name it by CHROMIUM")),
        Check("wrk", ("bench",), partial(tools.there, "wrk")),
        Check("java", ("spark-test",), partial(tools.there, "java", "a Java runtime, 17 or newer")),
        Check("region", (*_ON_AWS, *_ON_STREAMS), partial(_region, connect)),
        Check("identity", (*_ON_AWS, *_ON_STREAMS), partial(_identity, connect)),
        Check("endpoint", _ON_STREAMS, partial(_endpoint, endpoint)),
        Check("model", _OF_A_MODEL, partial(_model, load, tools.environ.get("MODEL_LOCATION"))),
    ]


def _needing_terraform() -> tuple[str, ...]:
    return tuple(job for job in _ON_AWS if job not in {"preflight", "releases"})


def jobs_of(checks: list[Check]) -> list[str]:
    """Return every job that needs more than Python, in alphabetical order."""
    return sorted({job for check in checks for job in check.jobs})


def examine(checks: list[Check], jobs: list[str]) -> Iterator[Finding]:
    """
    Yield the results of the checks that *jobs* need, or of all checks if *jobs* is empty.

    Raises:
        UsageError: A job is unknown.
    """
    unknown = [job for job in jobs if job not in jobs_of(checks)]
    if unknown:
        raise UsageError(f"there is no job {unknown[0]!r}; wanted one of {', '.join(jobs_of(checks))}")
    for check in checks:
        if not jobs or not check.jobs or set(jobs) & set(check.jobs):
            seen = check.look()
            yield Finding(
                subject=check.subject, ok=not seen.remedy, seen=seen.text, remedy=seen.remedy, needed_by=check.jobs
            )


def _region(connect: "Callable[[], Clients]") -> Seen:
    try:
        return Seen(str(connect().session.region_name))
    except StreamConsumerError as fault:
        return _seen(fault)


def _identity(connect: "Callable[[], Clients]") -> Seen:
    try:
        said = connect().sts.get_caller_identity()
    except (BotoCoreError, ClientError) as fault:
        return Seen(in_one_line(fault), "aws sso login or aws configure, or name a profile by AWS_PROFILE")
    except StreamConsumerError:
        return Seen("not asked for without a client", "see region")
    return Seen(f"account {said['Account']}, {said['Arn']}")


def _endpoint(url: str | None) -> Seen:
    if not url:
        return Seen("that of AWS")
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with closing(socket.create_connection((parts.hostname or "", port), _CONNECT_SECONDS)):
            return Seen(f"{url} answers")
    except (OSError, ValueError) as fault:  # ValueError: not a URL
        remedy = "start it (stream-consumer local up), or change AWS_ENDPOINT_URL"
        return Seen(f"{url} does not answer, {in_one_line(fault)}", remedy)


def _model(load: "Callable[[], Model]", location: str | None) -> Seen:
    if not location:
        return Seen(
            "MODEL_LOCATION is not set", "set it, or pass --model; make demo leaves models:/ride-duration@champion"
        )
    try:
        model = load()
    except (StreamConsumerError, BotoCoreError, ClientError, ImportError, OSError) as fault:
        return Seen(in_one_line(fault), "name another model, or correct the fault: docs/your-model.md")
    return Seen(f"{model.name}, version {model.version}, from {location}")


def _seen(fault: StreamConsumerError) -> Seen:
    """Split the message of an error of ours into the finding and the remedy at its end."""
    seen, _, remedy = str(fault).partition(": ")
    return Seen(seen, remedy or "see the message")
