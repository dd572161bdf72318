"""
What libraries log and warn of is escaped: a model or a producer may have written it.

The rule: only an entry point, a command or a Lambda function, asks for this. The consumer's own logs escape themselves.
"""

import copy
import logging
import warnings

from stream_consumer.contract.printable import printable


class Escaping(logging.Formatter):
    """Formats as *formatter* does; nothing in a message or a traceback is obeyed but the traceback's line ends."""

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
    """Escape what the standard library's loggers and warnings write in this process."""
    # Without a handler of the root logger, Python writes warnings and errors by the last resort.
    last_resort = [logging.lastResort] if logging.lastResort else []
    for handler in logging.getLogger().handlers or last_resort:
        if not isinstance(handler.formatter, Escaping):
            handler.setFormatter(Escaping(handler.formatter or logging.Formatter()))
    warnings.formatwarning = _one_line


def _one_line(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Return a warning without the line of code that *line* may hold."""
    del line
    return printable(f"{filename}:{lineno}: {category.__name__}: {message}") + "\n"
