"""The web interface's environment: every fault at once, and nobody let in by oversight."""

import pytest

from stream_consumer.errors import SettingsError
from stream_consumer.web.settings import WebSettings
from tests.web.client import TOKEN, settings


def test_defaults_are_for_a_laptop() -> None:
    assert settings() == WebSettings(
        model=settings().model,
        host="127.0.0.1",
        port=8080,
        tokens=(),
        no_auth=False,
        max_items=10_000,
        max_body_bytes=6_291_456,
        queue_items=50_000,
        timeout_ms=5_000,
        max_connections=1_000,
        workers=1,
        drain_seconds=0,
        grace_seconds=25,
    )


def test_every_fault_is_named_at_once_but_no_token() -> None:
    with pytest.raises(SettingsError) as raised:
        WebSettings.of({"WEB_PORT": "http", "WEB_TOKEN": "secret", "WEB_NO_AUTH": "maybe", "MODEL_DIGEST": "x"})
    message = str(raised.value)
    for part in ("MODEL_LOCATION is not set", "MODEL_DIGEST='x'", "WEB_PORT='http'", "WEB_NO_AUTH='maybe'"):
        assert part in message
    assert "WEB_TOKEN: wanted tokens of 16 or more of" in message
    assert "secret" not in message


def test_a_fault_of_the_web_door_alone_is_named() -> None:
    with pytest.raises(SettingsError, match="the environment is wrong: WEB_PORT='65536': wanted a whole number"):
        settings(WEB_PORT="65536")


@pytest.mark.parametrize(
    ("environ", "port"),
    [
        ({"PORT": "9090"}, 9090),
        ({"PORT": "9090", "WEB_PORT": "9191"}, 9191),
        ({"PORT": "9090", "WEB_PORT": ""}, 9090),
        ({"PORT": ""}, 8080),
        ({"PORT": "http", "WEB_PORT": "0"}, 0),
    ],
)
def test_the_port_of_a_platform_is_taken_where_no_other_is_set(environ: dict[str, str], port: int) -> None:
    assert settings(**environ).port == port


def test_a_platforms_port_that_is_none_is_named() -> None:
    with pytest.raises(SettingsError, match="the environment is wrong: PORT='http': wanted a whole number"):
        settings(PORT="http")


def test_the_queue_takes_a_whole_request() -> None:
    with pytest.raises(SettingsError, match="WEB_QUEUE_ITEMS=999: wanted at least the 1000 of WEB_MAX_ITEMS"):
        settings(WEB_QUEUE_ITEMS="999", WEB_MAX_ITEMS="1000")
    assert settings(WEB_QUEUE_ITEMS="999").max_items == 999, "unless nobody said how large a request may be"


def test_several_tokens_make_room_for_a_new_one() -> None:
    tokens = settings(WEB_TOKEN=f"{TOKEN} , {TOKEN}=").tokens
    assert tokens == (TOKEN.encode(), f"{TOKEN}=".encode())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "example.com"])  # noqa: S104 (what must not be open)
def test_beyond_loopback_a_token_is_demanded(host: str) -> None:
    with pytest.raises(SettingsError, match=f"listening on {host} without a token would let everybody in"):
        settings(WEB_HOST=host).demand_auth()
    settings(WEB_HOST=host, WEB_TOKEN=TOKEN).demand_auth()
    settings(WEB_HOST=host, WEB_NO_AUTH="true").demand_auth()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_on_loopback_it_is_not(host: str) -> None:
    settings(WEB_HOST=host).demand_auth()
