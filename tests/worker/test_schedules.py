"""The worker's promise over schedules of kills, freezes, duplicates and failing calls."""

from hypothesis import given
from hypothesis import strategies as st

from tests.batch.world import MAX_RECEIVES, World, created, expected, keys

KEYS = ("a.csv", "b.csv", "bad.csv")
BODIES = [created(key) for key in KEYS] + [created("a.csv"), created("b.csv", "c.csv")]
TAPES = st.lists(st.integers(0, 2**16), max_size=400)


def played(tape: list[int], workers: int, *, calm: bool = False) -> World:
    world = World(tape, BODIES, poison=["s3://in/bad.csv"], calm=calm)
    world.run(workers)
    return world


@given(TAPES, st.integers(1, 3))
def test_every_object_ends_with_its_output_or_in_the_dead_letter_queue(tape: list[int], workers: int) -> None:
    """Whatever happens: nothing is lost, what is committed is what one run gives, and no message is deleted before."""
    world = played(tape, workers)
    dead = {key for body in world.sqs.dead for key in keys(body)}
    for key in ("a.csv", "b.csv", "c.csv", "bad.csv"):
        output = world.committed.get(f"s3://out/{key}.parquet")
        assert output == expected(f"s3://in/{key}") or (output is None and key in dead)
    assert "s3://out/bad.csv.parquet" not in world.committed


@given(TAPES)
def test_without_trouble_each_object_is_scored_and_poison_is_received_as_often_as_the_policy_says(
    tape: list[int],
) -> None:
    """Three workers and duplicates at once; only the interleaving is left to chance."""
    world = played(tape, 3, calm=True)
    assert sorted(set(world.completed)) == ["s3://in/a.csv", "s3://in/b.csv", "s3://in/c.csv"]
    assert world.sqs.dead == [created("bad.csv")]
    poison = [warning for warning in world.warnings if warning["source"] == "s3://in/bad.csv"]
    assert [warning["receives"] for warning in poison] == list(range(1, MAX_RECEIVES + 1))
