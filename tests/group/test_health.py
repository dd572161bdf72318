"""The port of a member: probes and metrics."""

import socket
import urllib.error
import urllib.request

import pytest

from stream_consumer.consumer import Consumer
from stream_consumer.contract.record import KafkaOrigin, Record
from stream_consumer.errors import UsageError
from stream_consumer.group.health import metrics, probe, serving
from stream_consumer.group.metrics import GroupMetrics
from stream_consumer.group.partitions import PartitionKey
from stream_consumer.inference import Decider
from stream_consumer.sinks import Written
from tests.rides import FakeModel, ride_event


def asked(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_probes_and_metrics_are_answered_until_the_end() -> None:
    well = [True]
    made = GroupMetrics()
    paths = {"/healthz": probe(lambda: well[0]), "/metrics": metrics(made.text)}
    with serving("127.0.0.1", 0, paths) as port:
        assert asked(port, "/healthz") == (200, "ok\n")
        well[0] = False
        assert asked(port, "/healthz?verbose") == (503, "not ok\n")
        assert asked(port, "/nosuch") == (404, "not found\n")
        status, text = asked(port, "/metrics")
        assert status == 200
        assert "stream_consumer_partitions 0.0" in text
    with pytest.raises(OSError, match="refused"):
        asked(port, "/healthz")


def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(
                UsageError, match=f"--health-port {port} of 127.0.0.1 cannot be listened on: Address already"
            ),
            serving("127.0.0.1", port, {}),
        ):
            pass


def test_metrics_count_what_became_of_records() -> None:
    records = [
        Record(data, f"rides-0:{at}", str(at), kafka=KafkaOrigin("rides", 0, at))
        for at, data in enumerate([ride_event(1), ride_event(2), b"no"])
    ]
    made = GroupMetrics()
    made.loaded(FakeModel())
    # Without a bucket for dead letters the third one cannot be settled.
    consumer = Consumer(Decider(FakeModel()), predictions=Taking(), dead_letters=None)
    made.decided(consumer.process(records), 0.25)
    made.failed(5)
    made.moved("assigned", [PartitionKey("rides", 0), PartitionKey("rides", 1)], 2)
    made.behind({PartitionKey("rides", 1): 7})
    made.behind({PartitionKey("rides", 0): 1})
    made.warned("commit failed")
    lines = made.text().decode().splitlines()
    assert {line for line in lines if line[0] != "#" and "_created" not in line and "_seconds" not in line} == {
        'stream_consumer_items_total{outcome="prediction"} 2.0',
        "stream_consumer_unsettled_items_total 6.0",
        'stream_consumer_batches_total{outcome="unsettled"} 1.0',
        'stream_consumer_batches_total{outcome="failed"} 1.0',
        "stream_consumer_partitions 2.0",
        'stream_consumer_moved_partitions_total{change="assigned"} 2.0',
        'stream_consumer_lag_items{partition="0",topic="rides"} 1.0',
        'stream_consumer_warnings_total{warning="commit failed"} 1.0',
        'stream_consumer_model_info{digest="'
        + "d" * 64
        + '",name="ride_duration_prediction_model",version="Test123"} 1.0',
    }
    assert "stream_consumer_batch_seconds_sum 0.25" in lines


class Taking:
    """A sink that takes everything."""

    def write(self, items: object, deadline: float) -> Written:
        assert items
        assert deadline
        return Written()
