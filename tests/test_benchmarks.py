"""The benchmark's own promises: what it checks, what it prints and writes, and that its stub counts."""

import dataclasses
import json
from pathlib import Path

import boto3
import pytest

from benchmarks import batch, startup, web
from benchmarks.bars import Bar, bars
from benchmarks.contestants import CONTESTANTS, FLOOR, ON_FRAMES, OURS, POWERTOOLS, PYFUNC, REFERENCE
from benchmarks.measurement import FRAME_SIZES, PIPELINE, Measurement
from benchmarks.platform import Platform
from benchmarks.report import WIDTH, as_json, as_pyperf, comparison, table, write
from benchmarks.stages import Stages
from benchmarks.startup import Init, Startup
from benchmarks.stub import StubKinesis
from benchmarks.throughput import SIZES, Throughput
from benchmarks.web import Load, Web
from benchmarks.worker import Cost

MICROS = {OURS: 10.0, FLOOR: 9.0, POWERTOOLS: 2_000.0, REFERENCE: 4_000.0}

FRAMES = {OURS: 20.0, PYFUNC: 50.0, REFERENCE: 12_000.0}
FILE = {
    **{batch.ours_with(jobs): 8.0 / jobs for jobs in (1, 2, 4)},
    batch.FLOOR: 1.8,
    batch.PANDAS: 5.0,
    batch.MLFLOW: 6.0,
}


def cost(micros: float) -> Cost:
    return Cost(micros / 1e6, 2 * micros / 1e6)


MEASURED = Measurement(
    machine="a machine with a long description " * 4,
    rides="synthetic",
    models={"default": "trees", "linear": "a line"},
    throughput=Throughput(
        {
            model: {name: {size: [cost(MICROS[name])] * 3 for size in SIZES} for name in CONTESTANTS}
            for model in ("default", "linear")
        },
        {model: dict.fromkeys(CONTESTANTS, 200.0) for model in ("default", "linear")},
    ),
    far_throughput=None,
    frames=Throughput(
        {PIPELINE: {name: {size: [cost(FRAMES[name])] * 3 for size in FRAME_SIZES} for name in ON_FRAMES}},
        {PIPELINE: dict.fromkeys(ON_FRAMES, 200.0)},
    ),
    stages=Stages({"parse": 1.0, "predict": 4.0, "publish": 2.0}, whole=8.5, aggregated=1.5, profiled=0.2),
    far_stream={1: 20_000.0, 4: 60_000.0},
    startup=Startup(
        {
            startup.OURS: Init(1.1, 170.0),
            startup.PINNED: Init(0.9, 160.0),
            startup.FLOOR: Init(1.0, 150.0),
            startup.LITERAL: Init(1.0, 130.0),
            startup.REFERENCE: Init(3.0, 300.0),
        },
        event_megabytes=6.29,
        batch_megabytes=32.0,
    ),
    batch=batch.Batch(
        10_000_000,
        {name: [cost(micros)] * 2 for name, micros in FILE.items()},
        dict.fromkeys(FILE, 380.0) | {batch.ours_with(4): 600.0},
        [1, 2, 4],
    ),
    platform=Platform({50: 60.0, 95: 90.0, 99: 100.0}, 50.0, {1: 9_000.0, 2: 8_000.0}),
    web=Web(
        {
            web.OURS: {at: [Load(9_000.0, 4.0, 9.0)] * 3 for at in web.CONNECTIONS},
            web.MLFLOW: {at: [Load(200.0, 300.0, 400.0)] * 3 for at in web.CONNECTIONS},
            web.FLASK: {at: [Load(500.0, 100.0, 200.0)] * 3 for at in web.CONNECTIONS},
            web.OURS_2: {at: [Load(16_000.0, 2.0, 4.0)] * 3 for at in web.CONNECTIONS},
            web.MLFLOW_2: {at: [Load(400.0, 150.0, 200.0)] * 3 for at in web.CONNECTIONS},
            web.FLASK_2: {at: [Load(800.0, 50.0, 100.0)] * 3 for at in web.CONNECTIONS},
        }
    ),
)


