"""
The requests of MLflow's clients, sent to a fresh ``mlflow models serve`` and to ours: the answers are equal.

DIFFERENCES is the whole list of those that are not, each with its reason; a difference that is gone fails as well. Of
an error the status and the ``error_code`` are compared: messages are prose.

Source of the kinds of requests: mlflow.pyfunc.scoring_server of the locked version, and its documentation, "Local
Inference Server Specification".
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

from tests import example_models
from tests.web.serving import serving

JSON, CSV = "application/json", "text/csv"
PARQUET, OTHER_PARQUET = "application/vnd.apache.parquet", "application/x-parquet"
# Below Linux's ephemeral ports, so that no client's own connection takes it meanwhile.
PORTS = range(20_000, 30_000)
SECONDS = 50.0

COLUMNS = ["PULocationID", "DOLocationID", "trip_distance"]
ROWS = [[130, 205, 3.66], [74, 75, 1.1]]
RECORDS = [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]
BY_COLUMN = {name: [row[at] for row in ROWS] for at, name in enumerate(COLUMNS)}
HEADER = ",".join(COLUMNS)


class Asked(NamedTuple):
    """One request to ``/invocations``."""

    body: bytes
    content_type: str = JSON


def said(value: Any) -> Asked:
    return Asked(json.dumps(value).encode())


def with_first(value: Any) -> Asked:
    """Return a frame whose first zone is *value*."""
    return said({"dataframe_split": {"columns": COLUMNS, "data": [[value, 205, 3.66]]}})


SPLIT = said({"dataframe_split": {"index": [0, 1], "columns": COLUMNS, "data": ROWS}})

REQUESTS = {
    "split": SPLIT,
    "split without an index": said({"dataframe_split": {"columns": COLUMNS, "data": ROWS}}),
    "split, columns reordered": said(
        {"dataframe_split": {"columns": COLUMNS[::-1], "data": [row[::-1] for row in ROWS]}}
    ),
    "split, one column more": said(
        {"dataframe_split": {"columns": [*COLUMNS, "more"], "data": [[*row, "x"] for row in ROWS]}}
    ),
    "split, one column less": said({"dataframe_split": {"columns": COLUMNS[:2], "data": [row[:2] for row in ROWS]}}),
    "split, a row too short": said({"dataframe_split": {"columns": COLUMNS, "data": [[130, 205]]}}),
    "split without data": said({"dataframe_split": {"columns": COLUMNS}}),
    "split that is a list": said({"dataframe_split": RECORDS}),
    "split of no rows": said({"dataframe_split": {"columns": COLUMNS, "data": []}}),
    "records": said({"dataframe_records": RECORDS}),
    "records, keys reordered": said({"dataframe_records": [dict(reversed(row.items())) for row in RECORDS]}),
    "records, one column more": said({"dataframe_records": [row | {"more": 1} for row in RECORDS]}),
    "records, one column less": said({"dataframe_records": [{"PULocationID": 130, "DOLocationID": 205}]}),
    "records that are an object": said({"dataframe_records": BY_COLUMN}),
    "records of no rows": said({"dataframe_records": []}),
    "instances by name": said({"instances": RECORDS}),
    "instances by column": said({"instances": BY_COLUMN}),
    "instances by position": said({"instances": ROWS}),
    "instances, columns not of one length": said({"instances": BY_COLUMN | {"trip_distance": [1.0]}}),
    "inputs by column": said({"inputs": BY_COLUMN}),
    "inputs by name": said({"inputs": RECORDS}),
    "inputs by position": said({"inputs": ROWS}),
    "inputs of one row's scalars": said({"inputs": RECORDS[0]}),
    "inputs, a flat list": said({"inputs": ROWS[0]}),
    "inputs, a number": said({"inputs": 7}),
    "inputs, a column of another name": said({"inputs": {"a": [1], "b": [2], "c": [3.0]}}),
    "inputs of no rows": said({"inputs": []}),
    "params that the model does not have": said({"inputs": RECORDS, "params": {"temperature": 1}}),
    "another member beside": said({"inputs": RECORDS, "signature_name": "other"}),
    "two forms": said({"inputs": RECORDS, "instances": RECORDS}),
    "no form": said({"rows": RECORDS}),
    "an object of nothing": said({}),
    "MLflow 1, split": said({"columns": COLUMNS, "data": ROWS}),
    "MLflow 1, records": said(RECORDS),
    "a number": said(7),
    "no JSON": Asked(b'{"inputs": [[130,'),
    "no body": Asked(b""),
    "bytes that are not UTF-8": Asked(b'{"inputs": "\xff"}'),
    "a byte-order mark": Asked(b"\xef\xbb\xbf" + SPLIT.body),
    "UTF-16": Asked(SPLIT.body.decode().encode("utf-16")),
    "whole floats": with_first(130.0),
    "a fraction for an integer": with_first(130.7),
    "a text for a number": with_first("130"),
    "a word for a number": with_first("Queens"),
    "null for an integer": with_first(None),
    "a boolean for a number": with_first(True),  # noqa: FBT003 (a value of JSON)
    "a zone out of bounds": with_first(266),
    "NaN in a required double": said({"dataframe_split": {"columns": COLUMNS, "data": [[130, 205, float("nan")]]}}),
    "infinity": said({"dataframe_split": {"columns": COLUMNS, "data": [[130, 205, float("inf")]]}}),
    "CSV": Asked(f"{HEADER}\n130,205,3.66\n74,75,1.1\n".encode(), CSV),
    "CSV, columns reordered": Asked(b"trip_distance,DOLocationID,PULocationID\n3.66,205,130\n", CSV),
    "CSV with line ends of Windows": Asked(f"{HEADER}\r\n130,205,3.66\r\n\r\n".encode(), CSV),
    "CSV without a header": Asked(b"130,205,3.66\n74,75,1.1\n", CSV),
    "CSV, one column more": Asked(f"{HEADER},note\n130,205,3.66,x\n".encode(), CSV),
    "CSV, one column less": Asked(b"PULocationID,DOLocationID\n130,205\n", CSV),
    "CSV, a cell too many": Asked(f"{HEADER}\n130,205,3.66\n130,205,3.66,4\n".encode(), CSV),
    "CSV, a word for a number": Asked(f"{HEADER}\nQueens,205,3.66\n".encode(), CSV),
    "CSV of the odd numbers that pandas reads": Asked(f"{HEADER}\n +130,0205,.5\n".encode(), CSV),
    "CSV, a whole float in an integer column": Asked(f"{HEADER}\n130.0,205,3.66\n".encode(), CSV),
    "CSV with a byte-order mark": Asked(f"\ufeff{HEADER}\n130,205,3.66\n".encode(), CSV),
    "CSV that is not UTF-8": Asked(f"{HEADER},caf\xe9\n130,205,3.66,1\n".encode("latin-1"), CSV),
    "CSV of a header alone": Asked(f"{HEADER}\n".encode(), CSV),
    "CSV of nothing": Asked(b"", CSV),
    "charset=utf-8": SPLIT._replace(content_type=f"{JSON}; charset=utf-8"),
    "charset=UTF-8": SPLIT._replace(content_type=f"{JSON}; charset=UTF-8"),
    "charset=utf8": SPLIT._replace(content_type=f"{JSON}; charset=utf8"),
    "charset=latin-1": SPLIT._replace(content_type=f"{JSON}; charset=latin-1"),
    "another parameter": SPLIT._replace(content_type=f"{JSON}; format=pandas-split"),
    "another type": SPLIT._replace(content_type="text/plain"),
    "UTF-32": Asked(SPLIT.body.decode().encode("utf-32")),
    "Parquet that is none": Asked(b"PAR1", PARQUET),
    "Parquet by another name": Asked(b"PAR1", OTHER_PARQUET),
}


class Answer(NamedTuple):
    """Of an answer what a client acts on."""

    status: int
    content: Any

    @classmethod
    def of(cls, status: int, body: bytes) -> "Answer":
        try:
            content = json.loads(body)
        except ValueError:
            return cls(status, "text")
        return cls(status, content["predictions"] if status == 200 else content.get("error_code"))


class Difference(NamedTuple):
    """What MLflow's server answers, what ours does, and why."""

    theirs: Answer
    ours: Answer
    why: str


