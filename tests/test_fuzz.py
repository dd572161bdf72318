"""The fuzzer's target holds for its seeds and for what hypothesis finds, whether or not atheris is installed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.seeds import seeds
from tests.fuzz.target import FOLDED, RAW, SEALED, check


@pytest.mark.parametrize("kind", [RAW, SEALED, FOLDED], ids=["raw", "sealed", "folded"])
def test_the_target_holds_for_every_seed(kind: bytes) -> None:
    chosen = [seed for seed in seeds() if seed.startswith(kind)]
    assert chosen
    for seed in chosen:
        check(seed)


@given(st.sampled_from([RAW, SEALED, FOLDED]), st.binary())
def test_the_target_holds_for_any_bytes(kind: bytes, data: bytes) -> None:
    check(kind + data)