def test_every_bar_is_measured_against_its_figure() -> None:
    reached = {bar.what: (round(bar.value, 2), bar.met) for bar in bars(MEASURED)}
    assert reached == {
        "reference / this project, default model, 10,000": (400.0, True),
        "reference / this project, default model, 100": (400.0, True),
        "reference / this project, linear model, 10,000": (400.0, True),
        "Powertools / this project, default model, 10,000": (200.0, True),
        "this project / floor, default model, 10,000": (1.11, True),
        "a record's cost at 10,000 / at 1,000, default model": (1.0, True),
        "mlflow per batch / this project, pipeline, 1,000": (2.5, True),
        "mlflow per record / this project, pipeline, 1,000": (600.0, True),
        "init: this project / mlflow": (0.37, False),
        "init: this project / import sklearn + client": (1.1, True),
        "init: this project / its imports + client": (1.1, True),
        "init with a pinned pickle / its imports + client": (0.9, True),
        "memory that a batch of 6 MB adds": (32.0, True),
        "all but parse, predict and publish": (1.5, True),
        "a profile / predict, default model": (0.05, True),
        "published to a stream 20 ms away": (60_000.0, True),
        "a file: --jobs 4 / --jobs 1": (4.0, True),
        "a file: this project / loop of pandas, default threads": (2.5, True),
        "a file: this project / loop of mlflow, default threads": (3.0, True),
        "a file: this project / predict on arrays": (0.9, True),
        "peak memory of a file of 10,000,000 rows, --jobs 2": (380.0, True),
        "put to prediction, p50 at 500 rides/s": (60.0, True),
        "requests/s: ours / mlflow models serve, 32": (45.0, True),
        "p99: ours / mlflow models serve, 32": (0.02, True),
        "requests/s: ours / mlflow models serve, 64": (45.0, True),
        "p99: ours / mlflow models serve, 64": (0.02, True),
        "requests/s: ours / Flask, Waitress, 32": (18.0, True),
        "p99: ours / Flask, Waitress, 32": (0.04, True),
        "requests/s: ours / Flask, Waitress, 64": (18.0, True),
        "p99: ours / Flask, Waitress, 64": (0.04, True),
        "requests/s: ours / mlflow models serve, 2 workers, 32": (40.0, True),
        "p99: ours / mlflow models serve, 2 workers, 32": (0.02, True),
        "requests/s: ours / mlflow models serve, 2 workers, 64": (40.0, True),
        "p99: ours / mlflow models serve, 2 workers, 64": (0.02, True),
        "requests/s: ours / Flask, Gunicorn, 2 workers, 32": (20.0, True),
        "p99: ours / Flask, Gunicorn, 2 workers, 32": (0.04, True),
        "requests/s: ours / Flask, Gunicorn, 2 workers, 64": (20.0, True),
        "p99: ours / Flask, Gunicorn, 2 workers, 64": (0.04, True),
    }


@pytest.mark.parametrize(
    ("bar", "far_off"),
    [
        (Bar("", "at least", 300, 201), False),
        (Bar("", "at least", 300, 199), True),
        (Bar("", "at most", 1.2, 1.79), False),
        (Bar("", "at most", 1.2, 1.81), True),
        (Bar("", "at most", 60, 91, "MB"), True),
        (Bar("", "at most", 3, 30, "µs a record", checked=False), False),
        (Bar("", "at least", 1.5, 0.7, lenience=0.4), False),
        (Bar("", "at least", 1.5, 0.5, lenience=0.4), True),
    ],
)
def test_a_figure_fails_if_it_is_a_third_below_its_bar_and_is_checked(bar: Bar, *, far_off: bool) -> None:
    assert bar.far_off == far_off


def test_the_median_round_counts() -> None:
    """One round on a busy machine changes nothing."""
    by_size = {size: [cost(10.0), cost(10.0), cost(900.0)] for size in SIZES}
    slow = {size: [cost(2_000.0), cost(3_000.0), cost(900.0)] for size in SIZES}
    measured = Throughput({"default": {OURS: by_size, POWERTOOLS: slow}}, {})
    assert round(measured.rate("default", OURS, 100)) == 100_000
    assert round(measured.wall_rate("default", OURS, 100)) == 50_000
    assert measured.ratio("default", POWERTOOLS, OURS, 100) == 200.0
    assert measured.growth("default", OURS) == 1.0


