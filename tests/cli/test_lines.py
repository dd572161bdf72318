"""How a line longer than 80 columns looks on a terminal, and in a file."""

import contextlib
import io
from collections.abc import Callable

import pytest

from stream_consumer.cli.terminal import Terminal, complain, error
from tests.cli.conftest import Command
from tests.cli.terminal import Tty

SENTENCE = "MODEL_LOCATION is not set; name a directory, an s3:// prefix or models:/NAME@ALIAS, as the docs say"
LOCATION = "s3://" + "models/" * 12
SAID = f"{SENTENCE}. {LOCATION} is no model. {SENTENCE}."


def narrate(text: str) -> None:
    Terminal(stderr=True, lines=True).print(text)


@pytest.mark.parametrize(("say", "before"), [(complain, ""), (error, "error: "), (narrate, "")])
def test_only_a_terminal_wraps_a_line_and_only_between_words(tty: Tty, say: Callable[[str], None], before: str) -> None:
    with contextlib.redirect_stderr(tty):
        say(SAID)
    assert " ".join(tty.lines()) == before + SAID
    assert [line for line in tty.lines() if len(line) > 80] == [LOCATION]
    with contextlib.redirect_stderr(io.StringIO()) as file:
        say(SAID)
    assert file.getvalue() == f"{before}{SAID}\n"


def test_so_is_what_is_said_of_a_wrong_argument(command: Command, tty: Tty) -> None:
    with contextlib.redirect_stderr(tty):
        assert command("put", "rides.parquet", "--limit", "9" * 40).code == 2
    assert max(map(len, tty.lines())) <= 80
    said = f"error: --limit is '{'9' * 40}', wanted 0 to 1,000,000,000. See "
    assert " ".join(tty.lines()).startswith(said)
    assert command("put", "rides.parquet", "--limit", "9" * 40).err.splitlines()[0].startswith(said)


def test_a_command_without_a_subcommand_shows_its_help(command: Command) -> None:
    ran = command("model")
    assert (ran.code, ran.err.startswith("Usage: ")) == (2, True), ran
