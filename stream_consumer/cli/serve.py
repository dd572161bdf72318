"""``serve``: the model over HTTP."""

import os
from typing import Annotated

import typer

from stream_consumer.cli.terminal import Terminal


def serve(  # noqa: PLR0913 (each is an option)
    *,
    model: Annotated[
        str | None,
        typer.Option(help="A directory, s3://, champion.json or models:/name@alias.", envvar="MODEL_LOCATION"),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on, by default 127.0.0.1.", envvar="WEB_HOST")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port to listen on, by default PORT or 8080; 0 for any free one.", envvar="WEB_PORT"),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            help="Bearer tokens that are accepted, separated by commas.", envvar="WEB_TOKEN", show_envvar=True
        ),
    ] = None,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Accept requests without a token on any address.")] = False,
    workers: Annotated[
        int | None,
        typer.Option(help="Number of worker processes on the port, by default 1.", envvar="WEB_WORKERS"),
    ] = None,
    max_items: Annotated[int | None, typer.Option(help="Maximum number of events in a request.")] = None,
    max_body_bytes: Annotated[int | None, typer.Option(help="Maximum size of a request body, in bytes.")] = None,
    queue_items: Annotated[int | None, typer.Option(help="Maximum number of waiting events; more get a 503.")] = None,
    timeout_ms: Annotated[
        int | None,
        typer.Option(help="Time limit for a request to arrive and to be decided, in milliseconds."),
    ] = None,
    grace_seconds: Annotated[
        int | None,
        typer.Option(help="Time to finish accepted requests after SIGTERM, in seconds."),
    ] = None,
) -> None:
    """
    Serve predictions over HTTP.

    The paths are /predict, /invocations as MLflow and SageMaker have it, and /docs, which shows all of them.

    Binding to a non-loopback address requires a token or --no-auth. Each limit also has a variable, named in
    docs/web.md. SIGTERM and Ctrl-C finish what was accepted. With several workers SIGHUP loads the model anew and
    replaces them one after another.
    """
    from stream_consumer.web.settings import WebSettings

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
    console = Terminal(stderr=True, lines=True)

    def announce(model: str, url: str) -> None:
        console.print(f"serving {model} on {url} ({url}/docs)")

    if settings.workers > 1:
        from stream_consumer.web.workers import serve_by_workers as serve_settings
    else:
        from stream_consumer.web.server import serve as serve_settings
    serve_settings(settings, announce)
