"""
Write the tables of README.md that the code knows better.

``docs.py`` writes them, ``docs.py --check`` fails if that would change the file.
"""

import re
import sys
from pathlib import Path

from stream_consumer.settings import FIELDS
from stream_consumer.telemetry import Metric

README = Path(__file__).resolve().parent.parent / "README.md"


def settings() -> str:
    rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for field in FIELDS.values():
        default = f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"
        rows.append(f"| `{field.variable}` | {default if field.default is not None else ''} | {field.meaning} |")
    return "\n".join(rows)


def metrics() -> str:
    rows = ["| metric | unit | meaning |", "| --- | --- | --- |"]
    rows += [f"| `{metric.label}` | {metric.unit.value} | {metric.meaning} |" for metric in Metric]
    return "\n".join(rows)


def written(text: str) -> str:
    for name, table in {"settings": settings(), "metrics": metrics()}.items():
        pattern = re.compile(rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text, found = pattern.subn(lambda match, table=table: f"{match[1]}{table}\n{match[2]}", text)  # type: ignore[misc]
        if found != 1:
            sys.exit(f"README.md has {found} places for the table of {name}; wanted one")
    return text


def main() -> None:
    text = README.read_text(encoding="utf-8")
    new = written(text)
    if "--check" not in sys.argv[1:]:
        README.write_text(new, encoding="utf-8")
    elif new != text:
        sys.exit("README.md is not in step with the code; run `make docs`")


if __name__ == "__main__":
    main()
