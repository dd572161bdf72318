"""All checks of a deployment, in the order in which their faults would appear."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from infra.preflight import account, machine
from infra.preflight.finding import Finding, stop
from infra.preflight.models import models
from infra.preflight.variables import Asked, VariablesUnreadable, asked
from stream_consumer.aws.clients import CONFIG, client, default_session
from stream_consumer.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Deployment:
    """The wanted deployment."""

    root: Path
    architecture: str | None
    """Architecture. None means the deployed architecture, or this machine's."""
    model: str
    """Location of the model to bake in. Empty means no model."""


def findings(deployment: Deployment, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the finding of each check. A check that an earlier fault makes pointless is left out."""
    yield (terraform := machine.terraform(deployment.root))
    yield machine.container(deployment.root, deployment.architecture, environ)
    if terraform.blocks:
        return
    try:
        wanted = asked(deployment.root)
        session = default_session()
    except VariablesUnreadable as fault:
        yield stop("variables", str(fault), f"correct the values in {deployment.root.name}'s tfvars")
    except SettingsError as fault:
        yield stop("identity", str(fault), "look at ~/.aws/config and AWS_PROFILE")
    else:
        yield from _of_account(deployment, wanted, session)


def _of_account(deployment: Deployment, wanted: Asked, session: boto3.Session) -> Iterator[Finding]:
    region = wanted.region or session.region_name

    def s3(own: str | None = None) -> Any:
        return _client(session, "s3", own or region)

    yield account.region(wanted.region, session.region_name)
    yield (who := account.identity(_client(session, "sts", region), wanted))
    reachable = bool(region) and not who.blocks
    if reachable:
        yield account.concurrency(_client(session, "lambda", region), wanted)
    yield account.state(deployment.root, s3 if reachable else None)
    yield from models(wanted.models, deployment.model, s3 if reachable else None)


def _client(session: boto3.Session, service: str, region: str | None) -> Any:
    anywhere = "us-east-1"  # the identity does not depend on the region
    return client(session, service, region_name=region or anywhere, config=CONFIG)


def passes(deployment: Deployment, environ: Mapping[str, str]) -> bool:
    """Print every finding in a line. Return whether the deployment can go on."""
    found = list(findings(deployment, environ))
    print(*found, sep="\n", flush=True)
    return not any(finding.blocks for finding in found)