def test_what_is_checked_is_no_time() -> None:
    """The machine's times are nobody's fault."""
    assert {bar.unit for bar in bars(MEASURED) if bar.checked} == {"", "MB"}


def test_the_table_fits_a_terminal_and_says_what_was_not_reached() -> None:
    lines = table(MEASURED).splitlines()
    assert max(map(len, lines)) <= WIDTH
    [missed] = [line for line in lines if line.endswith(" NO")]
    assert missed.split() == ["init:", "this", "project", "/", "mlflow", "≤", "0.3", "0.367", "NO"]


def test_the_readme_compares_rates_with_those_of_each_alternative() -> None:
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in comparison(MEASURED).splitlines()]
    assert [faster for *_, faster in cells[2:]] == [
        f"{ratio} times as fast" for ratio in ("400", "200", "0.9", "2.5", "3", "45", "18")
    ]
    assert len(comparison(dataclasses.replace(MEASURED, web=None)).splitlines()) == len(cells) - 2


def test_without_the_local_platform_its_figures_are_left_out() -> None:
    without = dataclasses.replace(MEASURED, platform=None)
    assert "put to prediction" in table(MEASURED)
    assert "put to prediction" not in table(without)


def test_without_wrk_the_table_says_what_was_not_measured() -> None:
    without = dataclasses.replace(MEASURED, web=None)
    assert table(without).splitlines()[-1].strip() == "web: NOT MEASURED, wrk is not installed"
    assert not any("requests/s" in bar.what for bar in bars(without))


def test_json_holds_every_figure_and_verdict() -> None:
    content = json.loads(as_json(MEASURED))
    assert content["throughput"]["rounds"]["default"][OURS]["10000"] == [[1e-5, 2e-5]] * 3
    assert [bar["met"] for bar in content["bars"]].count(False) == 1


def test_two_runs_can_be_compared_with_pyperf() -> None:
    benchmark = as_pyperf(MEASURED).get_benchmark("default model, this project, batch of 100, wall time a record")
    assert benchmark.get_values() == (2e-5, 2e-5, 2e-5)


def test_a_stream_that_is_far_has_its_own_rows() -> None:
    far = dataclasses.replace(MEASURED, far_throughput=MEASURED.throughput)
    assert "records/s (wall), default model, 20 ms away" in table(far)
    assert "20 ms away, batch" not in table(MEASURED)


def test_a_table_is_written_between_its_markers(tmp_path: Path) -> None:
    document = tmp_path / "README.md"
    document.write_text("a\n<!-- benchmark: by `make bench` -->\nold\n<!-- /benchmark -->\nz\n", encoding="utf-8")
    for text in ("first", "new \\1"):
        write(document, "benchmark", text)
    expected = "a\n<!-- benchmark: by `make bench` -->\nnew \\1\n<!-- /benchmark -->\nz\n"
    assert document.read_text(encoding="utf-8") == expected


def test_a_document_without_markers_is_not_touched(tmp_path: Path) -> None:
    document = tmp_path / "README.md"
    document.write_text("nothing", encoding="utf-8")
    with pytest.raises(ValueError, match="0 locations for the table `benchmark`"):
        write(document, "benchmark", "new")
    assert document.read_text(encoding="utf-8") == "nothing"


def test_the_stub_acknowledges_and_counts_every_record() -> None:
    with StubKinesis() as stub:
        session = boto3.session.Session("k", "s", region_name="us-east-1")
        kinesis = session.client("kinesis", endpoint_url=stub.endpoint_url)
        for _ in range(2):
            answer = kinesis.put_records(
                StreamName="s", Records=[{"Data": b'"PartitionKey"', "PartitionKey": "1"} for _ in range(3)]
            )
            assert answer["FailedRecordCount"] == 0
            assert len(answer["Records"]) == 3
        kinesis.put_record(StreamName="s", Data=b"x", PartitionKey="1")
        assert stub.acknowledged() == 7