# Of the model that the fixture trains from a seed.
FIRST, BOTH = [31.888894674354503], [31.888894674354503, 29.596126549495963]
BAD = Answer(400, "BAD_REQUEST")
PARAMETER = Answer(400, "INVALID_PARAMETER_VALUE")
UNSUPPORTED = Answer(415, "text")

ONE_CODE = "what is wrong with a request's rows has one code here, whichever of MLflow's layers would find it"
NO_ROWS = "a list of nothing is no error: its predictions are the list of nothing"
UNCHANGED = "no value is changed on the way to the model: MLflow cuts it off or converts it without a word"
POSITIONS = "a row without names has the signature's columns in their order"
FORM = "a refusal has one form, JSON, whatever the status"

DIFFERENCES = {
    "split, one column less": Difference(PARAMETER, BAD, ONE_CODE),
    "records, one column less": Difference(PARAMETER, BAD, ONE_CODE),
    "inputs, a flat list": Difference(PARAMETER, BAD, ONE_CODE),
    "inputs, a number": Difference(PARAMETER, BAD, ONE_CODE),
    "inputs, a column of another name": Difference(PARAMETER, BAD, ONE_CODE),
    "CSV without a header": Difference(PARAMETER, BAD, ONE_CODE),
    "CSV, one column less": Difference(PARAMETER, BAD, ONE_CODE),
    "split of no rows": Difference(BAD, Answer(200, []), NO_ROWS),
    "records of no rows": Difference(PARAMETER, Answer(200, []), NO_ROWS),
    "inputs of no rows": Difference(PARAMETER, Answer(200, []), NO_ROWS),
    "CSV of a header alone": Difference(BAD, Answer(200, []), NO_ROWS),
    "instances by position": Difference(PARAMETER, Answer(200, BOTH), POSITIONS),
    "inputs by position": Difference(PARAMETER, Answer(200, BOTH), POSITIONS),
    "a fraction for an integer": Difference(Answer(200, FIRST), BAD, UNCHANGED),
    "a text for a number": Difference(Answer(200, FIRST), BAD, UNCHANGED),
    "a boolean for a number": Difference(Answer(200, FIRST), BAD, UNCHANGED),
    "a zone out of bounds": Difference(Answer(200, FIRST), BAD, "the model's metadata says which zones there are"),
    "NaN in a required double": Difference(
        Answer(200, [33.72768181177796]), BAD, "NaN is a missing value, and a required column has none"
    ),
    "infinity": Difference(Answer(200, [44.50679403346152]), BAD, "it is no JSON"),
    "UTF-16": Difference(Answer(200, BOTH), BAD, "every interface reads JSON in UTF-8 only, as RFC 8259 has it"),
    "UTF-32": Difference(Answer(200, BOTH), BAD, "every interface reads JSON in UTF-8 only, as RFC 8259 has it"),
    "charset=utf8": Difference(UNSUPPORTED, Answer(200, BOTH), "another name of UTF-8"),
    "another parameter": Difference(UNSUPPORTED, Answer(200, BOTH), "it changes nothing about the body"),
    "charset=latin-1": Difference(UNSUPPORTED, Answer(415, "BAD_REQUEST"), FORM),
    "another type": Difference(UNSUPPORTED, Answer(415, "BAD_REQUEST"), FORM),
    "Parquet by another name": Difference(UNSUPPORTED, Answer(415, "BAD_REQUEST"), FORM),
    "Parquet that is none": Difference(
        BAD, Answer(415, "BAD_REQUEST"), "Parquet is not read: a few kilobytes of it can become gigabytes"
    ),
}


