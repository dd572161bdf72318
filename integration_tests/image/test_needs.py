"""
An image for a model of another library: what it needs is found out, and it predicts what LightGBM does.

It has the libraries of Kafka by EXTRA, too: one build is enough for both.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from infra.container.__main__ import main as make_image
from infra.container.engine import Engine
from infra.container.packages import LOCKS, pins
from integration_tests.image import lightgbm_model
from integration_tests.image.conftest import MakeFunction
from integration_tests.image.test_lambda import GOLDEN, RIDES, TEST_RUN
from integration_tests.rie import ROOT

LIGHTGBM = "stream-consumer:image-test-lightgbm"

# The lines of the lock with its hashes, and its version.
_LOCK = (ROOT / ".ci" / "locks" / "boosters.txt").read_text(encoding="utf-8")
[(LOCKED, VERSION)] = re.findall(r"^(lightgbm==(\S+).*(?:\n    --hash.*)+)$", _LOCK, re.MULTILINE)

KAFKA = [
    f"{name}=={pins(ROOT / LOCKS / 'dev.txt', '3.13')[name]}"
    for name in ("aws-msk-iam-sasl-signer-python", "confluent-kafka")
]
NO_BROKER = {"PREDICTIONS_TOPIC": "ride_predictions", "KAFKA_BROKERS": "127.0.0.1:1"}


@pytest.fixture(scope="module")
def minutes(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> list[float]:
    """Build the image with a Booster baked in; gives what LightGBM itself predicts for the golden rides."""
    del engine  # no tool, no image: its own message first
    folder = tmp_path_factory.mktemp("lightgbm")
    lock = folder / "lightgbm.txt"
    lock.write_text(LOCKED)
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps"]
    target = ["--require-hashes", "--target", str(folder / "packages"), "--requirement", str(lock)]
    subprocess.run([*pip, *target], check=True)  # noqa: S603 (our own lock)
    trained = subprocess.run(  # noqa: S603 (our own program)
        [sys.executable, str(Path(lightgbm_model.__file__)), str(folder / "model"), json.dumps(RIDES)],
        env={**os.environ, "PYTHONPATH": f"{folder / 'packages'}:{ROOT}"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    base = os.environ.get("PYTHON_IMAGE")
    arguments = ["build", "--tag", LIGHTGBM, "--model", str(folder / "model"), *(["--base", base] if base else [])]
    make_image([*arguments, *(word for package in KAFKA for word in ("--extra", package))], os.environ)
    predicted: list[float] = json.loads(trained.stdout)
    return predicted


def test_a_model_of_lightgbm_gets_its_library_and_predicts_the_same(
    function: MakeFunction, minutes: list[float]
) -> None:
    """On a slim base, whose linker knows no OpenMP, and jailed as Lambda jails."""
    answer = function(TEST_RUN, image=LIGHTGBM).invoke(GOLDEN)
    assert answer.error is None
    content = json.loads(answer.payload)
    assert content["batchItemFailures"] == []
    predicted = [one["prediction"]["ride_duration"] for one in content["predictions"]]
    assert predicted == pytest.approx(minutes, rel=1e-12)
    assert len(set(minutes)) == 3


def test_its_libraries_of_kafka_look_for_the_broker_with_a_token_of_iam(
    function: MakeFunction, minutes: list[float]
) -> None:
    del minutes  # built
    error = function({**NO_BROKER, "KAFKA_AUTHENTICATION": "iam", "AWS_REGION": "us-east-1"}, image=LIGHTGBM).warm_up()
    assert error is not None
    assert error.error_type == "TopicUnusable"
    assert "cannot be asked for at 127.0.0.1:1 with KAFKA_AUTHENTICATION=iam: _TRANSPORT" in error.message


def test_secrets_manager_is_asked_for_a_password(function: MakeFunction, minutes: list[float]) -> None:
    """What botocore knows of other services is taken out of the image, and this one is not."""
    del minutes  # built
    arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:AmazonMSK_rides-a1b2c3"
    environment = {"KAFKA_AUTHENTICATION": "scram-sha-512", "KAFKA_SECRET_ARN": arn, "AWS_REGION": "us-east-1"}
    nobody = {"AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:1"}
    error = function({**NO_BROKER, **environment, **nobody}, image=LIGHTGBM).warm_up()
    assert error is not None
    assert error.error_type == "SettingsError"
    assert f"the secret {arn} cannot be read: Could not connect to the endpoint URL" in error.message


def test_nothing_but_what_it_needs_and_was_asked_for_is_added(engine: Engine, image: str, minutes: list[float]) -> None:
    del minutes  # built
    program = "import importlib.metadata as m; print(*sorted(f'{d.name}=={d.version}' for d in m.distributions()))"

    def packages(name: str) -> set[str]:
        command = engine.run_command(["--entrypoint", "python"], name, ["-c", program])
        return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())  # noqa: S603

    added = {name for name in packages(LIGHTGBM) ^ packages(image) if not name.startswith("click==")}
    assert added == {f"lightgbm=={VERSION}", *KAFKA}  # the signer requires click
