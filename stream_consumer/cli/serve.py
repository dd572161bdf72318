"""``serve``: the model over HTTP."""

import os
from typing import Annotated

import typer

from stream_consumer.cli import options
from stream_consumer.cli.terminal import Terminal


def serve(  # noqa: PLR0913 (each is an option)
    *,
    model: Annotated[
        str | None,
        typer.Option(metavar="LOCATION", envvar="MODEL_LOCATION", help=options.MODEL, show_default="no model"),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", envvar="WEB_HOST", help="Address to listen on.", show_default="127.0.0.1"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT", envvar="WEB_PORT", help="Port to listen on. 0: any free port.", show_default="PORT or 8080"
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKENS",
            envvar="WEB_TOKEN",
            help="Accepted bearer tokens of 16 or more characters, separated by commas.",
            show_default="no token",
        ),
    ] = None,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Accept requests without a token on any address.")] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="COUNT", envvar="WEB_WORKERS", help="Number of worker processes on the port.", show_default="1"
        ),
    ] = None,
    max_items: Annotated[
        int | None,
        typer.Option(metavar="COUNT", help="Maximum number of events in a request.", show_default="10000"),
    ] = None,
    max_body_bytes: Annotated[
        int | None,
        typer.Option(metavar="BYTES", help="Maximum size of a request body, in bytes.", show_default="6291456"),
    ] = None,
    queue_items: Annotated[
        int | None,
        typer.Option(
            metavar="COUNT",
            help="Maximum number of waiting events. Requests beyond get status 503.",
            show_default="50000",
        ),
    ] = None,
    timeout_ms: Annotated[
        int | None,
        typer.Option(
            metavar="MILLISECONDS",
            help="Time limit for receiving and answering a request, in milliseconds.",
            show_default="5000",
        ),
    ] = None,
    grace_seconds: Annotated[
        int | None,
        typer.Option(
            metavar="SECONDS", help="Time to finish accepted requests after SIGTERM, in seconds.", show_default="25"
        ),
    ] = None,
) -> None:
    """
    Serve predictions over HTTP.

    The interface is described at /docs. Predictions come from /predict, and from /invocations in the format of MLflow
    and SageMaker.

    Binding to a non-loopback address requires a token or --no-auth. docs/web.md names a variable for each limit.
    SIGTERM and Ctrl-C stop the server after its accepted requests. With several workers, SIGHUP reloads the model and
    replaces the workers in turn.
    """
    from stream_consumer.web.settings import VARIABLES, WebSettings

    given = {
        "MODEL_LOCATION": model,
        "WEB_HOST": host,
        "WEB_PORT": port,
        "WEB_TOKEN": token,
        "WEB_NO_AUTH": no_auth or None,
        "WEB_WORKERS": workers,
        "WEB_MAX_ITEMS": max_items,
        "WEB_MAX_BODY_BYTES": max_body_bytes,
        "WEB_QUEUE_ITEMS": queue_items,
        "WEB_TIMEOUT_MS": timeout_ms,
        "WEB_GRACE_SECONDS": grace_seconds,
    }
    settings = WebSettings.of(
        {**os.environ, **{name: str(value) for name, value in given.items() if value is not None}}
    )
    settings.demand_auth()
    options.warn_of_misspelt(VARIABLES)
    console = Terminal(stderr=True, lines=True)

    def announce(model: str, url: str) -> None:
        console.print(f"serving {model} on {url} ({url}/docs)")

    if console.is_terminal:  # a line, since the thread of a spinner would keep the workers from being forks
        console.print(f"loading {settings.model.model_location} …")
    if settings.workers > 1:
        from stream_consumer.web.workers import serve_by_workers as serve_settings
    else:
        from stream_consumer.web.server import serve as serve_settings
    serve_settings(settings, announce)