def ask(port: int, asked: Asked) -> Answer:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)) as connection:
        connection.request("POST", "/invocations", asked.body, {"Content-Type": asked.content_type})
        response = connection.getresponse()
        return Answer.of(response.status, response.read())


def told(port: int, path: str) -> tuple[int, bytes]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()


def free_port() -> int:
    for port in PORTS:
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError(f"no port of {PORTS} is free")


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return example_models.boosted_rides_model(tmp_path_factory.mktemp("models") / "boosted")


@pytest.fixture(scope="module")
def theirs(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local", "--host", "127.0.0.1"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # its worker is found there
    environ = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "PATH": path}
    log = tmp_path_factory.mktemp("mlflow") / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603 (ours)
            [*command, "--port", str(port), "--model-uri", str(model)],
            cwd=log.parent,
            env=environ,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            until = time.monotonic() + SECONDS
            while not accepts(port):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.1)  # nothing tells when it listens
            yield port
        finally:
            os.killpg(process.pid, signal.SIGTERM)


@pytest.fixture(scope="module")
def ours(model: Path) -> Iterator[int]:
    with serving(model) as server:
        yield server.port


@pytest.mark.parametrize("name", REQUESTS)
def test_both_answer_the_same_but_for_the_differences_listed(theirs: int, ours: int, name: str) -> None:
    answers = ask(theirs, REQUESTS[name]), ask(ours, REQUESTS[name])
    if name in DIFFERENCES:
        assert answers == DIFFERENCES[name][:2]
        assert answers[0] != answers[1], "it is no difference any more"
    else:
        assert answers[0] == answers[1]


def test_every_difference_is_of_a_request_of_the_table() -> None:
    assert DIFFERENCES.keys() <= REQUESTS.keys()


@pytest.mark.parametrize("path", ["/ping", "/health", "/version"])
def test_both_have_the_paths_that_its_client_asks(theirs: int, ours: int, path: str) -> None:
    assert (told(theirs, path)[0], told(ours, path)[0]) == (200, 200)


def test_the_real_frames_of_its_own_client_get_the_same_predictions(theirs: int, ours: int) -> None:
    """With an index that is no row number, in pandas' own types, and of thousands of rows."""
    frame = pd.DataFrame(ROWS * 2_500, columns=COLUMNS).set_index(pd.Index(range(7, 5_007)))
    clients = (ScoringServerClient("127.0.0.1", port) for port in (theirs, ours))  # type: ignore[no-untyped-call]
    first, second = (client.invoke(frame).get_predictions() for client in clients)
    assert len(first) == 5_000
    pd.testing.assert_frame_equal(first, second)
