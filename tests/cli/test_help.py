"""The help of every command, on a terminal of 80 columns."""

import functools
import re
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from stream_consumer.cli.app import app
from stream_consumer.settings import FIELDS
from tests.cli.test_output import commands_of

COMMANDS = list(commands_of(get_command(app)))


@functools.cache
def shown(words: tuple[str, ...]) -> str:
    ran = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "80"}, prog_name="stream-consumer")
    assert ran.exit_code == 0
    return ran.output


def parameters_of(words: tuple[str, ...]) -> list[Any]:
    command: Any = get_command(app)
    for word in words:
        command = command.commands[word]
    return list(command.params)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_name_variable_or_default_is_cut(words: tuple[str, ...]) -> None:
    """A person can copy each of them; a line that is broken at a hyphen cuts one, too."""
    said = shown(words)
    assert said.isascii(), "Typer writes UTF-8 to a stream of another encoding"
    assert [line for line in said.splitlines() if len(line) > 80 or re.search(r"\w-$", line)] == []
    for parameter in parameters_of(words):
        default = parameter.default if parameter.show_default is True and isinstance(parameter.default, str) else None
        options = [] if parameter.param_type_name == "argument" else [*parameter.opts, *parameter.secondary_opts]
        names = [*options, parameter.metavar, parameter.envvar, default]
        assert [name for name in names if name and name not in said] == []


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_paragraphs_are_filled_and_no_sentence_is_cut(words: tuple[str, ...]) -> None:
    """A line ends where its next word does not fit, and a command's summary is a whole sentence."""
    said = shown(words)
    about = said.split("\nOptions:")[0].split("\nArguments:")[0]
    for line, after in zip(about.splitlines(), about.splitlines()[1:], strict=False):
        word = after.split()[0] if after.strip() else ""
        assert not line.strip() or not word or len(line) + len(word) >= 77, (line, after)
    assert [line for line in said.partition("Commands:")[2].splitlines() if line.endswith("...")] == []
    assert not re.search(r"\[/?(bold)?\]", said)


LOADING = ["demo", "consume", "replay", "batch", "worker", "serve", "model show", "dead-letters redrive"]
OF_A_MODEL = ["model_digest", "model_columns", "entity_field", "id_field", "prediction_field"]


@pytest.mark.parametrize("command", LOADING)
def test_a_command_that_loads_a_model_names_the_variables_that_say_more_of_it(command: str) -> None:
    said = shown(tuple(command.split()))
    assert [FIELDS[name].variable for name in OF_A_MODEL if FIELDS[name].variable not in said] == []


def test_the_help_of_model_says_that_a_location_will_do() -> None:
    assert "model LOCATION is short for model show LOCATION." in shown(("model",))


def test_the_help_of_batch_takes_ids_from_where_they_come_from() -> None:
    said = " ".join(shown(("batch",)).split())
    assert "Column of ids. Default: ID_FIELD, or <input>_<row> if the input has no such column." in said
