"""
Escaping the logs and warnings of libraries, since their text may come from a model or a producer.

The rule: only an entry point (a command or a Lambda function) turns the escaping on. The consumer's own logs are
escaped where they are written.
"""

import copy
import logging
import warnings

from stream_consumer.contract.printable import printable


class Escaping(logging.Formatter):
    """Formats as *formatter* does, and escapes all control characters except a traceback's line feeds."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        told = copy.copy(record)
        told.msg, told.args = printable(record.getMessage()), ()
        if record.exc_info:
            told.exc_text = "\n".join(map(printable, self.formatException(record.exc_info).split("\n")))
        return self._formatter.format(told)


def escape_logs() -> None:
    """Escape the texts of the standard library's loggers and warnings in this process."""
    # Without a handler of the root logger, Python writes warnings and errors with its handler of last resort.
    last_resort = [logging.lastResort] if logging.lastResort else []
    for handler in logging.getLogger().handlers or last_resort:
        if not isinstance(handler.formatter, Escaping):
            handler.setFormatter(Escaping(handler.formatter or logging.Formatter()))
    warnings.formatwarning = _one_line


def _one_line(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Return a warning in one line, without its line of code."""
    del line
    return printable(f"{filename}:{lineno}: {category.__name__}: {message}") + "\n"
