"""A model predicts in silence where the cores cannot be counted."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.no_cores import environment_without_cores


@pytest.mark.process
def test_a_prediction_warns_of_nothing_where_cores_cannot_be_counted(boosted_rides_model: Path, tmp_path: Path) -> None:
    ran = subprocess.run(  # noqa: S603 (our own command)
        [sys.executable, "-m", "stream_consumer", "model", str(boosted_rides_model)],
        env=environment_without_cores(tmp_path),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
