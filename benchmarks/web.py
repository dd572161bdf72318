"""
The web interface under load, beside MLflow's own server and a plain Flask application with the same model.

The rule: a server of one process has one core and wrk another; one of two processes has two, and on a machine of two
cores shares one of them with wrk. Servers take turns. Each request is one ride; before the load every server has to
predict rides as the model itself does, and no answer under load may be an error.
"""

import contextlib
import http.client
import json
import math
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.contestants import Setup, native
from benchmarks.workload import Say, Workload

OURS, MLFLOW, FLASK = "this project", "mlflow models serve", "Flask, Waitress"
OURS_2, MLFLOW_2, FLASK_2 = f"{OURS}, 2 workers", f"{MLFLOW}, 2 workers", "Flask, Gunicorn, 2 workers"
RIVALS = {OURS: (MLFLOW, FLASK), OURS_2: (MLFLOW_2, FLASK_2)}
"""Those that have as many processes."""
CONNECTIONS = (32, 64)
_RIDES = 1_000
_CHECKED = 50
_START_SECONDS = 120

# A body from the list for each request; what was reached as one line of JSON.
_SCRIPT = """
local requests, at = {{}}, 0
init = function()
  for line in io.lines({bodies!r}) do
    requests[#requests + 1] = wrk.format("POST", {path!r}, {{["Content-Type"] = "application/json"}}, line)
  end
end
request = function() at = at % #requests + 1; return requests[at] end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('{{"requests": %d, "micros": %d, "p50": %f, "p99": %f, "errors": %d}}\\n', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


class WrongAnswer(Exception):
    """A server does not predict what the model does, or answers with errors: its speed says nothing."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """How a server is started, asked and understood, and how many cores it may use."""

    path: str
    command: Callable[[Path, int], list[str]]
    body: Callable[[dict[str, Any]], dict[str, Any]]
    minutes: Callable[[Any], float]
    cores: int = 1


def _event(ride: dict[str, Any]) -> dict[str, Any]:
    return {"ride": ride, "ride_id": 256}


def _python(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", *arguments]


def _ours(workers: int) -> Contestant:
    return Contestant(
        "/predict",
        lambda model, port: _python(
            "stream_consumer", "serve", "--model", str(model), "--port", str(port), "--workers", str(workers)
        ),
        _event,
        lambda answer: float(answer["prediction"]["ride_duration"]),
        workers,
    )


def _mlflow(workers: int) -> Contestant:
    serve = ("mlflow", "models", "serve", "--env-manager", "local", "--workers", str(workers))
    return Contestant(
        "/invocations",
        lambda model, port: _python(*serve, "-m", str(model), "-p", str(port)),
        lambda ride: {"dataframe_records": [ride]},
        lambda answer: float(answer["predictions"][0]),
        workers,
    )


def _flask(command: Callable[[Path, int], list[str]], workers: int) -> Contestant:
    return Contestant("/predict", command, _event, lambda answer: float(answer["prediction"]["ride_duration"]), workers)


def _gunicorn(model: Path, port: int) -> list[str]:
    application = f"benchmarks.flask_app:flask_app({str(model)!r})"
    return [*_python("gunicorn"), "--workers", "2", "--bind", f"127.0.0.1:{port}", application]


CONTESTANTS = {
    OURS: _ours(1),
    MLFLOW: _mlflow(1),
    FLASK: _flask(lambda model, port: _python("benchmarks.flask_app", str(model), str(port)), 1),
    OURS_2: _ours(2),
    MLFLOW_2: _mlflow(2),
    FLASK_2: _flask(_gunicorn, 2),
}


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw."""

    rate: float
    """Requests a second."""
    p50: float
    """Milliseconds."""
    p99: float


@dataclass(frozen=True, slots=True)
class Web:
    """What wrk saw of each server by the number of connections, one for each round."""

    rounds: Mapping[str, Mapping[int, Sequence[Load]]]

    def median(self, contestant: str, connections: int) -> Load:
        """Each figure's own median."""
        rates, p50s, p99s = zip(
            *((it.rate, it.p50, it.p99) for it in self.rounds[contestant][connections]), strict=True
        )
        return Load(statistics.median(rates), statistics.median(p50s), statistics.median(p99s))

    def faster(self, ours: str, other: str, connections: int) -> float:
        """Requests a second of *ours* to those of *other*: the median of the rounds' ratios."""
        return self._ratio(ours, other, connections, lambda load: load.rate)

    def later(self, ours: str, other: str, connections: int) -> float:
        """The 99th percentile of *ours* to that of *other*."""
        return self._ratio(ours, other, connections, lambda load: load.p99)

    def _ratio(self, ours: str, other: str, connections: int, figure: Callable[[Load], float]) -> float:
        pairs = zip(self.rounds[ours][connections], self.rounds[other][connections], strict=True)
        return statistics.median(figure(one) / figure(another) for one, another in pairs)


