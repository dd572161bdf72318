"""``serve``: refused by name before anything listens. tests/web/test_server.py has the server itself."""

import socket
from pathlib import Path

import pytest

from tests.cli.conftest import Command


def test_it_does_not_listen_beyond_loopback_without_a_token(command: Command, rides_model: Path) -> None:
    ran = command("serve", "--model", rides_model, "--host", "0.0.0.0")  # noqa: S104 (what must not be open)
    assert ran.code == 1
    assert "listening on 0.0.0.0 without a token would let everybody in: set WEB_TOKEN (or --token)" in ran.err


def test_every_wrong_option_is_named_at_once(command: Command) -> None:
    ran = command("serve", "--max-items", "0", "--timeout-ms", "0")
    assert ran.code == 1
    for part in ("MODEL_LOCATION is not set", "WEB_MAX_ITEMS='0'", "WEB_TIMEOUT_MS='0'"):
        assert part in ran.err


def test_a_model_that_is_not_there_is_said_to_be_missing(command: Command, tmp_path: Path) -> None:
    ran = command("serve", "--model", tmp_path, "--no-auth", "--host", "0.0.0.0")  # noqa: S104 (nothing listens)
    assert (ran.code, "there is no MLflow model at" in ran.err) == (1, True)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_port_that_is_taken_is_one_line_before_the_model_is_looked_for(
    command: Command, tmp_path: Path, workers: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = command("serve", "--model", tmp_path, "--port", port, "--workers", workers)
    reason = f"cannot listen on 127.0.0.1, port {port}: Address already in use; choose --host and --port"
    assert (ran.code, ran.err) == (1, f"error: {reason}\n")


@pytest.mark.parametrize(
    ("arguments", "wrong"), [([], "PORT='5000a'"), (["--port", "65536"], "WEB_PORT='65536'"), (["--port", "80"], None)]
)
def test_the_option_of_the_port_wins_over_that_of_the_platform(
    command: Command, monkeypatch: pytest.MonkeyPatch, arguments: list[str], wrong: str | None
) -> None:
    monkeypatch.setenv("PORT", "5000a")
    ran = command("serve", *arguments)
    assert ran.code == 1
    assert "MODEL_LOCATION is not set" in ran.err
    assert ("PORT=" in ran.err) == (wrong is not None)
    assert (wrong or "") in ran.err


def test_a_misspelt_setting_is_named_and_its_value_is_not(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WEB_TOKENS", "a-secret-of-some-length")
    ran = command("serve", "--model", tmp_path, "--no-auth")
    assert ran.err.splitlines()[0] == "WEB_TOKENS is not a setting, and its value is not used. Is WEB_TOKEN meant?"
