"""
CloudWatch Logs Insights on lines at hand, as far as the saved queries of infra/modules/observability use it.

The rule: what is not known here raises, so a query with a misspelt command fails.

Source: Amazon CloudWatch Logs user guide, "CloudWatch Logs Insights language query syntax".
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from tests.insights.expressions import GROUP, Event, Named, Parser

Rows = list[dict[str, Any]]


def run(query: str, events: Iterable[Event]) -> list[dict[str, Any]]:
    """Return the rows that *query* shows of *events*."""
    rows = [dict(event) for event in events]
    shown: list[str] = []
    for word, parser in _commands(query):
        rows, names = _COMMANDS[word](parser, rows)
        shown = names if word == "stats" else [*shown, *names]
    return [{name: row.get(name) for name in shown} for row in rows]


def fields_of(query: str) -> set[str]:
    """Return the fields that *query* reads and does not make itself."""
    read: set[str] = set()
    made: set[str] = set()
    for word, parser in _commands(query):
        _, names = _COMMANDS[word](parser, [])
        read |= parser.read - made
        made |= {*names, *parser.made}
    return read


def _commands(query: str) -> Iterator[tuple[str, Parser]]:
    text = "\n".join(line for line in query.splitlines() if not line.startswith("#"))
    for command in re.split(r"^\|", text, flags=re.MULTILINE):
        word, _, rest = command.strip().partition(" ")
        yield word, Parser(rest)


def _fields(parser: Parser, rows: Rows) -> tuple[Rows, list[str]]:
    items = parser.items()
    parser.done()
    for row in rows:
        _add(row, items)
    return rows, [item.name for item in items]


def _add(row: dict[str, Any], items: Sequence[Named]) -> None:
    made = {item.name: item.value(row) for item in items}
    row.update({name: value for name, value in made.items() if value is not None})


def _filter(parser: Parser, rows: Rows) -> tuple[Rows, list[str]]:
    wanted = parser.value()
    parser.done()
    return [row for row in rows if wanted(row)], []


def _parse(parser: Parser, rows: Rows) -> tuple[Rows, list[str]]:
    source, pattern = parser.value(), re.compile(parser.regex())
    parser.done()
    parser.made.update(pattern.groupindex)
    for row in rows:
        found = pattern.search(str(source(row) or ""))
        row.update(found.groupdict() if found else {})
    return rows, []


def _stats(parser: Parser, rows: Rows) -> tuple[Rows, list[str]]:
    values, keys = parser.items(), parser.keys()
    parser.done()
    groups: dict[tuple[Any, ...], Rows] = {}
    for row in rows:
        groups.setdefault(tuple(key.value(row) for key in keys), []).append(row)
    result = [
        {key.name: one for key, one in zip(keys, group, strict=True)}
        | {value.name: value.value({GROUP: members}) for value in values}
        for group, members in groups.items()
    ]
    return result, [named.name for named in (*keys, *values)]


def _sort(parser: Parser, rows: Rows) -> tuple[Rows, list[str]]:
    value, descending = parser.order()
    parser.done()
    return sorted(rows, key=lambda row: (value(row) is not None, value(row)), reverse=descending), []


def _limit(parser: Parser, rows: Rows) -> tuple[Rows, list[str]]:
    most = parser.value()({})
    parser.done()
    return rows[: int(most)], []


_COMMANDS: Mapping[str, Callable[[Parser, Rows], tuple[Rows, list[str]]]] = {
    "fields": _fields,
    "filter": _filter,
    "limit": _limit,
    "parse": _parse,
    "sort": _sort,
    "stats": _stats,
}
