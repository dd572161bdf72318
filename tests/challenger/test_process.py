"""A challenger in a process of its own: it really hangs, crashes and runs out of memory, and the function goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_consumer.challenger.challenger import Challenged, Challenger
from stream_consumer.challenger.process import peak_memory
from stream_consumer.contract.lambda_event import records_from_lambda
from stream_consumer.kinesis.shard_reader import ShardReader, Start, list_shards, stream_arn
from stream_consumer.lambda_function import build_handler
from stream_consumer.local.demo.embedded_aws import EmbeddedAws
from stream_consumer.models.files import directory_digest
from stream_consumer.reader import PredictionReader
from stream_consumer.settings import Settings
from stream_consumer.telemetry import telemetry
from tests.challenger.estimators import Unlucky
from tests.example_models import EXAMPLE, RIDE_SIGNATURE, save, signature_of
from tests.harness import Harness
from tests.rides import RIDE_COLUMNS, FakeContext, kinesis_event, ride_event

pytestmark = pytest.mark.process

LUCKY, UNLUCKY = [ride_event(1)], [ride_event(1), ride_event(2, distance=13.0)]
TIMEOUT_MS = 3_000


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for as long as a busy machine takes to load a model."""
    monkeypatch.setattr("stream_consumer.challenger.challenger.LOADING_SECONDS", 300.0)


def unlucky(path: Path, misdeed: str) -> dict[str, str]:
    """Save a model that loads and predicts its example; the settings that name it."""
    import pandas as pd  # noqa: PLC0415 (seconds: only these tests)

    rows = np.random.default_rng(seed=1).uniform(1, 12, (50, 3))
    estimator = Unlucky(misdeed).fit(rows, rows[:, 2])
    options = {"serialization_format": "cloudpickle", "skops_trusted_types": None}
    save(estimator, path, signature=signature_of(RIDE_SIGNATURE), input_example=pd.DataFrame(EXAMPLE), **options)
    return {"CHALLENGER_LOCATION": str(path), "CHALLENGER_DIGEST": directory_digest(path)}


class Beside:
    """A challenger beside a champion on fakes, in real time."""

    def __init__(self, environ: dict[str, str]) -> None:
        settings = {"MODEL_LOCATION": "unused", "CHALLENGER_TIMEOUT_MS": str(TIMEOUT_MS)} | environ
        self.challenger = Challenger(Settings.of(settings), RIDE_COLUMNS)
        self.notices: list[tuple[str, dict[str, Any]]] = []

    def challenge(self, datas: list[bytes]) -> Challenged:
        result = Harness().consumer.process(records_from_lambda(kinesis_event(datas)))
        challenged = self.challenger.challenge(result, time.monotonic() + 60)
        self.notices += [(notice.message, notice.fields) for notice in challenged.notices]
        return challenged

    def load(self) -> Challenged:
        """Show it batches until one is compared."""
        for _ in range(100):
            challenged = self.challenge(LUCKY)
            if not challenged.skipped or "challenger switched off" in dict(self.notices):
                return challenged
        raise AssertionError("it was never loaded")


def test_a_good_one_is_loaded_and_compared(boosted_rides_model: Path) -> None:
    beside = Beside({"CHALLENGER_LOCATION": str(boosted_rides_model)})
    challenged = beside.load()
    assert (challenged.answer.compared, challenged.answer.failures, challenged.skipped) == (1, 0, 0)
    [(message, fields)] = beside.notices
    assert (message, fields["model"]) == ("challenger loaded", "ride-duration")


