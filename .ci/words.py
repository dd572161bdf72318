"""
Measure the English of docstrings and of the command line's help, against two bars.

Pointing words make a reader search for what they point at, and a semicolon joins two statements in a sentence. Fails if
the package has more than the bars allow, and lists the modules to begin with.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "stream_consumer"
MOST_POINTING = 5.0
"""Pointing words per 100 words. Model codebases have 2.5 to 5.0."""
MOST_SEMICOLONS = 8.0
"""Semicolons per 100 texts. Model codebases have 0 to 11 per 100 docstrings."""
WORST = 10

_POINTING = re.compile(r"\b(it|that|which|what|one|other|whose)\b", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Count:
    """The words of some texts."""

    texts: int = 0
    words: int = 0
    pointing: int = 0
    semicolons: int = 0

    @classmethod
    def of(cls, texts: list[str]) -> "Count":
        """
        Count in *texts*.

        >>> Count.of(["Which one it is; see there."])
        Count(texts=1, words=6, pointing=3, semicolons=1)
        """
        return cls(
            len(texts),
            sum(len(_WORD.findall(text)) for text in texts),
            sum(len(_POINTING.findall(text)) for text in texts),
            sum(text.count(";") for text in texts),
        )

    def __add__(self, other: "Count") -> "Count":
        return Count(
            self.texts + other.texts,
            self.words + other.words,
            self.pointing + other.pointing,
            self.semicolons + other.semicolons,
        )

    @property
    def pointing_share(self) -> float:
        return 100 * self.pointing / max(1, self.words)

    @property
    def semicolon_share(self) -> float:
        return 100 * self.semicolons / max(1, self.texts)

    @property
    def excess(self) -> float:
        """Pointing words and semicolons beyond the bars."""
        allowed = MOST_POINTING * self.words + MOST_SEMICOLONS * self.texts
        return self.pointing + self.semicolons - allowed / 100

    def __str__(self) -> str:
        pointing, semicolons = self.pointing_share, self.semicolon_share
        return f"{pointing:4.1f} pointing words per 100 words, {semicolons:5.1f} semicolons per 100 texts"


def texts_of(source: str) -> list[str]:
    """
    Return the docstrings of a module, its classes and functions, and the ``help`` texts in its calls.

    >>> texts_of("def f(): 'Do.'; Option(help=f'At most {N} s.')")
    ['Do.', 'At most  s.']
    """
    texts = list[str]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, _DOCUMENTED):
            texts += filter(None, [ast.get_docstring(node)])
        elif isinstance(node, ast.Call):
            texts += filter(None, ("".join(_strings(word.value)) for word in node.keywords if word.arg == "help"))
    return texts


def _strings(expression: ast.expr) -> Iterator[str]:
    """Yield the literal parts of a text."""
    for node in ast.walk(expression):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def main(package: Path = PACKAGE) -> None:
    counts = {path: Count.of(texts_of(path.read_text(encoding="utf-8"))) for path in sorted(package.rglob("*.py"))}
    total = sum(counts.values(), Count())
    for path in sorted(counts, key=lambda path: -counts[path].excess)[:WORST]:
        print(f"{counts[path]}  {path.relative_to(package.parent)}")
    print(f"{total}  in all; the bars are {MOST_POINTING:g} and {MOST_SEMICOLONS:g}")
    if total.pointing_share > MOST_POINTING or total.semicolon_share > MOST_SEMICOLONS:
        sys.exit("the sentences point too much: rewrite those of the modules above")


if __name__ == "__main__":
    main()
