"""
Parts of a page: tables, bars and lines, as text and SVG in the colours of the page.

The rule: every drawing has its values as text beside it, and all text is escaped.
"""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --quiet: #57606a; --rule: #d0d7de;
  --one: #0969da; --other: #9a6700; --bad: #b3141d; --good: #116329 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --quiet: #9198a1; --rule: #3d444d;
  --one: #58a6ff; --other: #e3b341; --bad: #ff7b72; --good: #56d364 } }
* { box-sizing: border-box }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 }
main { max-width: 62rem; margin: 0 auto; padding: 1rem }
h1 { font-size: 1.6rem; line-height: 1.25 } h2 { font-size: 1.25rem; margin-top: 2.5rem } h3 { font-size: 1rem }
.wide { overflow-x: auto } .wide:focus-visible { outline: 2px solid var(--one) }
table { border-collapse: collapse } caption { text-align: left; color: var(--quiet); padding-bottom: .25rem }
th, td { padding: .2rem .9rem .2rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule) }
td { font-variant-numeric: tabular-nums; overflow-wrap: break-word } th { font-weight: 600 }
.wide th { white-space: nowrap } .wide td:nth-child(2):last-child { overflow-wrap: anywhere }
@media (max-width: 30rem) { th, td { padding-right: .5rem } }
.bars { table-layout: fixed } .bars th { overflow-wrap: anywhere }
.bars { width: 100% } .bars th, .bars td { padding-right: .5rem } .bars td:last-child { padding-right: 0 }
.bars th:nth-child(1) { width: 33% } .bars th:nth-child(2) { width: 27% } .bars th:nth-child(3) { width: 20% }
.bar { display: block; height: .45rem; margin: .2rem 0; min-width: 1px }
.one { background: var(--one) } .other { background: var(--other) }
.bad { color: var(--bad); font-weight: 600 } .good { color: var(--good); font-weight: 600 }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(18rem, 100%), 1fr)) }
img { max-width: 100%; height: auto }
figure { margin: 0 } figcaption { color: var(--quiet) } svg { width: 100%; height: auto; display: block }
svg text { fill: var(--quiet); font: 11px system-ui, sans-serif }
.line { fill: none; stroke: var(--one); stroke-width: 2 } .dot { fill: var(--one) }
.limit { stroke: var(--bad); stroke-dasharray: 4 3 } .axis { stroke: var(--rule) }
summary { cursor: pointer; margin: .75rem 0 }
"""

_WIDTH, _HEIGHT = 320, 130
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 10, 10, 22


def page(title: str, body: Iterable[str]) -> str:
    """Return a whole page, which needs no other files."""
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{html.escape(title)}</h1>{''.join(body)}</main></body></html>\n"
    )


def heading(level: int, text: str) -> str:
    return f"<h{level}>{html.escape(text)}</h{level}>"


def paragraph(text: str, kind: str = "") -> str:
    return f"<p{f' class={kind!r}' if kind else ''}>{html.escape(text)}</p>"


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], marked: Iterable[str] = ()) -> str:
    """Return a table. Too wide a table scrolls. Rows with a name in *marked* stand out."""
    bad = set(marked)
    heads = "".join(f"<th scope='col'>{html.escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{_cells(row, bad=row[0] in bad)}</tr>" for row in rows)
    return (
        f"<div class='wide' tabindex='0' role='region' aria-label='{html.escape(caption)}'><table>"
        f"<caption>{html.escape(caption)}</caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cells(row: Sequence[str], *, bad: bool) -> str:
    kind = " class='bad'" if bad else ""
    first, *others = (html.escape(cell) for cell in row)
    return f"<th scope='row'{kind}>{first}</th>" + "".join(f"<td>{cell}</td>" for cell in others)


def bars(caption: str, rows: Sequence[tuple[str, float, float]], names: tuple[str, str]) -> str:
    """Return a table of two shares by name, with a bar for each share."""
    largest = max((max(one, other) for _, one, other in rows), default=0.0) or 1.0
    keys = zip(names, ("other", "one"), strict=True)
    heads = "".join(f"<th scope='col'>{html.escape(name)}<span class='bar {kind}'></span></th>" for name, kind in keys)
    body = "".join(
        f"<tr><th scope='row'>{html.escape(name)}</th><td>{one:.1%}</td><td>{other:.1%}</td><td aria-hidden='true'>"
        f"<span class='bar other' style='width:{one / largest:.1%}'></span>"
        f"<span class='bar one' style='width:{other / largest:.1%}'></span></td></tr>"
        for name, one, other in rows
    )
    return (
        f"<table class='bars'><caption>{html.escape(caption)}</caption><thead><tr><th scope='col'>bin</th>{heads}"
        f"<th scope='col'>both</th></tr></thead><tbody>{body}</tbody></table>"
    )


@dataclass(frozen=True, slots=True)
class Line:
    """A line over days: a value or None for each day, and a limit to compare with."""

    title: str
    days: Sequence[str]
    values: Sequence[float | None]
    limit: float | None = None


def chart(line: Line) -> str:
    """Return *line* as a figure. The label has the range and the last value. A table should have the rest."""
    known = [value for value in line.values if value is not None]
    if not known:
        return ""
    ends = [*known, *([] if line.limit is None else [line.limit])]
    low, high = min(0.0, *ends), max(0.0, *ends) or 1.0

    def y(value: float) -> float:
        return _TOP + (high - value) / ((high - low) or 1.0) * (_HEIGHT - _TOP - _BOTTOM)

    step = (_WIDTH - _LEFT - _RIGHT) / max(len(line.days) - 1, 1)
    points = [(_LEFT + at * step, y(value)) for at, value in enumerate(line.values) if value is not None]
    label = f"{line.title}: from {min(known):.3g} to {max(known):.3g}, the last {known[-1]:.3g}"
    limit = "" if line.limit is None else _rule("limit", y(line.limit))
    marks = "".join(f"<circle class='dot' cx='{x:.1f}' cy='{at:.1f}' r='2.5'/>" for x, at in points)
    path = " ".join(f"{x:.1f},{at:.1f}" for x, at in points)
    return (
        f"<figure><figcaption>{html.escape(line.title)}</figcaption>"
        f"<svg viewBox='0 0 {_WIDTH} {_HEIGHT}' role='img' aria-label='{html.escape(label)}'>"
        f"{_rule('axis', y(0))}{limit}<polyline class='line' points='{path}'/>{marks}"
        f"{_text(_LEFT - 5, y(high) + 4, f'{high:.2g}', 'end')}{_text(_LEFT - 5, y(low) + 4, f'{low:.2g}', 'end')}"
        f"{_text(_LEFT, _HEIGHT - 5, line.days[0], 'start')}"
        f"{_text(_WIDTH - _RIGHT, _HEIGHT - 5, line.days[-1], 'end') if len(line.days) > 1 else ''}</svg></figure>"
    )


def _rule(kind: str, y: float) -> str:
    return f"<line class='{kind}' x1='{_LEFT}' x2='{_WIDTH - _RIGHT}' y1='{y:.1f}' y2='{y:.1f}'/>"


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}'>{html.escape(text)}</text>"


def charts(lines: Iterable[Line]) -> str:
    return f"<div class='charts'>{''.join(map(chart, lines))}</div>"


def details(summary: str, content: str) -> str:
    return f"<details><summary>{html.escape(summary)}</summary>{content}</details>"
