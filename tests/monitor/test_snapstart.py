"""What a restore from a SnapStart snapshot renews in the monitoring function."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from infra.container.example_model import write_example_model
from stream_consumer.monitor.lambda_function import Handler
from stream_consumer.monitor.profile_archive import ProfileArchive
from tests.fakes import FakeS3
from tests.monitor.test_lambda_function import BUCKET, MODEL, Monitor


class ClosableS3(FakeS3):
    """S3 that counts how often its connections were dropped."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


def test_connections_and_dice_are_renewed_after_a_restore() -> None:
    s3, monitor = ClosableS3(buckets=[BUCKET]), Monitor()
    archive = ProfileArchive(s3.client, BUCKET, "profiles", retry=monitor.time.retry())
    handler = Handler(MODEL, archive, monitor.report, margin_seconds=1)
    random.seed(1)
    snapshot = random.getstate()
    handler.renew()
    first = random.getrandbits(64)
    random.setstate(snapshot)
    handler.renew()
    assert (s3.closed, random.getrandbits(64) != first) == (2, True)


@pytest.mark.process
def test_init_is_complete_before_the_snapshot_and_registers_the_renewal(tmp_path: Path) -> None:
    """Importing the module where Lambda's runtime is loads the model and registers the hook."""
    write_example_model(tmp_path)
    description = json.loads((tmp_path / "MLmodel").read_text())
    description["metadata"]["stream_consumer"]["reference"] = MODEL.reference
    (tmp_path / "MLmodel").write_text(json.dumps(description))
    program = """
import snapshot_restore_py, stream_consumer.monitor.lambda_function
[(hook, _, _)] = snapshot_restore_py.get_after_restore()
print(hook.__module__, hook.__qualname__)
"""
    environ = os.environ | {
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "MODEL_LOCATION": str(tmp_path),
        "PROFILE_BUCKET": BUCKET,
    }
    answer = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)  # noqa: S603
    loaded, hook = answer.stdout.splitlines()
    assert json.loads(loaded)["message"] == "model loaded"
    assert hook == "stream_consumer.monitor.lambda_function Handler.renew"
