"""The help of every command, on a terminal of 80 columns."""

import functools
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from stream_consumer.cli.app import app
from stream_consumer.settings import FIELDS
from stream_consumer.web.settings import FIELDS as WEB_FIELDS
from tests.cli.test_output import commands_of

ROOT: Any = get_command(app)
COMMANDS = list(commands_of(ROOT))
UNITS = {
    **dict.fromkeys(["COUNT", "PORT", "SEED"], ""),
    "RATE": "per second",
    "BYTES": "in bytes",
    "MB": "in MB",
    "DAYS": "days",
    "MINUTES": "in minutes",
    "SECONDS": "in seconds",
    "MILLISECONDS": "in milliseconds",
    "MICROSECONDS": "in microseconds",
    "SHARE": "as a fraction",
    **dict.fromkeys(["ERROR", "DIFFERENCE"], "in the unit of the prediction"),
}
"""What a number may stand for, and the words of the help that name its unit. Counts need none."""
MOST_POINTING = 2.0
"""Pointing words per 100 words, of all help."""


@functools.cache
def shown(words: tuple[str, ...]) -> str:
    ran = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "80"}, prog_name="stream-consumer")
    assert ran.exit_code == 0
    return ran.output


@functools.cache
def measure() -> Any:
    """Return the measure of our English, .ci/words.py."""
    spec = importlib.util.spec_from_file_location("words", Path(__file__).parents[2] / ".ci" / "words.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def texts_of(words: tuple[str, ...]) -> list[str]:
    """Return the sentences that were written for the help: those of the command and of its parameters."""
    command = functools.reduce(lambda group, word: group.commands[word], words, ROOT)
    return [command.help or "", command.epilog or "", *(parameter.help or "" for parameter in command.params)]


def parameters_of(words: tuple[str, ...]) -> list[Any]:
    return list(functools.reduce(lambda group, word: group.commands[word], words, ROOT).params)


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


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_value_is_named_and_has_its_default_or_is_required(words: tuple[str, ...]) -> None:
    """Nobody has to know Python's types, and nobody has to try what happens without an option."""
    said = shown(words)
    assert re.findall(r"<(?:bool|str|int|float|path|list)[^>]*>|x[<>]=|\u2026", said) == []
    listed = re.split("\n(?:Arguments|Options):", said, maxsplit=1)[1]
    for parameter in parameters_of(words):
        if getattr(parameter, "is_flag", False) or parameter.hidden:
            continue
        name = max(parameter.opts, key=len) if parameter.param_type_name == "option" else parameter.metavar
        about = re.search(rf"^  (?:-\w, )?{re.escape(name)}\b.*(?:\n {{6,}}.*)*", listed, re.MULTILINE)
        assert about, name
        assert re.search(r"default:|required\]", " ".join(about[0].split())), about[0]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_number_names_its_unit(words: tuple[str, ...]) -> None:
    for parameter in parameters_of(words):
        annotation = parameter.type_descriptor.annotation
        if not parameter.hidden and annotation in {int, float}:
            assert UNITS[parameter.metavar] in parameter.help, parameter.name


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_is_plain_english(words: tuple[str, ...]) -> None:
    texts = texts_of(words)
    assert [text for text in texts if measure().unwanted(measure().Text(1, text))] == []
    assert [text for text in texts if ";" in text] == []


def test_help_hardly_points() -> None:
    """By the measure of docstrings, which is stricter here."""
    count = measure().Count.of([text for command in COMMANDS for text in texts_of(command)])
    assert count.words > 3_000
    assert count.pointing_share <= MOST_POINTING, count


SERVED = ["host", "workers", "max_items", "max_body_bytes", "queue_items", "timeout_ms", "grace_seconds"]


@pytest.mark.parametrize("option", SERVED)
def test_the_defaults_of_serve_are_those_of_its_settings(option: str) -> None:
    parameter = next(one for one in parameters_of(("serve",)) if one.name == option)
    assert parameter.show_default == str(WEB_FIELDS[option].default)


def test_the_help_names_completion_and_the_versions_for_a_bug_report() -> None:
    assert "Shell completion: stream-consumer --install-completion" in shown(())
    versions = CliRunner().invoke(app, ["--version"]).output
    assert re.search(r"stream-consumer \d.*\nPython 3\.\d+\.\d+, scikit-learn \d", versions), versions


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
    assert "Without this column the ids are <input>_<row>. [default: ID_FIELD]" in said
