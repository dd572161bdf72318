"""A profile counts every value once, adds up, and stays small and cheap, whatever the columns are."""

import itertools
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_consumer.contract.event_schema import COLUMN_TYPES, Column
from stream_consumer.profiling.bins import Bins, Sample, counter
from stream_consumer.profiling.profile import Profile, Profiler
from stream_consumer.profiling.reference import MOST_BYTES, MOST_ROWS, reference_of, samples_of

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1) | st.integers(0, 9),
    "float": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "double": st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, 1.0, 52.0]),
    "string": st.text(max_size=80) | st.sampled_from(["basic", "family"]),
    "binary": st.binary(max_size=3),
    "datetime": st.datetimes(),
}
PREDICTIONS = (
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.sampled_from(["stays", "leaves"]),
    st.fixed_dictionaries({"stays": st.floats(0, 1), "why": st.lists(st.integers(), max_size=2)}),
)


@st.composite
def rows(draw: st.DrawFn) -> tuple[list[Column], list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Columns, then rows of a reference and later rows; the last value of a row is its prediction."""
    columns = [Column(f"column {at}", kind) for at, kind in enumerate(draw(st.lists(st.sampled_from(COLUMN_TYPES))))]
    values = [VALUES[column.type] | st.none() for column in columns]
    row = st.tuples(*values, draw(st.sampled_from(PREDICTIONS)))
    return columns, draw(st.lists(row, min_size=1)), draw(st.lists(row))


def by_column(given_rows: Sequence[tuple[Any, ...]], columns: int) -> tuple[list[list[Any]], list[Any]]:
    """Return the values of each column, and the predictions."""
    values: list[list[Any]] = [[row[at] for row in given_rows] for at in range(columns + 1)]
    return values[:-1], values[-1]


@given(rows(), st.lists(st.integers(0, 60)))
def test_a_profile_is_the_sum_of_those_of_its_batches(
    drawn: tuple[list[Column], list[tuple[Any, ...]], list[tuple[Any, ...]]], cuts: list[int]
) -> None:
    columns, first, later = drawn
    reference = reference_of(samples_of(columns, *by_column(first, len(columns)), {}))
    profiler = Profiler(reference.bins, [column.name for column in columns])
    assert profiler.profile(*by_column(first, len(columns))) == reference
    whole = profiler.profile(*by_column(later, len(columns)))
    assert [counts.sum() for counts in whole.counts] == [len(later)] * len(reference.bins), "each value has one bin"
    batches = [
        later[start:end] for start, end in itertools.pairwise([0, *sorted(cuts), len(later) + max(cuts, default=0)])
    ]
    parts = [profiler.profile(*by_column(batch, len(columns))) for batch in batches]
    assert sum(parts, Profile.empty(reference.bins)) == whole
    assert Profile.decode(whole.encode()) == whole


def bins_of(kind: str, values: Sequence[Any], most: int = 64) -> Bins:
    return Sample("column", kind, values).bins(most)


def counted(bins: Bins, values: Sequence[Any]) -> dict[str, int]:
    """Return the bins that are not empty."""
    counts = counter(bins)(values).tolist()
    return {name: count for name, count in zip(bins.names, counts, strict=True) if count}


def test_numbers_have_a_bin_for_each_quantile() -> None:
    bins = bins_of("double", [float(value) for value in range(1, 101)], most=4)
    assert bins.edges == (1.0, 25.0, 50.0, 75.0, 100.0)
    assert counted(bins, [0, 1.0, 1.5, 25.0, 99, 100.5, None]) == {
        "up to 1": 2,
        "up to 25": 2,
        "up to 100": 1,
        "above 100": 1,
        "missing": 1,
    }


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.integers(1, 20))
def test_edges_are_shortened_only_as_far_as_no_number_of_the_reference_changes_its_bin(
    numbers: list[float], most: int
) -> None:
    exact = np.unique(np.quantile(numbers, np.linspace(0, 1, most + 1), method="inverted_cdf"))
    edges = np.array(bins_of("double", numbers, most).edges)
    assert np.searchsorted(edges, numbers).tolist() == np.searchsorted(exact, numbers).tolist()


def test_a_number_that_many_rows_have_is_an_edge_once() -> None:
    bins = bins_of("double", [0.0] * 50 + [float(value) for value in range(50)], most=4)
    assert bins.edges == (0.0, 24.0, 49.0)


def test_labels_have_a_bin_each_and_rare_ones_share_one() -> None:
    bins = bins_of("string", ["basic"] * 6 + ["family"] * 3 + ["business"], most=2)
    assert counted(bins, ["basic", "family", "business", "gold", None, "basic"]) == {
        "basic": 2,
        "family": 1,
        "rare": 1,
        "not listed": 1,
        "missing": 1,
    }


def test_texts_that_recur_are_labels_however_many_there_are() -> None:
    zones = [f"zone {number}" for number in range(1, 201)] * 3
    bins = bins_of("string", zones)
    assert (bins.kind, len(bins.labels), len(bins.rare)) == ("label", 64, 136)


def test_a_long_text_is_no_label() -> None:
    bins = bins_of("string", ["basic", "x" * 65] * 4)
    assert counted(bins, ["basic", "x" * 65]) == {"basic": 1, "not listed": 1}


def test_declared_integers_are_labels_and_those_that_no_row_has_are_rare() -> None:
    zones = list(range(1, 41))
    assert bins_of("long", zones).kind == "number"
    bins = Sample("zone", "long", zones, declared=[*zones, 265]).bins(40)
    assert counted(bins, [7, 265, 266]) == {"7": 1, "rare": 1, "not listed": 1}


def test_few_integers_are_labels_and_booleans_always_are() -> None:
    assert counted(bins_of("integer", [1, 2, 2, 6]), [6, 7]) == {"6": 1, "not listed": 1}
    assert counted(bins_of("boolean", [True]), [True, False]) == {"True": 1, "False": 1}


def test_texts_that_do_not_recur_are_counted_by_length() -> None:
    bins = bins_of("string", ["x" * length for length in range(1, 101)], most=2)
    assert counted(bins, ["", "y" * 50, "z" * 101, None]) == {
        "up to 1": 1,
        "up to 50": 1,
        "above 100": 1,
        "missing": 1,
    }


def test_of_times_and_of_columns_without_a_value_only_presence_is_counted() -> None:
    moment = datetime(2021, 1, 1, tzinfo=UTC)
    assert counted(bins_of("datetime", [moment]), [moment, None, moment]) == {"there": 2, "missing": 1}
    assert counted(bins_of("double", [None]), [1.0, None]) == {"there": 1, "missing": 1}


@pytest.mark.parametrize("kind", ["double", "string"])
def test_a_value_of_another_type_counts_as_missing(kind: str) -> None:
    reference: dict[str, list[Any]] = {"double": [1.0, 2.0], "string": ["stays", "stays"]}
    bins = bins_of(kind, reference[kind])
    known = reference[kind][-1]
    assert counted(bins, [known, [1, 2], {"a": 1}, known]) == {
        bins.names[-4 if kind == "string" else -3]: 2,
        "missing": 2,
    }


def test_named_outputs_are_profiled_by_name() -> None:
    reference = reference_of(samples_of([], [], [{"fare": 2.0, "tip": True}, {"fare": 4.0}], {}))
    assert [bins.title for bins in reference.bins] == ["prediction.fare", "prediction.tip"]
    profile = Profiler(reference.bins, []).profile([], [{"fare": 3.0, "tip": False}, None, 7])
    assert profile.counts[0].tolist() == [0, 1, 0, 2]
    assert dict(zip(reference.bins[1].names, profile.counts[1].tolist(), strict=True)) == {
        "True": 0,
        "False": 1,
        "rare": 0,
        "not listed": 0,
        "missing": 2,
    }


def test_profiles_of_different_bins_do_not_add_up() -> None:
    one, other = (Profile.empty([bins_of("double", [edge])]) for edge in (1.0, 2.0))
    with pytest.raises(ValueError, match="different bins"):
        one + other
    assert one != other


def test_bins_for_a_column_that_the_model_does_not_have_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\['column'\]; the model has \['fare'\]"):
        Profiler([bins_of("double", [1.0])], ["fare"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"bins":[{"name":"a","kind":"presence"}],"counts":[[1]]}',
        b'{"bins":[{"name":"a","kind":"presence"}],"counts":[[1,-1]]}',
        b'{"bins":[{"name":"a","kind":"presence"}],"counts":[]}',
        b'{"bins":[{"name":"a","kind":"pie"}],"counts":[[1,1]]}',
        b'{"bins":[{"name":"a","kind":"presence"}],"counts":[[1,9223372036854775808]]}',
        b"\xff",
    ],
)
def test_what_is_no_profile_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Profile.decode(content)


def wide(columns: int, name: str) -> list[Sample]:
    """Columns of drawn numbers and of labels, by turns, and a prediction."""
    random = np.random.default_rng(5)
    values = [random.normal(size=500), random.zipf(1.2, 500).clip(max=900).astype(str)]
    kinds = ["double", "string"]
    return [
        *(Sample(f"{name}{at}", kinds[at % 2], values[at % 2].tolist()) for at in range(columns)),
        Sample("", "double", values[0].tolist(), predicted=True),
    ]


@pytest.mark.parametrize("columns", [1, 4, 16, 40, 1_000])
@pytest.mark.parametrize("name", ["column ", "column with a name of more than three dozen characters \N{TAXI}"])
def test_a_profile_takes_at_most_5_kb_whatever_the_columns(columns: int, name: str) -> None:
    reference = reference_of(wide(columns, name))
    billion = Profile(reference.bins, tuple(np.full_like(counts, MOST_ROWS - 1) for counts in reference.counts))
    assert MOST_BYTES == 5_000
    assert len(billion.encode()) <= MOST_BYTES
    assert reference.bins[-1].predicted, "the prediction is the last column to be left out"
    assert len(reference.bins) >= min(columns + 1, 24)


def seconds(call: Callable[[], object]) -> float:
    """Return the least of many times, which other programs disturb the least."""
    times = []
    for _ in range(40):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def test_a_value_costs_little_more_than_to_count_it_in_one_array() -> None:
    """NumPy takes about 0.025 µs for each integer of a list, so that four times as much is the bar of 0.1 µs."""
    random, columns = np.random.default_rng(3), 4
    zones, numbers = random.zipf(1.3, (2, 10_000)).clip(max=260).tolist(), random.gamma(2, 3, (2, 10_000)).tolist()
    kinds = [Column("pick-up", "long"), Column("drop-off", "long"), Column("distance", "double")]
    rides = [*zones, numbers[0]]
    categories = {"pick-up": range(1, 261), "drop-off": range(1, 261)}
    reference = reference_of(samples_of(kinds, rides, numbers[1], categories))
    assert [bins.kind for bins in reference.bins] == ["label", "label", "number", "number"]
    profiler = Profiler(reference.bins, [column.name for column in kinds])
    profiled = seconds(lambda: profiler.profile(rides, numbers[1]))
    counted_once = seconds(lambda: np.bincount(np.array(zones[0]), minlength=261))
    assert profiled / columns < 4 * counted_once