def web(workload: Workload, directory: Path, rounds: int, seconds: int, say: Say) -> Web | None:
    """
    Put load on each server in turn; None without wrk.

    Raises:
        WrongAnswer: See there.
    """
    if shutil.which("wrk") is None:
        say("web: NOT MEASURED, wrk is not installed")
        return None
    rides = _rides(workload)
    model = workload.models["default"]
    expected = native(Setup(model, ""))([list(ride.values()) for ride in rides[:_CHECKED]])
    figures: dict[str, dict[int, list[Load]]] = {name: {at: [] for at in CONNECTIONS} for name in CONTESTANTS}
    for number in range(rounds):
        for name, contestant in CONTESTANTS.items():
            with _running(contestant, model) as port:
                _check(name, contestant, port, rides, expected)
                script = _script(contestant, rides, directory)
                for connections in CONNECTIONS:
                    say(f"web, round {number + 1} of {rounds}, {connections} connections: {name}")
                    figures[name][connections].append(_load(name, script, port, connections, seconds))
    return Web(figures)


def _rides(workload: Workload) -> list[dict[str, Any]]:
    rides = workload.rides
    columns = (rides.PULocationID[:_RIDES], rides.DOLocationID[:_RIDES], rides.trip_distance[:_RIDES])
    return [
        {"PULocationID": int(pickup), "DOLocationID": int(dropoff), "trip_distance": float(distance)}
        for pickup, dropoff, distance in zip(*columns, strict=True)
    ]


def _on(cores: slice) -> list[str]:
    """Return a prefix that holds a command to those of the cores that this process may use."""
    return ["taskset", "-c", ",".join(str(core) for core in sorted(os.sched_getaffinity(0))[cores])]


@contextlib.contextmanager
def _running(contestant: Contestant, model: Path) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    command = [*_on(slice(contestant.cores)), *contestant.command(model, port)]
    # mlflow looks for uvicorn on the path; what it starts is ended with it, as a group. Two workers with two OpenMP
    # threads each would wait for each other on two cores: Flask under Gunicorn answered once in three seconds.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = os.environ | {"PATH": path, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(  # noqa: S603 (ours)
        command, env=environ, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _await(port, process)
            yield port
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def _await(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _check(name: str, contestant: Contestant, port: int, rides: Sequence[dict[str, Any]], expected: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for ride, minutes in zip(rides, expected, strict=False):
        body = json.dumps(contestant.body(ride))
        connection.request("POST", contestant.path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != http.client.OK or not math.isclose(contestant.minutes(json.loads(said)), minutes):
            raise WrongAnswer(f"{name} answers {body} with {answer.status}: {said!r}; wanted {minutes} minutes")
    connection.close()


def _script(contestant: Contestant, rides: Sequence[dict[str, Any]], directory: Path) -> Path:
    bodies, script = directory / "bodies", directory / "load.lua"
    bodies.write_text("".join(json.dumps(contestant.body(ride)) + "\n" for ride in rides), encoding="utf-8")
    script.write_text(_SCRIPT.format(bodies=str(bodies), path=contestant.path), encoding="utf-8")
    return script


def _load(name: str, script: Path, port: int, connections: int, seconds: int) -> Load:
    load = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--timeout",
        "30s",
        "-s",
        str(script),
        f"http://127.0.0.1:{port}",
    ]
    done = subprocess.run([*_on(slice(-1, None)), *load], check=True, capture_output=True, text=True)  # noqa: S603 (ours)
    seen = json.loads(done.stdout.splitlines()[-1])
    if seen["errors"]:
        raise WrongAnswer(f"{name}: {seen['errors']} of {seen['requests']} answers under load were errors")
    return Load(seen["requests"] / seen["micros"] * 1e6, seen["p50"] / 1e3, seen["p99"] / 1e3)