@pytest.mark.parametrize(
    ("misdeed", "remedy", "ended"),
    [
        ("hang", f"it did not answer within {TIMEOUT_MS} ms, CHALLENGER_TIMEOUT_MS", "ended by SIGKILL"),
        ("crash", "ConnectionResetError", "ended by SIGSEGV"),
        ("exit", "ConnectionResetError", "ended with code 3"),
        ("flood", "it announced a message of 4294967295 bytes, and none has more than 16384", "ended by SIGKILL"),
    ],
)
def test_one_that_hangs_or_ends_costs_its_timeout_once(misdeed: str, remedy: str, ended: str, tmp_path: Path) -> None:
    beside = Beside(unlucky(tmp_path / "model", misdeed))
    assert beside.load().answer.compared == 1
    began = time.monotonic()
    challenged = beside.challenge(UNLUCKY)
    assert time.monotonic() - began < TIMEOUT_MS / 1000 + 5
    assert (challenged.answer.compared, challenged.answer.failures, challenged.skipped) == (0, 2, 0)
    assert beside.notices[-1] == ("challenger switched off", {"remedy": remedy, "ended": ended})
    again = beside.challenge(LUCKY)
    assert (again.skipped, again.notices) == (1, [])


def test_one_that_runs_out_of_memory_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may take three quarters of what the function has and never took, and goes on with the next batch."""
    taken = peak_memory() // 2**20
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", str(taken + 800))
    beside = Beside(unlucky(tmp_path / "model", "eat") | {"CHALLENGER_TIMEOUT_MS": "10000"})
    assert beside.load().answer.compared == 1
    challenged = beside.challenge(UNLUCKY)
    assert (challenged.answer.compared, challenged.answer.failures) == (0, 2)
    assert challenged.answer.fault.startswith("MemoryError: ")
    assert beside.challenge(LUCKY).answer.compared == 1


def test_one_for_which_no_memory_is_left_is_switched_off_and_says_so(
    boosted_rides_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
    beside = Beside({"CHALLENGER_LOCATION": str(boosted_rides_model)})
    assert beside.load().skipped == 1
    [(message, fields)] = beside.notices
    assert message == "challenger switched off"
    assert fields["remedy"].startswith("MemoryError: ")
    assert "give the function more" in fields["remedy"]


_ENDLESS_LOAD = """
import itertools
import msgspec
from stream_consumer.challenger import child
from stream_consumer.challenger.channel import Start
from stream_consumer.settings import Settings

class FunctionIsGone:
    def receive(self):
        return msgspec.msgpack.encode(Start(Settings.of({"MODEL_LOCATION": "unused"}), 2**40))

child._LONGEST_LOAD_PROCESSOR_SECONDS = 0.1
child.serve(FunctionIsGone(), lambda settings: sum(itertools.repeat(0)))
"""


def test_a_load_that_takes_processor_time_without_an_end_is_ended_without_the_function() -> None:
    """Seen: a load that was short of memory turned in a library for 40 minutes after its function was killed."""
    ran = subprocess.run([sys.executable, "-c", _ENDLESS_LOAD], capture_output=True, text=True, check=False)  # noqa: S603 (our own)
    assert ran.returncode == -signal.SIGPROF, ran.stderr


def test_the_memory_of_the_program_that_started_the_function_is_not_the_function_s(tmp_path: Path) -> None:
    """A kernel without a peak of its own for each program counts the starter's."""
    say = "from stream_consumer.challenger.process import *; print(peak_memory(), peak_memory(Path(__file__ + '.no')))"
    (tmp_path / "function.py").write_text(say)
    large = "import subprocess, sys; room = b'1' * 2**28; del room; subprocess.run([sys.executable, *sys.argv[1:]])"
    asked = [sys.executable, "-c", large, str(tmp_path / "function.py")]
    told = subprocess.run(asked, check=True, capture_output=True, text=True)  # noqa: S603 (our own)
    own, counted = map(int, told.stdout.split())
    assert own < 2**27
    assert counted > 2**28


def test_one_that_does_not_exist_is_named(tmp_path: Path) -> None:
    beside = Beside({"CHALLENGER_LOCATION": str(tmp_path / "nowhere")})
    assert beside.load().skipped == 1
    [(message, fields)] = beside.notices
    assert message == "challenger switched off"
    assert str(tmp_path / "nowhere") in fields["remedy"]


