"""Real awslambdaric workers: what happens to them is reported as Lambda reports it."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stream_consumer.errors import LocalPlatformError, UsageError
from stream_consumer.local.runtime.functions import FunctionConfig, FunctionError, Invocation
from stream_consumer.local.runtime.worker_pool import RuntimeFunction, unlogged

HERE = Path(__file__).parent


@contextmanager
def running(handler: str, *, timeout: float = 20, memory_mb: int = 1024, **options: Any) -> Iterator[RuntimeFunction]:
    config = FunctionConfig(handler, name="score", task_root=HERE, timeout_seconds=timeout, memory_mb=memory_mb)
    with RuntimeFunction(
        config, environment={"PATH": os.environ["PATH"]} | options.pop("environment", {}), **options
    ) as made:
        yield made


def do(function: RuntimeFunction, what: str) -> Invocation:
    return function.invoke(json.dumps({"do": what}).encode())


def pid_of(function: RuntimeFunction) -> int:
    pid: int = json.loads(do(function, "tell").payload)["pid"]
    return pid


def state_of(pid: int) -> str:
    """Return the letter of proc(5) for what that process does, "X" where it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # the second where it is reaped between open and read
        return "X"


def is_running(pid: int) -> bool:
    return state_of(pid) not in "XZ"


def until(condition: Callable[[], bool]) -> bool:
    """Whether *condition* came true within ten seconds; what it watches happens in another process."""
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    return condition()


def test_a_worker_answers_with_lambdas_context_and_environment() -> None:
    event = {"Records": [{"text": "é\u2028\U0001f600"}]}
    with running(
        "handlers.describe", timeout=5, memory_mb=512, environment={"AWS_EXECUTION_ENV": "inherited"}
    ) as function:
        first, second = (function.invoke(json.dumps(event).encode()) for _ in range(2))

    said = json.loads(first.payload)
    assert said["event"] == event
    assert said["request_id"] == first.request_id
    assert said["invoked_function_arn"] == "arn:aws:lambda:us-east-1:000000000000:function:score"
    assert 4000 < said["remaining"] <= 5000
    fixed = {name: value for name, value in said["environment"].items() if not name.endswith(("_API", "_STREAM_NAME"))}
    assert fixed == {
        "_HANDLER": "handlers.describe",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_NAME": "score",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/score",
        "AWS_REGION": "us-east-1",
        "LAMBDA_TASK_ROOT": str(HERE),
    }
    assert (said["cold"], json.loads(second.payload)["cold"]) == (True, False)


def test_an_exception_is_reported_and_the_worker_stays() -> None:
    with running("handlers.misbehave") as function:
        before = pid_of(function)
        error = do(function, "raise").error

        assert error is not None
        assert (error.error_type, error.message) == ("ValueError", "the function's fault")
        assert "handlers.py" in error.stack_trace[0]
        assert pid_of(function) == before


@pytest.mark.parametrize(
    ("what", "how"),
    [
        ("exit at once", "with error: exit status 7"),
        ("exit silently", "without providing a reason"),
        ("abort", "with error: signal: aborted"),
    ],
)
def test_a_crash_is_an_exit_error_and_the_next_invocation_starts_cold(what: str, how: str) -> None:
    with running("handlers.misbehave") as function:
        before = pid_of(function)
        crashed = do(function, what)

        assert crashed.error == FunctionError(
            "Runtime.ExitError", f"RequestId: {crashed.request_id} Error: Runtime exited {how}"
        )
        assert pid_of(function) != before


def test_a_timeout_kills_the_worker() -> None:
    with running("handlers.misbehave", timeout=0.5) as function:
        before = pid_of(function)
        timed_out = do(function, "hang")

        assert timed_out.error == FunctionError(
            "Sandbox.Timedout", f"RequestId: {timed_out.request_id} Error: Task timed out after 0.50 seconds"
        )
        assert not is_running(before)
        assert pid_of(function) != before


def test_more_memory_than_configured_kills_the_worker() -> None:
    with running("handlers.misbehave", memory_mb=128) as function:
        before = pid_of(function)
        killed = do(function, "eat memory")

        assert killed.error == FunctionError(
            "Runtime.OutOfMemory", f"RequestId: {killed.request_id} Error: Runtime exited with error: signal: killed"
        )
        assert not is_running(before)


