"""
Commands and their help: each value is named by its unit, and ranges are in words.

The rule: every command is registered with :class:`Commands`, so all commands show their help in the same way.
"""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand

Function = TypeVar("Function", bound=Callable[..., Any])

_UNBREAKABLE = "\N{NON-BREAKING HYPHEN}"
"""Stands for a hyphen while lines are filled, so that no option, variable or default is cut."""


class _Command(TyperCommand):
    """A command whose help names neither Python's types nor ranges of an ``x``."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        for heading, kind in (("Arguments", "argument"), ("Options", "option")):
            parameters = [parameter for parameter in self.get_params(ctx) if parameter.param_type_name == kind]
            if rows := [row for parameter in parameters if (row := _row(parameter, ctx))]:
                with formatter.section(heading):
                    formatter.write_dl(rows)
        formatter.buffer[:] = [piece.replace(_UNBREAKABLE, "-") for piece in formatter.buffer]


def _row(parameter: Any, context: Any) -> tuple[str, str] | None:
    """Return the name and the text of a parameter as Typer has them, in words. None if the parameter is hidden."""
    record = parameter.get_help_record(context)
    if record is None:
        return None
    name, text = record
    text = re.sub(r"default: \((.*?)\)(?=[;\]])", r"default: \1", text)
    text = re.sub(r"[^ ]*x[<>]=[^];]*", range_in_words(parameter.min, parameter.max), text)
    return re.sub(r" <[^>]+>$", "", name), text.replace("-", _UNBREAKABLE)


def range_in_words(least: float | None, most: float | None) -> str:
    """
    Return a range of numbers in words, empty if the range has no limits.

    >>> range_in_words(1, 10_000), range_in_words(0.5, None)
    ('1 to 10,000', '0.5 or more')
    """
    low, high = (None if limit is None else f"{limit:,.10g}" for limit in (least, most))
    match low, high:
        case None, None:
            return ""
        case None, _:
            return f"at most {high}"
        case _, None:
            return f"{low} or more"
        case _:
            return f"{low} to {high}"


class Commands(typer.Typer):
    """A group of commands."""

    def command(self, name: str | None = None, **how: Any) -> Callable[[Function], Function]:
        return super().command(name, **{"cls": _Command} | how)