def test_the_process_ends_with_the_function(boosted_rides_model: Path) -> None:
    beside = Beside({"CHALLENGER_LOCATION": str(boosted_rides_model)})
    beside.load()
    process: Any = beside.challenger._process  # noqa: SLF001 (nothing tells which process it is)
    child = process._child  # noqa: SLF001
    assert child.poll() is None
    del beside, process
    assert child.wait(5) is not None


def test_the_function_with_a_challenger_publishes_on_both_streams(
    rides_model: Path, boosted_rides_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real function, process and clients, on the embedded platform."""
    with EmbeddedAws(streams={"ride_predictions": 1, "challenger_predictions": 1}) as aws:
        environ = aws.environment | {
            "MODEL_LOCATION": str(rides_model),
            "CHALLENGER_LOCATION": str(boosted_rides_model),
            "CHALLENGER_STREAM": "challenger_predictions",
            "CHALLENGER_TIMEOUT_MS": "20000",
        }
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        handler = build_handler(environ, telemetry(os.environ))
        event = kinesis_event(map(ride_event, range(5)))
        assert handler(event, FakeContext()) == {"batchItemFailures": []}
        own, other = (
            [one.prediction for one in PredictionReader(aws.clients().kinesis, stream, follow=False)]
            for stream in ("ride_predictions", "challenger_predictions")
        )
    assert sorted(str(made.event_id) for made in own) == sorted(str(made.event_id) for made in other)
    assert len(own) == 5
    assert {made.version for made in own}.isdisjoint({made.version for made in other})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "ChallengerCompared" in line]
    assert [(line["ChallengerCompared"], line["ChallengerPublished"]) for line in lines] == [([5.0], [5.0])]


MISDEEDS = ("hang", "crash", "exit", "eat", "raise")


def raw_records(aws: EmbeddedAws, stream: str) -> list[bytes]:
    kinesis = aws.clients().kinesis
    arn = stream_arn(kinesis, stream)
    [shard] = list_shards(kinesis, arn)
    return [record["Data"] for record in ShardReader(kinesis, arn, shard["ShardId"], Start()).read().records]


def test_what_really_misbehaves_changes_no_byte_and_no_answer(
    rides_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real function with a challenger of each temper, against the same function without one."""
    names = ["alone", *MISDEEDS]
    taken = peak_memory() // 2**20
    events = [kinesis_event(datas, 10 * at) for at, datas in enumerate((LUCKY, [*UNLUCKY, b"poison"], LUCKY))]
    with EmbeddedAws(streams=dict.fromkeys(names, 1), buckets=["failures"]) as aws:
        for name, value in aws.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", str(taken + 1_200))
        came = {}
        for name in names:
            environ = {
                "MODEL_LOCATION": str(rides_model),
                "PREDICTIONS_STREAM_NAME": name,
                "DEAD_LETTER_BUCKET": "failures",
                "DEAD_LETTER_PREFIX": name,
                "CHALLENGER_TIMEOUT_MS": "15000",
            }
            environ |= unlucky(tmp_path / name, name) if name in MISDEEDS else {}
            handler = build_handler(environ, telemetry(os.environ | {"POWERTOOLS_SERVICE_NAME": f"beside-{name}"}))
            answers = [handler(event, FakeContext(60_000)) for event in events]
            keys = aws.clients().s3.list_objects_v2(Bucket="failures", Prefix=name)["Contents"]
            letters = [aws.clients().s3.get_object(Bucket="failures", Key=one["Key"])["Body"].read() for one in keys]
            came[name] = answers, sorted(raw_records(aws, name)), letters
    assert came["alone"][0] == [{"batchItemFailures": []}] * 3
    assert len(came["alone"][1]) == 4
    assert len(came["alone"][2]) == 1
    assert [name for name in MISDEEDS if came[name] != came["alone"]] == []
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    said = [(line["service"], line["message"]) for line in lines if line.get("level") == "WARNING"]
    assert [one for one in said if one[1] != "invalid record"] == [
        ("beside-hang", "challenger switched off"),
        ("beside-crash", "challenger switched off"),
        ("beside-exit", "challenger switched off"),
        ("beside-eat", "challenger failed on a batch"),
    ], "one row that the model refuses is isolated, and only counted"
