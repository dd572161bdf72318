"""
The functions of a deployed environment, found by their names.

The rule: the answers come from AWS, never from Terraform's state, so an installed wheel without a checkout finds the
same functions. infra/modules/system names each function ``stream-consumer-<environment>-<consumer>`` and its alias
``live``. The operator has to name a function that is called differently.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stream_consumer.errors import UsageError

if TYPE_CHECKING:
    from stream_consumer.aws.clients import Clients

ALIAS = "live"
_NEWEST = "$LATEST"


@dataclass(frozen=True, slots=True)
class EventSource:
    """An event source mapping of a function."""

    state: str
    stream: str
    result: str
    """Lambda's result of the last invocations. May be empty."""


@dataclass(frozen=True, slots=True)
class Function:
    """A deployed function."""

    name: str
    version: str
    """The version behind the alias."""
    canary: Mapping[str, float]
    """Shares of the invocations for other versions, by version."""
    published: str
    log_group: str
    variables: Mapping[str, str]
    has_alias: bool = True
    sources: Sequence[EventSource] = field(default_factory=tuple)

    @property
    def service(self) -> str:
        """The dimension of the function's own metrics."""
        return self.variables.get("POWERTOOLS_SERVICE_NAME", "stream-consumer")

    @property
    def dead_letters(self) -> str | None:
        """Location of the function's dead letters, or None."""
        bucket = self.variables.get("DEAD_LETTER_BUCKET")
        return f"s3://{bucket}/{self.variables.get('DEAD_LETTER_PREFIX', 'dead-letters')}/" if bucket else None


def prefix_of(environment: str) -> str:
    """Return the prefix of the names of an environment's functions and alarms."""
    return f"stream-consumer-{environment}-"


def names(clients: "Clients", environment: str) -> list[str]:
    """
    Return the names of the functions of *environment*.

    Raises:
        UsageError: The environment has no functions.
    """
    prefix = prefix_of(environment)
    pages = clients.functions.get_paginator("list_functions").paginate()
    found = sorted(
        one["FunctionName"] for page in pages for one in page["Functions"] if one["FunctionName"].startswith(prefix)
    )
    if not found:
        raise UsageError(
            f"no function in {clients.session.region_name} has a name that begins with {prefix}; name another "
            "--env, --region or --profile, or the function itself with --function"
        )
    return found


def function(clients: "Clients", name: str) -> Function:
    """
    Return the function *name*: the version behind its alias or, without an alias, the newest.

    Raises:
        UsageError: The function does not exist.
    """
    client = clients.functions
    try:
        alias = _alias(client, name)
        qualified = {"FunctionName": name} | ({"Qualifier": ALIAS} if alias else {})
        configuration = client.get_function_configuration(**qualified)
    except client.exceptions.ResourceNotFoundException:
        raise UsageError(f"there is no function {name} in {clients.session.region_name}") from None
    return Function(
        name=configuration["FunctionName"],
        version=alias["FunctionVersion"] if alias else _NEWEST,
        canary=((alias or {}).get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {},
        published=str(configuration["LastModified"])[:19],
        log_group=configuration.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{name}",
        variables=configuration.get("Environment", {}).get("Variables", {}),
        has_alias=alias is not None,
        sources=_sources(client, f"{name}:{ALIAS}" if alias else name),
    )


def _alias(client: Any, name: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = client.get_alias(FunctionName=name, Name=ALIAS)
    except client.exceptions.ResourceNotFoundException:
        return None
    return found


def _sources(client: Any, invoked: str) -> tuple[EventSource, ...]:
    pages = client.get_paginator("list_event_source_mappings").paginate(FunctionName=invoked)
    return tuple(
        EventSource(
            state=one.get("State", "?"),
            stream=one["EventSourceArn"].rpartition("/")[2],
            result=one.get("LastProcessingResult", ""),
        )
        for page in pages
        for one in page["EventSourceMappings"]
    )
