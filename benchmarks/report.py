"""The figures as one table, for the terminal, for the documents and, in full, as JSON."""

import json
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import pyperf

from benchmarks import batch, web
from benchmarks.bars import Bar, bars, batch_bars
from benchmarks.contestants import CONTESTANTS, FLOOR, ON_FRAMES, OURS, POWERTOOLS, REFERENCE
from benchmarks.measurement import FRAME_SIZES, PIPELINE, Measurement
from benchmarks.stages import AGGREGATE_KEYS, BATCH, FAR
from benchmarks.throughput import SIZES, Throughput
from benchmarks.worker import Cost

WIDTH = 96
_LABEL, _CELL = 56, 10


def table(measured: Measurement) -> str:
    """Return everything that a reader wants to see, at most WIDTH wide."""
    return "\n".join(
        [
            *_about(measured),
            *_throughput(measured),
            *_stages(measured),
            *_rest(measured),
            *_file(measured.batch),
            *_web(measured),
            *verdicts(measured),
        ]
    )


def comparison(measured: Measurement) -> str:
    """Return how this project compares with the alternatives, as a Markdown table: ratios of rates, more is better."""
    rows = ["| instead of | measured | this project is |", "| --- | --- | ---: |"]
    for instead, what, faster in _alternatives(measured):
        rows.append(f"| {instead} | {what} | {_number(faster)} times as fast |")
    return "\n".join(rows)


def _alternatives(measured: Measurement) -> Iterator[tuple[str, str, float]]:
    stream = f"records per processor-second, batches of {BATCH:,}"
    for instead, name in (
        ("a handler that calls `mlflow.pyfunc` and PutRecord for each record", REFERENCE),
        ("Powertools' `BatchProcessor`, whose record handler predicts and puts", POWERTOOLS),
        ("nothing but `predict` and PutRecords: the floor", FLOOR),
    ):
        yield instead, stream, measured.throughput.ratio("default", name, OURS, BATCH)
    file = f"rows/s of a Parquet file of {measured.batch.rows:,}, all cores"
    yield "a loop of pandas and scikit-learn", file, measured.batch.faster(batch.PANDAS)
    yield "a loop of pandas and `mlflow.pyfunc`", file, measured.batch.faster(batch.MLFLOW)
    if measured.web:
        requests = f"requests/s, {web.CONNECTIONS[0]} connections, a ride each"
        yield "`mlflow models serve`", requests, measured.web.faster(web.OURS, web.MLFLOW, web.CONNECTIONS[0])
        yield "Flask under Waitress", requests, measured.web.faster(web.OURS, web.FLASK, web.CONNECTIONS[0])


def verdicts(measured: Measurement) -> Iterator[str]:
    yield from _verdicts(bars(measured))
    if measured.web is None:
        yield "  web: NOT MEASURED, wrk is not installed"


def _verdicts(reached: Iterable[Bar]) -> Iterator[str]:
    yield from ("", _row("to reach", ["bar", "reached", ""]))
    for bar in reached:
        wanted = ("≥ " if bar.wanted == "at least" else "≤ ") + _number(bar.bar)
        yield _row(_named(bar), [wanted, _number(bar.value), "yes" if bar.met else "NO"])


def as_json(measured: Measurement) -> str:
    every = [asdict(bar) | {"met": bar.met} for bar in bars(measured)]
    return json.dumps(asdict(measured) | {"bars": every}, indent=1, ensure_ascii=False)


def as_pyperf(measured: Measurement) -> pyperf.BenchmarkSuite:
    """Return the contestants' costs, so that ``python -m pyperf compare_to`` tells a run before from one after."""
    return pyperf.BenchmarkSuite(
        [
            _benchmark(f"{model} model, {name}, batch of {size:,}, {time} time a record", [one[at] for one in costs])
            for model, contestants in measured.throughput.rounds.items()
            for name, sizes in contestants.items()
            for size, costs in sizes.items()
            for at, time in enumerate(Cost._fields)
        ]
    )


def _benchmark(name: str, seconds: list[float]) -> pyperf.Benchmark:
    return pyperf.Benchmark([pyperf.Run(seconds, metadata={"name": name, "unit": "second"}, collect_metadata=False)])


def write(path: Path, name: str, text: str) -> None:
    """
    Put *text* between the markers *name* of the document.

    Raises:
        ValueError: The document does not have them exactly once.
    """
    document = path.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- /{name} -->)", re.DOTALL)
    document, found = pattern.subn(lambda match: f"{match[1]}{text}\n{match[2]}", document)
    if found != 1:
        raise ValueError(f"{path} has {found} locations for the table `{name}`; wanted one")
    path.write_text(document, encoding="utf-8")


def _about(measured: Measurement) -> Iterator[str]:
    models = "; ".join(f"{name} model: {what}" for name, what in measured.models.items())
    for line in (measured.machine, f"rides: {measured.rides}; {models}"):
        yield from textwrap.wrap(line, WIDTH, subsequent_indent="  ")


