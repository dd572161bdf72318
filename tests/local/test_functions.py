"""A handler called in process answers and fails as it would on Lambda."""

import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from stream_consumer.errors import Terminated, UsageError
from stream_consumer.local.runtime.functions import FunctionConfig, FunctionError, InProcessFunction

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def function(handler: str, **config: Any) -> InProcessFunction:
    return InProcessFunction(FunctionConfig(handler, task_root=HERE, **config))


def misbehave(what: str) -> FunctionError | None:
    with function("handlers.misbehave") as made:
        return made.invoke(json.dumps({"do": what}).encode()).error


def test_the_handler_gets_the_event_and_its_response_comes_back() -> None:
    invocation = function("handlers.succeed").invoke(b'{"Records": [{}, {}]}')

    assert json.loads(invocation.payload) == {"batchItemFailures": [], "records": 2}
    assert invocation.error is None


def test_the_context_is_lambdas() -> None:
    invocation = function("handlers.describe", name="score", timeout_seconds=3.0, memory_mb=512).invoke(b"{}")

    said = json.loads(invocation.payload)
    assert said["request_id"] == invocation.request_id
    assert said["function_name"] == "score"
    assert said["function_version"] == "$LATEST"
    assert said["invoked_function_arn"] == "arn:aws:lambda:us-east-1:000000000000:function:score"
    assert said["memory_limit_in_mb"] == "512"
    assert 2000 < said["remaining"] <= 3000


def test_an_exception_is_a_function_error_with_the_stack_of_the_handler_alone() -> None:
    error = misbehave("raise")

    assert error is not None
    assert (error.error_type, error.message) == ("ValueError", "the function's fault")
    assert len(error.stack_trace) == 1
    assert "handlers.py" in error.stack_trace[0]


@pytest.mark.parametrize(("what", "raised"), [("interrupt", KeyboardInterrupt), ("get a signal", Terminated)])
def test_a_signal_during_an_invocation_is_no_function_error(what: str, raised: type[BaseException]) -> None:
    """Ctrl-C, or SIGTERM to a command of this package."""
    with pytest.raises(raised):
        misbehave(what)


def test_an_exit_ends_the_invocation_and_not_the_process() -> None:
    assert misbehave("exit") == FunctionError("Runtime.ExitError", "Runtime exited with error: exit status 3")


def test_a_response_that_is_not_json_is_a_marshal_error() -> None:
    error = misbehave("return an object")

    assert error == FunctionError(
        "Runtime.MarshalError", "Unable to marshal response: Object of type object is not JSON serializable"
    )


def test_decimals_are_numbers() -> None:
    assert function("handlers.misbehave").invoke(b'{"do": "return a decimal"}').payload == b'{"seconds":1.5}'


def test_a_response_over_six_megabytes_is_an_error() -> None:
    assert misbehave("return as much as fits") is None
    assert misbehave("return too much") == FunctionError(
        "Function.ResponseSizeTooLarge",
        "Response payload size (6291557 bytes) exceeded maximum allowed payload size (6291556 bytes).",
    )


def test_invocations_of_several_threads_take_turns(tmp_path: Path) -> None:
    """One environment has one invocation at a time, whoever asks."""
    (tmp_path / "counting.py").write_text(
        "import time\nnow, most = 0, 0\n"
        "def handler(event, context):\n"
        "    global now, most\n"
        "    now += 1\n    most = max(now, most)\n    time.sleep(0.001)\n    now -= 1\n    return most\n"
    )
    made = InProcessFunction(FunctionConfig("counting.handler", task_root=tmp_path))
    threads = [threading.Thread(target=made.invoke, args=(b"{}",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert made.invoke(b"{}").payload == b"1"


def test_a_handler_in_a_folder_is_found_as_on_lambda(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside.py").write_text("def handler(event, context):\n    return 'found'\n")

    made = InProcessFunction(FunctionConfig("folder/inside.handler", task_root=tmp_path))

    assert made.invoke(b"{}").payload == b'"found"'


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        ("handler", "'handler' is not of the form module.handler"),
        ("no_such_module.handler", "no module 'no_such_module'"),
        ("handlers.no_such_function", "module 'handlers' has no function 'no_such_function'"),
        ("handlers.COLD", "module 'handlers' has no function 'COLD'"),
    ],
)
def test_a_handler_that_is_not_there_is_a_usage_error(handler: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        function(handler)


def test_what_a_module_raises_while_it_is_imported_is_not_ours_to_explain(tmp_path: Path) -> None:
    (tmp_path / "needs_more.py").write_text("import no_such_dependency\n")

    with pytest.raises(RuntimeError, match="this module is broken"):
        function("broken_module.handler")
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        InProcessFunction(FunctionConfig("needs_more.handler", task_root=tmp_path))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"timeout_seconds": 0}, "timeout of 0 s"),
        ({"timeout_seconds": 901}, "0 to 900"),
        ({"memory_mb": 64}, "128 to 10240"),
    ],
)
def test_limits_outside_lambdas_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        FunctionConfig("module.handler", **config)
