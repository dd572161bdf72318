"""
No file makes a prediction leave its arrays: seeded mutations, in a process of their own.

``make mutated-models MUTATIONS=20000 SEED=1`` tries more of them.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skops.io

from stream_consumer.models.skops_file import load_skops
from tests.models.estimators import outputs
from tests.models.touching_c import estimators_touching_c

MUTATIONS = int(os.environ.get("MUTATIONS", "60"))
SEED = int(os.environ.get("SEED", "1"))
SECONDS = 60 + MUTATIONS // 4
REPOSITORY = Path(__file__).parent.parent.parent


@pytest.mark.process
def test_no_mutated_file_ends_or_hangs_the_process_that_loads_it(tmp_path: Path) -> None:
    for name, estimator, rows in estimators_touching_c():
        file = tmp_path / f"{name}.skops"
        skops.io.dump(estimator, file)
        np.save(tmp_path / f"{name}.npy", rows)
        assert outputs(load_skops(file, "here", pinned=False), rows)
    done = subprocess.run(  # noqa: S603 (our own module)
        [sys.executable, "-m", "tests.models.mutated", str(tmp_path), str(SEED), str(MUTATIONS)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    *_, last = done.stdout.splitlines()
    assert done.returncode == 0, f"{last} ended with {done.returncode}: {done.stderr}"
    tried = json.loads(last)
    assert tried["loaded"] > MUTATIONS / 5
    assert tried["predicted"] > MUTATIONS / 8
