"""The metrics of several workers, as any of them tells them."""

import re
from pathlib import Path

import pytest
from prometheus_client import values
from prometheus_client.multiprocess import mark_process_dead

from stream_consumer.inference import Decider
from stream_consumer.web.app import WebApp
from stream_consumer.web.metrics import share_metrics
from tests.rides import ride_event
from tests.web.client import ServedModel, ask, post, settings
from tests.web.client import app as unshared_app

PREDICTIONS = 'stream_consumer_items_total{outcome="prediction"}'
REQUESTS = 'stream_consumer_requests_total{path="/predict",status="200"}'
CALLS = "stream_consumer_call_items_count"
WORKERS = "stream_consumer_workers"


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory to share, for this test only: a process chooses once."""
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    return tmp_path


def worker(directory: Path, slot: int, version: str = "7") -> WebApp:
    share_metrics(directory, slot)
    model = ServedModel(version=version)
    return WebApp(model, settings(), Decider(model).decide, 100, directory)


def told(application: WebApp) -> dict[str, float]:
    text = ask(application, "GET", "/metrics").body.decode()
    return {
        name: float(value)
        for name, value in re.findall(r"^(stream_consumer_\S+(?:\{.*\})?) (\S+)$", text, re.MULTILINE)
    }


def test_any_worker_tells_the_sum_of_all(directory: Path) -> None:
    first, second = worker(directory, 0), worker(directory, 1)
    for application in (first, second, second):
        post(application, ride_event(1))
    for application in (first, second):
        sums = told(application)
        assert [sums[name] for name in (PREDICTIONS, REQUESTS, CALLS, WORKERS)] == [3, 3, 3, 2]


def test_all_waiting_events_are_added_up(directory: Path) -> None:
    first, second = worker(directory, 0), worker(directory, 1)
    for application, waiting in ((first, 3), (second, 4)):
        application._batcher.queued = waiting  # noqa: SLF001 (what waits for a model is too short-lived to be asked for)
    second.refresh_metrics()
    assert told(first)["stream_consumer_queue_items"] == 7


def test_what_a_dead_worker_counted_stays_and_it_counts_as_a_worker_no_more(directory: Path) -> None:
    first, second = worker(directory, 0), worker(directory, 1)
    post(first, ride_event(1))
    mark_process_dead(0, directory)  # type: ignore[no-untyped-call]
    sums = told(second)
    assert (sums[PREDICTIONS], sums[WORKERS]) == (1, 1)


def test_its_successor_counts_on_in_the_same_files(directory: Path) -> None:
    post(worker(directory, 0), ride_event(1))
    files = sorted(path.name for path in directory.iterdir())
    mark_process_dead(0, directory)  # type: ignore[no-untyped-call]
    successor = worker(directory, 0)
    post(successor, ride_event(1))
    assert told(successor)[REQUESTS] == 2
    assert sorted(path.name for path in directory.iterdir()) == files


def test_while_workers_are_replaced_both_versions_are_told(directory: Path) -> None:
    worker(directory, 0)
    versions = {name for name in told(worker(directory, 1, "8")) if name.startswith("stream_consumer_model_info")}
    assert [re.findall('version="(.)"', name) for name in sorted(versions)] == [["7"], ["8"]]


def test_workers_tell_the_metrics_that_a_single_process_does(directory: Path) -> None:
    """But for the times at which each was made, which the library leaves out."""
    single = unshared_app()
    shared = worker(directory, 0)
    for application in (single, shared):
        post(application, ride_event(1))
    assert set(told(shared)) == {name for name in told(single) if "_created" not in name}
