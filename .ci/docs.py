"""
Write the tables of docs/ whose source is the code.

``docs.py`` writes the tables. ``docs.py --check`` fails if a table would change.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from stream_consumer.environment_variables import Field
from stream_consumer.kafka_settings import FIELDS as KAFKA_FIELDS
from stream_consumer.monitor.settings import FIELDS as MONITOR_FIELDS
from stream_consumer.settings import FIELDS
from stream_consumer.telemetry import Metric
from stream_consumer.web.settings import FIELDS as WEB_FIELDS

ROOT = Path(__file__).resolve().parent.parent


def settings(fields: Mapping[str, Field]) -> str:
    rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for field in fields.values():
        default = f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"
        rows.append(f"| `{field.variable}` | {default if field.default not in {None, ()} else ''} | {field.meaning} |")
    return "\n".join(rows)


def metrics() -> str:
    rows = ["| metric | unit | meaning |", "| --- | --- | --- |"]
    rows += [f"| `{metric.label}` | {metric.unit.value} | {metric.meaning} |" for metric in Metric]
    return "\n".join(rows)


def modules() -> str:
    """Return the layers of imports, the highest first, with the first sentence of each module."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    rows = ["| module | what it is |", "| --- | --- |"]
    return "\n".join(rows + [f"| `{name}` | {purpose(name)} |" for layer in layers for name in layer.split(" | ")])


def purpose(name: str) -> str:
    module = ROOT / "stream_consumer" / name
    source = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return re.sub(r":\w+:`|``", "`", docstring.partition("\n\n")[0]).replace("\n", " ")


TABLES = {
    ROOT / "docs" / "architecture.md": {"modules": modules()},
    ROOT / "docs" / "kafka.md": {"settings": settings(KAFKA_FIELDS)},
    ROOT / "docs" / "metrics.md": {"metrics": metrics()},
    ROOT / "docs" / "monitoring-function.md": {"settings": settings(MONITOR_FIELDS)},
    ROOT / "docs" / "settings.md": {"settings": settings(FIELDS)},
    ROOT / "docs" / "web.md": {"settings": settings(WEB_FIELDS)},
}


def written(path: Path, tables: Mapping[str, str]) -> str:
    text = path.read_text(encoding="utf-8")
    for name, table in tables.items():
        pattern = re.compile(rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text, found = pattern.subn(lambda match, table=table: f"{match[1]}{table}\n{match[2]}", text)  # type: ignore[misc]
        if found != 1:
            sys.exit(f"{path.name} has {found} locations for the table of {name}; wanted one")
    return text


def main() -> None:
    for path, tables in TABLES.items():
        new = written(path, tables)
        if "--check" not in sys.argv[1:]:
            path.write_text(new, encoding="utf-8")
        elif new != path.read_text(encoding="utf-8"):
            sys.exit(f"{path.name} is not in step with the code; run `make docs`")


if __name__ == "__main__":
    main()