def test_a_worker_killed_from_outside_is_an_exit_error() -> None:
    with running("handlers.misbehave") as function:
        pid = pid_of(function)
        threading.Timer(0.2, os.kill, (pid, signal.SIGKILL)).start()
        killed = do(function, "hang")

        assert killed.error is not None
        assert killed.error.message.endswith("Runtime exited with error: signal: killed")


def test_a_worker_killed_between_invocations_is_replaced() -> None:
    with running("handlers.misbehave") as function:
        pid = pid_of(function)
        os.kill(pid, signal.SIGKILL)
        assert until(lambda: not is_running(pid))

        assert until(lambda: do(function, "tell").error is None)


@pytest.mark.parametrize(
    ("handler", "error_type", "message"),
    [
        ("broken_module.handler", "RuntimeError", "this module is broken"),
        ("no_such_module.handler", "Runtime.ImportModuleError", "No module named 'no_such_module'"),
        (
            "handlers.no_such_function",
            "Runtime.HandlerNotFound",
            "Handler 'no_such_function' missing on module 'handlers'",
        ),
    ],
)
def test_a_failed_init_is_repeated_in_the_invocation_and_then_its_error(
    handler: str, error_type: str, message: str
) -> None:
    lines: list[str] = []
    with running(handler, log=lines.append) as function:
        error = function.invoke(b"{}").error

    assert error is not None
    assert error.error_type == error_type
    assert message in error.message
    assert sum("[ERROR]" in line for line in lines) == 2


def test_an_init_beyond_its_limit_is_repeated_against_the_functions_timeout() -> None:
    with running("slow_module.handler", timeout=0.3, init_seconds=0.2) as function:
        error = function.invoke(b"{}").error

    assert error is not None
    assert error.error_type == "Sandbox.Timedout"
    assert error.message.endswith("Task timed out after 0.30 seconds")


def test_an_init_beyond_its_limit_may_still_succeed_in_the_invocation(tmp_path: Path) -> None:
    """An init of more than its limit, here by a file that the first try leaves behind, is only slow."""
    (tmp_path / "second_time.py").write_text(
        "import pathlib, time\nmark = pathlib.Path(__file__).with_name('mark')\n"
        "if not mark.exists():\n    mark.touch()\n    time.sleep(60)\n"
        "def handler(event, context):\n    return 'ready'\n"
    )
    config = FunctionConfig("second_time.handler", task_root=tmp_path)
    with RuntimeFunction(config, environment={}, init_seconds=1.0) as function:
        assert function.invoke(b"{}").payload == b'"ready"'
    (tmp_path / "mark").unlink()
    with RuntimeFunction(config, environment={}, init_seconds=1.0) as function:
        assert function.warm_up() is None


def test_warming_up_tells_how_long_a_slow_init_was_given_and_the_remedy() -> None:
    with running("slow_module.handler", timeout=0.3, init_seconds=0.2) as function:
        error = function.warm_up()
    assert error == FunctionError("Sandbox.Timedout", "init timed out after 0.3 seconds; raise the function's timeout")


def test_a_signal_while_warming_up_does_not_wait_for_the_init(tmp_path: Path) -> None:
    (tmp_path / "stuck.py").write_text("import time\nprint('stuck', flush=True)\ntime.sleep(60)\n")
    config = FunctionConfig("stuck.handler", task_root=tmp_path)
    lines: list[str] = []
    main = threading.get_ident()

    def log(line: str) -> None:
        lines.append(line)
        signal.pthread_kill(main, signal.SIGINT)

    with RuntimeFunction(config, environment={}, init_seconds=50.0, log=log) as function:
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            function.warm_up()
        assert time.monotonic() - began < 40
    assert lines == ["stuck"]


