"""
The expressions of CloudWatch Logs Insights, as far as the saved queries of infra/modules/observability use them.

The rule: what is not known here raises, so a query with a misspelt function fails.

Source: Amazon CloudWatch Logs user guide, "CloudWatch Logs Insights language query syntax".
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

Event = Mapping[str, Any]
Value = Callable[[Event], Any]

_TOKEN = re.compile(
    r'\s*(?:(?P<number>[0-9]+(?:\.[0-9]+)?)(?P<unit>[smhd]\b)?|"(?P<text>[^"]*)"|(?P<regex>/(?=[^ ])(?:[^/\\]|\\.)+/)'
    r"|(?P<name>@?[A-Za-z_][\w.]*)|(?P<sign>[-+*/=(),]))"
)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Named(NamedTuple):
    name: str
    value: Value


class Parser:
    """The expressions of one command."""

    def __init__(self, text: str) -> None:
        self.read: set[str] = set()
        self.made: set[str] = set()
        self._text = text.strip()
        self._tokens = list(self._split())
        self._at = 0

    def _split(self) -> Iterator[tuple[str, str]]:
        at = 0
        while at < len(self._text):
            found = _TOKEN.match(self._text, at)
            if not found:
                raise ValueError(f"nothing is known of {self._text[at:]!r}")
            at = found.end()
            if found["unit"]:
                yield "seconds", str(float(found["number"]) * _SECONDS[found["unit"]])
            else:
                [kind] = [kind for kind in ("number", "text", "regex", "name", "sign") if found[kind] is not None]
                yield kind, found[kind]

    def _is(self, *words: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at][0] in {"name", "sign"}:
            return self._tokens[self._at][1] in words
        return False

    def _take(self, *words: str) -> bool:
        taken = self._is(*words)
        self._at += taken
        return taken

    def _next(self) -> tuple[str, str]:
        self._at += 1
        return self._tokens[self._at - 1]

    def _must(self, word: str) -> None:
        if not self._take(word):
            raise ValueError(f"{word} is wanted in {self._text!r}")

    def done(self) -> None:
        if self._at < len(self._tokens):
            raise ValueError(f"{self._tokens[self._at][1]!r} is too much in {self._text!r}")

    def items(self) -> list[Named]:
        """Read expressions, each with its name."""
        found = [self._item()]
        while self._take(","):
            found.append(self._item())
        return found

    def _item(self) -> Named:
        begin, value = self._at, self.value()
        written = "".join(text for _, text in self._tokens[begin : self._at])
        name = self._next()[1] if self._take("as") else written
        return Named(name, value)

    def value(self) -> Value:
        left = self._both()
        while self._take("or"):
            left = _either(left, self._both())
        return left

    def _both(self) -> Value:
        left = self._compared()
        while self._take("and"):
            left = _all_of(left, self._compared())
        return left

    def _compared(self) -> Value:
        left = self._sum()
        if self._take("="):
            right = self._sum()
            return lambda event: left(event) == right(event)
        if self._take("like"):
            pattern = re.compile(self.regex())
            return lambda event: bool(pattern.search(str(left(event) or "")))
        return left

    def _sum(self) -> Value:
        left = self._product()
        while self._take("+"):
            left = _arithmetic(left, self._product(), lambda a, b: a + b)
        return left

    def _product(self) -> Value:
        left = self._atom()
        while self._take("/"):
            left = _arithmetic(left, self._atom(), lambda a, b: a / b)
        return left

    def regex(self) -> str:
        kind, text = self._next()
        if kind != "regex":
            raise ValueError(f"a regular expression is wanted in {self._text!r}")
        return text[1:-1].replace("(?<", "(?P<")

    def _atom(self) -> Value:
        kind, text = self._next()
        if kind in {"number", "seconds"}:
            return lambda _: float(text)
        if kind == "text":
            return lambda _: text
        if kind == "name" and self._take("("):
            return self._call(text)
        if kind == "name":
            self.read.add(text)
            return lambda event: event.get(text)
        raise ValueError(f"{text!r} is no value in {self._text!r}")

    def _call(self, function: str) -> Value:
        if function == "count" and self._take("*"):
            self._must(")")
            return lambda event: len(event[GROUP])
        arguments = [self.value()]
        while self._take(","):
            arguments.append(self.value())
        self._must(")")
        if function in _AGGREGATES:
            [over], combine = arguments, _AGGREGATES[function]
            return lambda event: _combined(combine, map(over, event[GROUP]))
        return _FUNCTIONS[function](*arguments)

    def keys(self) -> list[Named]:
        return self.items() if self._take("by") else []

    def order(self) -> tuple[Value, bool]:
        value, descending = self.value(), self._take("desc")
        if not descending:
            self._take("asc")
        return value, descending


GROUP = "\0the events of a group"


def _combined(combine: Callable[[list[Any]], Any], values: Iterable[Any]) -> Any:
    there = [float(value) for value in values if value is not None]  # what `parse` found is a text
    return combine(there) if there else None


def _either(left: Value, right: Value) -> Value:
    return lambda event: any([left(event), right(event)])


def _all_of(left: Value, right: Value) -> Value:
    return lambda event: all([left(event), right(event)])


def _arithmetic(left: Value, right: Value, operation: Callable[[Any, Any], Any]) -> Value:
    def computed(event: Event) -> Any:
        a, b = left(event), right(event)
        return None if a is None or b is None else operation(float(a), float(b))

    return computed


def _coalesce(*values: Value) -> Value:
    return lambda event: next((found for value in values if (found := value(event)) is not None), None)


def _substr(text: Value, begin: Value, length: Value) -> Value:
    return lambda event: str(text(event) or "")[int(begin(event)) :][: int(length(event))]


def _bin(seconds: Value) -> Value:
    return lambda event: (event.get("@timestamp") or 0) // seconds(event) * seconds(event)


_FUNCTIONS: Mapping[str, Callable[..., Value]] = {
    "bin": _bin,
    "coalesce": _coalesce,
    "ispresent": lambda value: lambda event: value(event) is not None,
    "substr": _substr,
}
_AGGREGATES: Mapping[str, Callable[[list[Any]], Any]] = {
    "avg": lambda values: sum(values) / len(values),
    "max": max,
    "sum": sum,
}
