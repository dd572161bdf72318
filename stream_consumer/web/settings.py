"""The environment variables of the web service. ``FIELDS`` is the source of the table in docs/web.md."""

from collections.abc import Mapping
from dataclasses import dataclass

from stream_consumer import environment_variables
from stream_consumer.environment_variables import Field, boolean, integer, matching
from stream_consumer.errors import SettingsError
from stream_consumer.settings import VARIABLES as CONSUMER_VARIABLES
from stream_consumer.settings import Settings


def _tokens(text: str) -> tuple[bytes, ...]:
    tokens = [token.strip() for token in text.split(",")]
    # Source: RFC 6750, section 2.1, the characters of a bearer token. Fewer than 16 characters could be guessed.
    for token in tokens:
        matching(r"[A-Za-z0-9._~+/-]{16,}=*", "tokens of 16 or more of A-Z a-z 0-9 . _ ~ + / -, separated by commas")(
            token
        )
    return tuple(token.encode() for token in tokens)


FIELDS = {
    "host": Field("WEB_HOST", matching(r"[\w.:-]+", "an address"), "127.0.0.1", "Address to listen on"),
    "port": Field(
        "WEB_PORT",
        integer(0, 65_535),
        8080,
        "Port to listen on. `0` is any free port. The fallback is `PORT`, as set by Cloud Run and others",
        fallback="PORT",
    ),
    "tokens": Field(
        "WEB_TOKEN",
        _tokens,
        (),
        "Valid bearer tokens of 16 or more of `A-Z a-z 0-9 . _ ~ + / -`, separated by commas, so that an old and a new "
        "token can overlap. Required unless the address is loopback or `WEB_NO_AUTH` is `true`",
        secret=True,
    ),
    "no_auth": Field(
        "WEB_NO_AUTH",
        boolean,
        default=False,
        meaning="With `true`, no `WEB_TOKEN` is required on any address, and every client is admitted without one",
    ),
    "max_items": Field(
        "WEB_MAX_ITEMS",
        integer(1, 100_000),
        10_000,
        "Largest number of events in a request. A model call shared by requests has at most 1,000",
    ),
    "max_body_bytes": Field(
        "WEB_MAX_BODY_BYTES",
        integer(1_000, 100_000_000),
        6_291_456,
        "Largest size of a request's body, in bytes. The default is the limit of SageMaker and Lambda",
    ),
    "queue_items": Field(
        "WEB_QUEUE_ITEMS",
        integer(1, 1_000_000),
        50_000,
        "Largest number of events that wait for a worker's model. Further requests get 503",
    ),
    "timeout_ms": Field(
        "WEB_TIMEOUT_MS",
        integer(1, 900_000),
        5_000,
        "Time for a request to arrive whole, to be decided, and for its answer to be read, in milliseconds",
    ),
    "max_connections": Field(
        "WEB_MAX_CONNECTIONS",
        integer(1, 100_000),
        1_000,
        "Largest number of open connections of a worker. With more, all requests get 503",
    ),
    "workers": Field(
        "WEB_WORKERS",
        integer(1, 512),
        1,
        "Number of worker processes on the port. With more than 1, a parent starts, watches and replaces them",
    ),
    "drain_seconds": Field(
        "WEB_DRAIN_SECONDS",
        integer(0, 900),
        0,
        "Seconds after SIGTERM to go on serving, not ready, so that load balancers notice. A second signal ends them",
    ),
    "grace_seconds": Field(
        "WEB_GRACE_SECONDS", integer(0, 900), 25, "Seconds after the drain time to finish accepted requests"
    ),
}

VARIABLES = CONSUMER_VARIABLES.union(field.variable for field in FIELDS.values())
"""Every variable that :class:`WebSettings` reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """The settings of the web service. ``FIELDS`` explains each field."""

    model: Settings
    host: str
    port: int
    tokens: tuple[bytes, ...]
    no_auth: bool
    max_items: int
    max_body_bytes: int
    queue_items: int
    timeout_ms: int
    max_connections: int
    workers: int
    drain_seconds: int
    grace_seconds: int

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "WebSettings":
        """
        Read *environ*, including the model's variables.

        Raises:
            SettingsError: At least one variable is wrong. The message has each such variable, its value and the value
                wanted.
        """
        values, faults = environment_variables.read(FIELDS, environ)
        if not faults and not environ.get("WEB_MAX_ITEMS"):
            values["max_items"] = min(values["max_items"], values["queue_items"])
        if not faults and values["queue_items"] < values["max_items"]:
            faults.append(
                f"WEB_QUEUE_ITEMS={values['queue_items']}: wanted at least the {values['max_items']} of WEB_MAX_ITEMS"
            )
        try:
            model = Settings.of(environ)
        except SettingsError as error:
            raise SettingsError("; ".join([str(error), *faults])) from None
        environment_variables.refuse(faults)
        return cls(model=model, **values)

    def demand_auth(self) -> None:
        """
        Make sure that no client is admitted by oversight.

        Raises:
            SettingsError: The host is not loopback, no token is set, and ``no_auth`` is False.
        """
        if not (self.tokens or self.no_auth or self.host in {"127.0.0.1", "::1", "localhost"}):
            raise SettingsError(
                f"listening on {self.host} without a token would let everybody in: set WEB_TOKEN (or --token), or say "
                "--no-auth (WEB_NO_AUTH=true) if something in front of it decides who comes in"
            )
