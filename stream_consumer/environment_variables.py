"""Reading environment variables: parsers, fields, and a report of all faults at once."""

import difflib
import importlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from stream_consumer.errors import SettingsError

_NEAR = 0.9
"""Similarity of two names, 0 to 1. One or two letters of a setting's name may be missing, added or others."""

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off", ""})

_POWERTOOLS_TRUE = frozenset({"1", "y", "yes", "t", "true", "on"})
_POWERTOOLS_FALSE = frozenset({"0", "n", "no", "f", "false", "off"})


def boolean(text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError("wanted true or false")
    return text.lower() in _TRUE


def integer(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text) or not least <= int(text) <= most:
            raise ValueError(f"wanted a whole number from {least} to {most}")
        return int(text)

    return parse


def share(text: str) -> float:
    """Return the share in *text*, ``5%`` or ``0.05``."""
    number = re.fullmatch(r"(\d{1,3}(?:\.\d{1,9})?)(%?)", text)
    value = float(number[1]) / (100 if number[2] else 1) if number else -1.0
    if not 0 <= value <= 1:
        raise ValueError("wanted a share such as 5% or 0.05")
    return value


def amount(text: str) -> float:
    if not re.fullmatch(r"\d{1,15}(\.\d{1,15})?", text):
        raise ValueError("wanted a number that is not negative, such as 0.5")
    return float(text)


def matching(pattern: str, wanted: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"wanted {wanted}")
        return text

    return parse


class Field(NamedTuple):
    """One environment variable: its parser, its default and its meaning."""

    variable: str
    parse: Callable[[str], Any]
    default: Any
    meaning: str
    secret: bool = False
    """Whether messages must not show the text."""
    empty: bool = False
    """Whether an empty text is a value; otherwise an empty variable counts as not set."""
    fallback: str = ""
    """A platform's variable, which is read if the field's own is not set."""


some_text = matching(r"(?s).+", "some text")
url = matching(r"https?://[^\s/]+/?\S*", "an http:// or https:// URL")


def switch(text: str) -> bool:
    """Read a boolean as Powertools does: neither empty nor with white space around."""
    if text.lower() not in _POWERTOOLS_TRUE | _POWERTOOLS_FALSE:
        raise ValueError("wanted true or false")
    return text.lower() in _POWERTOOLS_TRUE


def fraction(text: str) -> float:
    if not re.fullmatch(r"|0|1|[01]?\.[0-9]+", text) or float(text or 0) > 1:
        raise ValueError("wanted a number from 0 to 1")
    return float(text or 0)


_level = matching("(?i)|DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL|NOTSET", "a log level such as INFO")

FOREIGN: Mapping[str, Callable[[str], Any]] = {
    # Powertools reads most of these at import or first use, perhaps after a batch was published.
    # Source: aws_lambda_powertools.shared.constants.
    "POWERTOOLS_DEBUG": switch,
    "POWERTOOLS_DEV": switch,
    "POWERTOOLS_LOG_DEDUPLICATION_DISABLED": switch,
    "POWERTOOLS_LOG_LEVEL": _level,
    "LOG_LEVEL": _level,
    "POWERTOOLS_LOGGER_LOG_EVENT": switch,
    "POWERTOOLS_LOGGER_SAMPLE_RATE": fraction,
    "POWERTOOLS_METRICS_DISABLED": switch,
    # Source: Amazon CloudWatch API reference, "Dimension" and "MetricDatum".
    "POWERTOOLS_METRICS_NAMESPACE": matching(
        r"|(?!:|AWS/)(?=.*[^ ])[\w.\-/#: ]{1,255}", "a CloudWatch namespace such as StreamConsumer"
    ),
    "POWERTOOLS_SERVICE_NAME": matching(r"|(?=.*[^ ])[ -~]{1,255}", "1 to 255 ASCII characters"),
    # Source: AWS SDKs and Tools reference guide, "Settings reference".
    "AWS_RETRY_MODE": matching("(?i)|legacy|standard|adaptive", "legacy, standard or adaptive"),
    "AWS_MAX_ATTEMPTS": matching("|[1-9][0-9]{0,3}", "a whole number from 1 to 9999"),
}
"""The variables of the functions' libraries, each with a parser that accepts the same texts as the library."""


def foreign_faults(environ: Mapping[str, str]) -> list[str]:
    """Return the faults of libraries' variables, which a library would find only at its first use."""
    faults = []
    for variable, parse in FOREIGN.items():
        try:
            if variable in environ:
                parse(environ[variable])
        except ValueError as error:
            faults.append(f"{variable}={environ[variable]!r}: {error}")
    return faults


def powertools(environ: Mapping[str, str]) -> Any:
    """
    Check the variables of libraries and import Powertools, which reads some of them at import.

    Raises:
        SettingsError: A variable is wrong. The message names all of them.
    """
    refuse(foreign_faults(environ))
    return importlib.import_module("aws_lambda_powertools")


def read(fields: Mapping[str, Field], environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Return the values of *fields*, and the faults of their variables."""
    values: dict[str, Any] = {}
    faults = []
    for name, field in fields.items():
        variable, text = field.variable, environ.get(field.variable, "").strip()
        if not text and field.fallback:
            variable, text = field.fallback, environ.get(field.fallback, "").strip()
        given = text or (field.empty and variable in environ)
        try:
            values[name] = field.parse(text) if given else field.default
        except ValueError as error:
            faults.append(f"{variable}: {error}" if field.secret else f"{variable}={text!r}: {error}")
            values[name] = text  # wrong, but not missing
    return values, faults


def misspelt(names: Collection[str], environ: Mapping[str, str]) -> dict[str, str]:
    """
    Return the variables whose name is nearly one of *names*, with the name that was meant.

    A variable of another program may resemble a setting, so a setting that is set itself is not looked for.

    >>> misspelt(["PUBLISH_CONCURRENCY"], {"PUBLISH_CONCURENCY": "8", "HOME": "/"})
    {'PUBLISH_CONCURENCY': 'PUBLISH_CONCURRENCY'}
    """
    unset = [name for name in names if name not in environ]
    near = {name: difflib.get_close_matches(name, unset, 1, _NEAR) for name in sorted(environ) if name not in names}
    return {name: meant[0] for name, meant in near.items() if meant}


def refuse(faults: Sequence[str]) -> None:
    """
    Raise SettingsError if *faults* is not empty.

    Raises:
        SettingsError: The message has all of *faults*.
    """
    if faults:
        raise SettingsError("the environment is wrong: " + "; ".join(faults))
