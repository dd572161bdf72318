"""
Errors about a command line, in the style of all errors: the option, the value seen, the value wanted and where to look.

The rule: Typer finds the error, and this module only words it.
"""

from typing import Any

from stream_consumer.cli.commands import range_in_words

_WANTED = {"int_parsing": "a whole number", "int_from_float": "a whole number", "float_parsing": "a number"}
"""Values wanted, by the type of a pydantic error about a text."""
_OUT_OF_RANGE = {"less_than_equal", "greater_than_equal", "finite_number"}


def refusal(refused: Any) -> str:
    """
    Return the error for *refused*, an exception of Typer.

    For example: ``--limit is '-1', wanted 0 to 1,000,000,000. See stream-consumer put --help``
    """
    invalid, context = refused.__cause__, getattr(refused, "ctx", None)
    if invalid is not None and hasattr(invalid, "errors") and refused.param is not None:
        said = _invalid(refused.param, invalid.errors()[0], context)
    else:
        said = refused.format_message().rstrip(".")
        said = said[:1].lower() + said[1:]
    return f"{said}. See {context.command_path} --help" if context else said


def _invalid(parameter: Any, fault: Any, context: Any) -> str:
    source = context.get_parameter_source(parameter.name) if context else None
    options = [name for name in parameter.opts if name.startswith("-")]
    name = " / ".join(options) or parameter.display_name_raw
    if source is not None and source.name == "ENVIRONMENT":
        name = f"the variable {parameter.envvar}"
    if fault["type"] == "value_error":  # a value that is none of a few
        return f"{name}: {fault['ctx']['error']}".rstrip(".")
    wanted = _WANTED.get(fault["type"]) or fault["msg"].removeprefix("Input should be ")
    if fault["type"] in _OUT_OF_RANGE:
        wanted = range_in_words(parameter.min, parameter.max) or wanted
    return f"{name} is {fault['input']!r}, wanted {wanted}"
