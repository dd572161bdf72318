"""
Measure the English of docstrings and of the command line's help, and look for words that the project does not use.

Pointing words make a reader search for their meaning, and a semicolon joins two statements in a sentence. Fails if the
package has more than the bars allow, and lists the densest modules. Also fails if a docstring, a help text or a page
has one of the words in ``INSTEAD``, and names the line.
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "stream_consumer"
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/**/*.md", "infra/**/README.md")
WRITTEN = ROOT / "docs" / "site" / "commands.md"
"""`make site` writes this page from the help of the commands, which is looked at itself."""
MOST_POINTING = 3.0
"""Pointing words per 100 words. Model codebases have 2.5 to 5.0."""
MOST_SEMICOLONS = 3.0
"""Semicolons per 100 texts. Model codebases have 0 to 11 per 100 docstrings."""
WORST = 10
POINTING = "it, that, which, what, one, other, whose"

INSTEAD = {
    r"doors?": "interface, or stream, batch or web",
    r"places?": "location",
    r"both ends": "source and target",
    r"letters?": "dead letter",
    r"stretch(?:es)?": "range",
    r"patience": "retry",
    r"lineage": "the MLOps Zoomcamp reference solution",
}
"""Words that have a better one. Source: STYLE.md, "Plain English"."""
ALLOWED = (
    r"dead[\s-]+letters?",
    r"(?:take|takes|took|taking)\s+place",
    r"in\s+place",
    r"(?:lower-case\s+)?letters(?:,|\s+and)\s+digits",
    r"a\s+letter",
)
"""Phrases with such a word in another meaning. Code is also left out."""

_POINTING = re.compile(rf"\b({POINTING.replace(', ', '|')})\b", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")
_BLOCK = re.compile(r"^```.*?^```|^    .*?$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`+[^`]*`+|\*\w+\*|\]\([^)]*\)")
_ALLOWED = re.compile("|".join(rf"\b{phrase}\b" for phrase in ALLOWED), re.IGNORECASE)
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


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a file, and the line on which it starts."""

    line: int
    text: str


def texts_of(source: str) -> list[Text]:
    r"""
    Return the docstrings of a module, its classes and functions, and the ``help`` texts in its calls.

    >>> texts_of("def f():\n 'Do.'; Option(help=f'At most {N} s.')")
    [Text(line=2, text='Do.'), Text(line=2, text='At most  s.')]
    """
    texts = list[Text]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, _DOCUMENTED):
            docstring = ast.get_docstring(node, clean=False)
            texts += [Text(node.body[0].lineno, docstring)] if docstring else []
        elif isinstance(node, ast.Call):
            helps = (word.value for word in node.keywords if word.arg == "help")
            texts += (Text(value.lineno, "".join(_strings(value))) for value in helps)
    return [text for text in texts if text.text]


def _strings(expression: ast.expr) -> Iterator[str]:
    """Yield the literal parts of a text."""
    for node in ast.walk(expression):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def unwanted(text: Text) -> list[Text]:
    r"""
    Return the words of *text* that have a better one, each with its line.

    >>> unwanted(Text(7, "Both ends of a\ndoor. A dead letter takes no place, but ``place`` is code."))
    [Text(line=7, text='Both ends'), Text(line=8, text='door'), Text(line=8, text='place')]
    """
    prose = _without(_ALLOWED, _without(_CODE, text.text))
    found = re.finditer(rf"\b(?:{'|'.join(INSTEAD)})\b", prose, re.IGNORECASE)
    return [Text(text.line + prose.count("\n", 0, word.start()), word[0]) for word in found]


def _without(pattern: re.Pattern[str], text: str) -> str:
    """Remove what matches from *text*, but keep its line ends, so that lines keep their numbers."""
    return pattern.sub(lambda found: "\n" * found[0].count("\n"), text)


def _faults(texts: Mapping[Path, list[Text]]) -> list[str]:
    pages = {
        page: [Text(1, _without(_BLOCK, page.read_text(encoding="utf-8")))]
        for pattern in PAGES
        for page in sorted(ROOT.glob(pattern))
        if page != WRITTEN
    }
    return [
        f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}:{word.line}: {word.text!r}, say {better}"
        for path, parts in {**texts, **pages}.items()
        for part in parts
        for word in unwanted(part)
        for better in [next(better for bad, better in INSTEAD.items() if re.fullmatch(bad, word.text, re.IGNORECASE))]
    ]


def main(package: Path = PACKAGE) -> None:
    texts = {path: texts_of(path.read_text(encoding="utf-8")) for path in sorted(package.rglob("*.py"))}
    counts = {path: Count.of([part.text for part in parts]) for path, parts in texts.items()}
    total = sum(counts.values(), Count())
    faults = _faults(texts)
    if total.pointing_share > MOST_POINTING or total.semicolon_share > MOST_SEMICOLONS:
        for path in sorted(counts, key=lambda path: -counts[path].excess)[:WORST]:
            print(f"{counts[path]}  {path.relative_to(package.parent)}")
        faults.append(f"too many pointing words ({POINTING}) or semicolons: rewrite sentences of the modules above")
    print(f"{total}  in all; the bars are {MOST_POINTING:g} and {MOST_SEMICOLONS:g}")
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
