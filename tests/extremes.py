"""Predictions at the ends of what a model can return."""

import sys
from typing import Any

from hypothesis import strategies as st

LARGEST, SMALLEST = sys.float_info.max, 5e-324
EDGES = [LARGEST, -LARGEST, 1e308, -1e308, SMALLEST, -SMALLEST, sys.float_info.min, 0.0, -0.0, 2.0**53 + 2, 2.0**360]
INTEGERS = [2**63 - 1, 1 - 2**63, 2**53 + 1, 0, -1]

FINITE: st.SearchStrategy[Any] = st.one_of(st.sampled_from(EDGES), st.floats(allow_nan=False, allow_infinity=False))
"""Floats that are predictions."""
NOT_FINITE = st.sampled_from([float("nan"), float("inf"), float("-inf")])
"""Floats that are none."""