def _throughput(measured: Measurement) -> Iterator[str]:
    for model in measured.models:
        yield ""
        yield _row(f"records per processor-second, {model} model, batch of", [f"{size:,}" for size in SIZES])
        for name in CONTESTANTS:
            yield _row(f"  {name}", [_number(measured.throughput.rate(model, name, size)) for size in SIZES])
    yield from _wall(measured.throughput, "0 ms")
    if measured.far_throughput:
        yield from _wall(measured.far_throughput, f"{FAR * 1000:.0f} ms")
    yield ""
    yield _row("records per processor-second, ColumnTransformer, batch of", [f"{size:,}" for size in FRAME_SIZES])
    for name in ON_FRAMES:
        yield _row(f"  {name}", [_number(measured.frames.rate(PIPELINE, name, size)) for size in FRAME_SIZES])
    peaks = measured.throughput.megabytes
    yield from ("", _row("peak memory with batches of 10,000, MB, model", list(peaks)))
    for name in CONTESTANTS:
        yield _row(f"  {name}", [_number(peaks[model][name]) for model in peaks])


def _wall(measured: Throughput, away: str) -> Iterator[str]:
    yield ""
    yield _row(f"records/s (wall), default model, {away} away, batch of", [f"{size:,}" for size in SIZES])
    for name in CONTESTANTS:
        yield _row(f"  {name}", [_number(measured.wall_rate("default", name, size)) for size in SIZES])


def _stages(measured: Measurement) -> Iterator[str]:
    stages = measured.stages
    yield from ("", _row(f"processor µs a record, default model, batch of {BATCH:,}", [_number(stages.whole)]))
    parts = [f"{stage} {_number(micros)}" for stage, micros in stages.stages.items()]
    parts.append(f"the rest {_number(stages.whole - sum(stages.stages.values()))}")
    yield from textwrap.wrap("  " + ", ".join(parts), WIDTH, subsequent_indent="  ")
    yield _row(f"  publish in KPL aggregates, {AGGREGATE_KEYS} keys", [_number(stages.aggregated)])
    yield _row("  a profile of three columns and the prediction", [f"{stages.profiled:.2f}"])


def _rest(measured: Measurement) -> Iterator[str]:
    yield from ("", _row("init, processor seconds and resident memory", ["s", "MB"]))
    for name, init in measured.startup.inits.items():
        yield _row(f"  {name}", [f"{init.seconds:.2f}", f"{init.megabytes:.0f}"])
    added, event = measured.startup.batch_megabytes, measured.startup.event_megabytes
    yield _row(f"  and while a batch of {event:.1f} MB is consumed", ["", f"+{added:.0f}"])
    yield ""
    yield _row(
        f"records/s (wall) to a stream {FAR * 1000:.0f} ms away, in flight",
        [str(in_flight) for in_flight in measured.far_stream],
    )
    yield _row("", [_number(rate) for rate in measured.far_stream.values()])
    if measured.platform:
        yield ""
        yield _row("put to prediction through the local platform, ms", [f"p{at}" for at in measured.platform.latencies])
        yield _row("", [_number(value) for value in measured.platform.latencies.values()])
        rates = measured.platform.rides_per_second
        yield _row("rides/s (wall) of the whole platform, shards", [str(shards) for shards in rates])
        yield _row("", [_number(rate) for rate in rates.values()])


def batch_table(measured: batch.Batch) -> str:
    """Return what a file of rides took, and its bars."""
    return "\n".join([*_file(measured), *_verdicts(batch_bars(measured))])


def _file(file: batch.Batch) -> Iterator[str]:
    yield ""
    yield _row(f"rows/s of a Parquet file of {file.rows:,}, default model", ["processor", "wall", "peak MB"])
    for name in file.costs:
        # The floor holds all rows, which is what it is for; its memory says nothing.
        peak = "" if name == batch.FLOOR else _number(file.megabytes[name])
        yield _row(f"  {name}", [_number(file.rate(name)), _number(file.wall_rate(name)), peak])
    yield f"  (both loops: as a rate, on {file.rows // batch.FEWER:,} of the rides)"


def _web(measured: Measurement) -> Iterator[str]:
    if measured.web is None:
        return
    for connections in web.CONNECTIONS:
        yield from ("", _row(f"web, one ride a request, {connections} connections", ["requests/s", "p50 ms", "p99 ms"]))
        for name in web.CONTESTANTS:
            load = measured.web.median(name, connections)
            yield _row(f"  {name}", [_number(load.rate), _number(load.p50), _number(load.p99)])


def _named(bar: Bar) -> str:
    return f"  {bar.what}" + (f", {bar.unit}" if bar.unit else "")


def _row(label: str, cells: list[str]) -> str:
    return (f"{label:<{_LABEL}}" + "".join(f"{cell:>{_CELL}}" for cell in cells)).rstrip()


def _number(value: float) -> str:
    """Three digits that say something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004
