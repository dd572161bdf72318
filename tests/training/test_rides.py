"""Loading rides: what is kept, what is dropped and counted, and which files are refused."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_consumer.errors import UsageError
from stream_consumer.training.memory import machine_memory
from stream_consumer.training.rides import RowCounts, load_rides
from stream_consumer.training.synthetic import synthetic_rides
from stream_consumer.training.tables import read_trips
from tests.training.trips import GOOD, Trip, trip_table, write_trips


def lasting(dropoff: str | None) -> Trip:
    return (130, 205, 3.66, "2021-02-01 00:00:00", dropoff)


def test_a_ride_has_its_zones_distance_minutes_and_pickup_time(tmp_path: Path) -> None:
    rides = load_rides([write_trips(tmp_path / "green.parquet")])
    assert rides.matrix().tolist() == [[130.0, 205.0, 3.66]]
    assert rides.duration.tolist() == [17.916666666666668]
    assert str(rides.pickup_time[0]) == "2021-02-01T00:34:03"
    assert rides.origin == str(tmp_path / "green.parquet")
    assert rides.PULocationID.dtype == "int64"
    assert rides.pickup_time.dtype == "datetime64[s]"


@pytest.mark.parametrize(
    ("dropoff", "kept"),
    [
        ("2021-02-01 00:00:59", 0),
        ("2021-02-01 00:01:00", 1),
        ("2021-02-01 01:00:00", 1),
        ("2021-02-01 01:00:01", 0),
    ],
)
def test_rides_of_one_to_sixty_minutes_are_kept_both_ends_included(tmp_path: Path, dropoff: str, kept: int) -> None:
    rides = load_rides([write_trips(tmp_path / "green.parquet", [lasting(dropoff), GOOD])])
    assert rides.counts.kept == 1 + kept
    assert rides.counts.dropped["duration not 1 to 60 minutes"] == 1 - kept


UNUSABLE: list[tuple[Trip, str]] = [
    ((None, 205, 3.66, *GOOD[3:]), "value missing"),
    ((130, None, 3.66, *GOOD[3:]), "value missing"),
    ((130, 205, None, *GOOD[3:]), "value missing"),
    ((130, 205, float("nan"), *GOOD[3:]), "value missing"),
    ((130, 205, float("inf"), *GOOD[3:]), "value missing"),
    ((130, 205, 3.66, None, GOOD[4]), "value missing"),
    (lasting(None), "value missing"),
    (lasting("2021-01-31 00:00:00"), "duration not 1 to 60 minutes"),
    ((0, 205, 3.66, *GOOD[3:]), "PULocationID out of bounds"),
    ((130, 266, 3.66, *GOOD[3:]), "DOLocationID out of bounds"),
    ((130, 205, -0.01, *GOOD[3:]), "trip_distance out of bounds"),
    ((130, 205, 200.01, *GOOD[3:]), "trip_distance out of bounds"),
    ((None, 266, 200.01, *GOOD[3:]), "value missing"),
]


@pytest.mark.parametrize(("trip", "reason"), UNUSABLE)
def test_a_row_that_serving_would_refuse_is_dropped_and_counted_under_its_first_reason(
    tmp_path: Path, trip: Trip, reason: str
) -> None:
    counts = load_rides([write_trips(tmp_path / "green.parquet", [trip, GOOD])]).counts
    assert (counts.read, counts.kept) == (2, 1)
    assert {why: count for why, count in counts.dropped.items() if count} == {reason: 1}


@given(st.lists(st.sampled_from([GOOD, *(trip for trip, _ in UNUSABLE)]), max_size=30))
def test_every_row_is_kept_or_counted_as_dropped(tmp_path_factory: pytest.TempPathFactory, trips: list[Trip]) -> None:
    path = tmp_path_factory.mktemp("rides") / "green.parquet"
    rides = load_rides([write_trips(path, [GOOD, *trips])])
    assert rides.counts.read == 1 + len(trips)
    assert rides.counts.read == len(rides) + sum(rides.counts.dropped.values())
    assert len(rides) == rides.counts.kept == 1 + trips.count(GOOD)


def test_without_bounds_only_the_usual_filter_applies_and_the_bounds_can_follow(tmp_path: Path) -> None:
    trips = [GOOD, (0, 205, 3.66, *GOOD[3:]), (130, 205, 244_152.0, *GOOD[3:]), lasting("2021-02-01 02:00:00")]
    source = write_trips(tmp_path / "green.parquet", trips)
    rides = load_rides([source], bounded=False)
    assert rides.trip_distance.tolist() == [3.66, 3.66, 244_152.0]
    assert rides.within_bounds().counts == load_rides([source]).counts
    assert rides.within_bounds().ride_id.tolist() == [0]
    assert rides.where(rides.trip_distance < 10).within_bounds().counts == RowCounts(
        2, 1, {"PULocationID out of bounds": 1, "DOLocationID out of bounds": 0, "trip_distance out of bounds": 0}
    )


def test_yellow_taxis_are_read_by_their_own_clocks(tmp_path: Path) -> None:
    rides = load_rides([write_trips(tmp_path / "yellow.parquet", fleet="tpep")])
    assert rides.duration.tolist() == [17.916666666666668]


def test_several_sources_are_one_table_and_ride_ids_are_positions_in_it(tmp_path: Path) -> None:
    first = write_trips(tmp_path / "green.parquet", [lasting(None), GOOD])
    second = write_trips(tmp_path / "yellow.csv", [(1, 2, 0.5, *GOOD[3:])], fleet="tpep")
    rides = load_rides([first, second])
    assert rides.ride_id.tolist() == [1, 2]
    assert rides.PULocationID.tolist() == [130, 1]
    assert rides.origin == f"{first}, {second}"


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_csv_is_read_as_parquet_is(tmp_path: Path, suffix: str) -> None:
    trips = [GOOD, lasting(None), lasting("2021-02-01 00:10:00")]
    parquet, csv = (load_rides([write_trips(tmp_path / f"green{kind}", trips)]) for kind in (".parquet", suffix))
    assert csv.matrix().tolist() == parquet.matrix().tolist()
    assert csv.duration.tolist() == parquet.duration.tolist()
    assert csv.counts == parquet.counts


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".csv.gz"])
def test_more_rides_than_memory_holds_are_refused(tmp_path: Path, suffix: str) -> None:
    """A file of kilobytes may hold a billion of them; those of all files count."""
    sources = [write_trips(tmp_path / f"{name}{suffix}", [GOOD] * 3) for name in "ab"]
    assert len(load_rides(sources, most=6)) == 6
    with pytest.raises(UsageError, match=rf"b\{suffix} has too many rows: memory holds 2 more rides; name fewer files"):
        load_rides(sources, most=5)


def test_memory_is_the_machines_or_the_containers(tmp_path: Path) -> None:
    limit, unlimited = tmp_path / "limit", tmp_path / "unlimited"
    limit.write_text("4096\n", encoding="ascii")
    unlimited.write_text("max\n", encoding="ascii")
    whole = machine_memory((str(unlimited), str(tmp_path / "none")))
    assert machine_memory((str(unlimited), str(limit))) == 4096 < 2**28 < whole


CELLS = {"130": 130, "130.0": 130, " 130": 130, "+130": 130, "0130": 130, '"130"': 130, "130.": 130, "1.3e2": 130}


@pytest.mark.parametrize(("cell", "zone"), CELLS.items())
def test_a_cell_of_a_csv_is_read_as_batch_reads_it(cell: str, zone: int, tmp_path: Path) -> None:
    (tmp_path / "green.csv").write_text(
        "lpep_pickup_datetime,lpep_dropoff_datetime,PULocationID,DOLocationID,trip_distance\n"
        f"2021-01-01 00:00:00,2021-01-01 00:10:00,{cell},205,.5\n",
        encoding="utf-8",
    )
    assert load_rides([str(tmp_path / "green.csv")]).matrix().tolist() == [[zone, 205, 0.5]]


def test_csv_as_nyc_open_data_and_pandas_write_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "green.csv"
    path.write_text(
        "lpep_pickup_datetime,lpep_dropoff_datetime,PULocationID,DOLocationID,trip_distance,note\n"
        "02/01/2021 11:34:03 PM,02/01/2021 11:51:58 PM,130.0,205.0,3.66,unparsed 7\n"
    )
    rides = load_rides([str(path)])
    assert rides.matrix().tolist() == [[130.0, 205.0, 3.66]]
    assert rides.duration.tolist() == [17.916666666666668]


def test_only_the_needed_columns_are_read(tmp_path: Path) -> None:
    path = tmp_path / "green.parquet"
    pyarrow.parquet.write_table(trip_table([GOOD]), path, compression="none", use_dictionary=False)
    content = path.read_bytes()
    flag = content.index(b"\x01\x00\x00\x00N")  # the only value of store_and_fwd_flag
    path.write_bytes(content[:flag] + b"\xff\xff\xff\xffN" + content[flag + 5 :])
    with pytest.raises(pa.ArrowInvalid, match="truncated PLAIN-encoded BYTE_ARRAY"):
        pyarrow.parquet.read_table(path)
    assert len(read_trips(path, "green", 1).trip_distance) == 1


def refusal(*sources: object) -> str:
    with pytest.raises(UsageError) as caught:
        load_rides([str(source) for source in sources])
    return str(caught.value)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.parquet") == f"there is no file {tmp_path}/no.parquet"


def test_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rides.parquet").mkdir()
    assert (
        refusal(tmp_path / "rides.parquet")
        == f"{tmp_path}/rides.parquet is a directory; name the files in it, such as {tmp_path}/rides.parquet/*.parquet"
    )


def test_an_unknown_kind_of_file_is_refused_with_those_that_are_known() -> None:
    assert refusal("rides.xlsx") == (
        "rides.xlsx: rides are read from .parquet, .csv, .csv.gz files; the name must end so"
    )


def test_a_file_without_the_columns_is_refused_with_those_missing_and_those_there(tmp_path: Path) -> None:
    table = trip_table([GOOD]).drop_columns(["DOLocationID", "trip_distance", "store_and_fwd_flag"])
    pyarrow.parquet.write_table(table, tmp_path / "green.parquet")
    assert refusal(tmp_path / "green.parquet") == (
        f"{tmp_path}/green.parquet has no column DOLocationID, trip_distance; "
        "it has VendorID, lpep_pickup_datetime, lpep_dropoff_datetime, PULocationID. "
        "Wanted are the TLC's trip records of green (lpep_…) or yellow (tpep_…) taxis"
    )


def test_a_csv_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "zones.csv").write_text("LocationID,Borough\n1,EWR\n")
    assert "has no column PULocationID" in refusal(tmp_path / "zones.csv")


@pytest.mark.parametrize("name", ["green.parquet", "green.csv"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert f"{name} cannot be read as trip records: " in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["green.parquet", "green.csv"])
def test_a_file_without_rows_is_refused(tmp_path: Path, name: str) -> None:
    table = trip_table([GOOD]).slice(0, 0)
    if name.endswith("parquet"):
        pyarrow.parquet.write_table(table, tmp_path / name)
    else:
        (tmp_path / name).write_text(",".join(table.column_names) + "\n")
    assert refusal(tmp_path / name) == f"{tmp_path}/{name} has no rows"


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "green.parquet").write_bytes(b"<html>not found</html>")
    assert "green.parquet cannot be read as trip records: it is HTML" in refusal(tmp_path / "green.parquet")


def test_a_file_that_is_no_gzip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "green.csv.gz").write_bytes(gzip.compress(b"PULocationID\n" * 1000)[:20])
    assert "green.csv.gz cannot be read as trip records: " in refusal(tmp_path / "green.csv.gz")


def test_a_column_of_another_type_is_refused(tmp_path: Path) -> None:
    table = trip_table([GOOD]).drop_columns(["trip_distance"]).append_column("trip_distance", pa.array(["far"]))
    pyarrow.parquet.write_table(table, tmp_path / "green.parquet")
    assert "green.parquet cannot be read as trip records: " in refusal(tmp_path / "green.parquet")


def test_a_file_without_a_usable_ride_is_refused_with_the_reasons(tmp_path: Path) -> None:
    source = write_trips(tmp_path / "green.parquet", [lasting(None), (0, 1, 1.0, *GOOD[3:])])
    assert refusal(source) == (
        f"none of the 2 rows of {source} is a usable ride: 1 value missing, 1 PULocationID out of bounds"
    )


def test_a_pattern_stands_for_the_files_that_match_it_by_name(tmp_path: Path) -> None:
    for name in ("b 2.parquet", "b 1.parquet", "[ab].parquet", "a.parquet"):
        write_trips(tmp_path / name)
    assert load_rides([f"{tmp_path}/b*.parquet"]).origin == f"{tmp_path}/b 1.parquet, {tmp_path}/b 2.parquet"
    assert load_rides([f"{tmp_path}/[ab].parquet"]).origin == f"{tmp_path}/[ab].parquet", "the name of a file"
    assert refusal(tmp_path / "c*.parquet") == f"no file matches {tmp_path}/c*.parquet"


def test_a_source_given_twice_is_refused(tmp_path: Path) -> None:
    source = write_trips(tmp_path / "green.parquet")
    assert refusal(source, source) == f"given twice: {source}; its rides would count double"


def test_no_source_is_refused() -> None:
    assert refusal() == "no rides were given; name at least one Parquet or CSV file of TLC trip records"


def test_an_unknown_scheme_is_refused() -> None:
    assert (
        refusal("gs://b/green.parquet") == "gs://b/green.parquet: unknown scheme gs://; give a path, s3:// or https://"
    )


def test_the_earliest_rides_are_those_of_all_parts_of_a_file() -> None:
    rides = replace(synthetic_rides(6, seed=1), pickup_time=np.array([10, 30, 50, 20, 40, 60], "datetime64[s]"))
    assert rides.earliest(4).ride_id.tolist() == [0, 1, 3, 4]
    assert len(rides.earliest(9)) == 6


def test_a_sample_is_that_of_its_seed_in_the_order_of_the_sources() -> None:
    rides = synthetic_rides(1_000, seed=1)
    chosen = rides.sample(100, seed=1).ride_id
    assert len(chosen) == 100
    assert (np.diff(chosen) > 0).all()
    assert abs(chosen.mean() - 500) < 100
    assert (rides.sample(100, seed=1).ride_id == chosen).all()
    assert (rides.sample(100, seed=2).ride_id != chosen).any()
    assert len(rides.sample(2_000, seed=1)) == 1_000
