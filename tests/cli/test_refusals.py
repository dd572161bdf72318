"""Errors about a command line: one line that begins as all errors begin, with the value seen and the value wanted."""

import pytest

from tests.cli.conftest import Command

REFUSED = {
    ("archive", "--to", "x", "--seconds", "0"): "--seconds is '0', wanted 1 to 900",
    ("put", "x", "--limit", "1.5"): "--limit is '1.5', wanted a whole number",
    ("put", "x", "--rate", "nan"): "--rate is 'nan', wanted 0.001 to 1,000,000",
    ("tail", "--limit", "0"): "--limit is '0', wanted 1 or more",
    ("capacity", "many"): "RATE is 'many', wanted a number",
    ("demo", "--drift", "x"): "--drift: 'x' is not one of 'kilometres', 'zeros', 'zones'",
    ("put",): "missing argument 'FILE'",
    ("worker",): "missing option '--queue' (env var: 'QUEUE_URL')",
    ("nosuch",): "no such command 'nosuch'",
}


@pytest.mark.parametrize(("arguments", "said"), REFUSED.items(), ids=map(" ".join, REFUSED))
def test_what_is_wrong_is_named_with_the_value_wanted(
    command: Command, arguments: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QUEUE_URL", raising=False)
    ran = command(*arguments)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ran.err.startswith(f"error: {said}. See ")
    assert ran.err.endswith(" --help\n")


def test_a_variable_is_named_if_the_value_came_from_it(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEALTH_PORT", "http")
    assert command("consume").err.startswith("error: the variable HEALTH_PORT is 'http', wanted a whole number. See ")
    assert command("consume", "--health-port", "-1").err.startswith("error: --health-port is '-1', wanted 0 to 65,535.")