def test_what_a_killed_worker_left_in_its_temporary_folder_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "leaving.py").write_text(
        "import tempfile\ndef handler(event, context):\n    return tempfile.mkdtemp(prefix='model-')\n"
    )
    config = FunctionConfig("leaving.handler", task_root=tmp_path)
    with RuntimeFunction(config, environment={}) as function:
        left = Path(json.loads(function.invoke(b"{}").payload))
        assert left.is_relative_to(tmp_path / "temporary")
    assert list((tmp_path / "temporary").iterdir()) == []


def test_warming_up_tells_an_init_error_at_once() -> None:
    with (
        running("broken_module.handler", environments=2) as broken,
        running("handlers.succeed", environments=2) as good,
    ):
        error = broken.warm_up()
        assert error is not None
        assert error.message == "this module is broken"
        assert good.warm_up() is None


def test_a_response_over_six_megabytes_is_an_error_and_the_next_invocation_works() -> None:
    with running("handlers.misbehave") as function:
        assert len(do(function, "return as much as fits").payload) == 6_291_556
        assert do(function, "return too much").error == FunctionError(
            "Function.ResponseSizeTooLarge",
            "Response payload size (6291557 bytes) exceeded maximum allowed payload size (6291556 bytes).",
        )
        assert do(function, "tell").error is None


def test_a_response_that_is_not_json_is_a_marshal_error() -> None:
    with running("handlers.misbehave") as function:
        error = do(function, "return an object").error

    assert error is not None
    assert error.error_type == "Runtime.MarshalError"


def test_what_a_worker_prints_is_handed_over_line_by_line() -> None:
    lines: list[str] = []
    with running("handlers.misbehave", log=lines.append) as function:
        do(function, "print")
        do(function, "exit at once")

    assert "a line on standard output" in lines
    assert "a line on standard error" in lines


def test_environments_work_beside_each_other_in_processes_of_their_own(tmp_path: Path) -> None:
    event = json.dumps({"do": "meet", "folder": str(tmp_path), "count": 2}).encode()
    with running("handlers.misbehave", environments=2) as function, ThreadPoolExecutor(2) as threads:
        errors = [invocation.error for invocation in threads.map(function.invoke, [event, event])]

    assert errors == [None, None]


def test_a_frozen_environment_thaws_for_its_next_invocation() -> None:
    with running("handlers.misbehave", freeze=True) as function:
        pid = pid_of(function)
        assert until(lambda: state_of(pid) == "T")

        assert pid_of(function) == pid


def test_closing_ends_the_workers_and_the_invocations_under_way() -> None:
    with running("handlers.misbehave") as function:
        pid = pid_of(function)
        results: list[Invocation] = []
        thread = threading.Thread(target=lambda: results.append(do(function, "hang")))
        thread.start()
        threading.Event().wait(0.1)
    thread.join(10)

    assert not is_running(pid)
    [interrupted] = results
    assert interrupted.error is not None
    with pytest.raises(LocalPlatformError, match="was closed"):
        do(function, "tell")


def test_workers_die_with_their_parent_however_it_dies(tmp_path: Path) -> None:
    """No orphans: a SIGKILL of this process takes its workers with it, even a stopped one."""
    script = tmp_path / "parent.py"
    script.write_text(
        "import json, os, pathlib, sys, time\n"
        "from stream_consumer.local.runtime.functions import FunctionConfig\n"
        "from stream_consumer.local.runtime.worker_pool import RuntimeFunction\n"
        f"config = FunctionConfig('handlers.misbehave', task_root=pathlib.Path({str(HERE)!r}))\n"
        "function = RuntimeFunction(config, environment=dict(os.environ))\n"
        "print(json.loads(function.invoke(b'{\"do\": \"tell\"}').payload)['pid'], flush=True)\n"
        "time.sleep(60)\n"
    )
    root = HERE.parent.parent
    with subprocess.Popen(  # noqa: S603 - the script above
        [sys.executable, str(script)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(root)}
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_running(pid)
        parent.kill()

    assert until(lambda: not is_running(pid))


def test_without_awslambdaric_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with pytest.raises(UsageError, match="exists for Linux only: elsewhere invoke the handler in process"):
        RuntimeFunction(FunctionConfig("handlers.succeed"), environment={})


def test_unlogged_lines_are_dropped() -> None:
    unlogged("a line")
