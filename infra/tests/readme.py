"""
What the READMEs take from the code: each module's inputs and outputs, one screen of them, and the table of alarms.

It reads files in Terraform's own format (``terraform fmt -check`` runs first), so lines and indentation mean something.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.state import resources

_BLOCK = re.compile(r'^(variable|output) "(?P<name>[\w-]+)" \{\n(?P<body>.*?)^\}', re.MULTILINE | re.DOTALL)
_DESCRIPTION = re.compile(r'^  description += "(.*)"$', re.MULTILINE)
_TYPE = re.compile(r"^  type += (.*?)(?=^  \w|^$|\Z)", re.MULTILINE | re.DOTALL)
_DEFAULT = re.compile(r"^  default += (.*)$", re.MULTILINE)


def module_readme(module: Path) -> str:
    """Return the README of *module*: its first comment, its inputs, its outputs."""
    files = sorted(
        module.glob("*.tf"), key=lambda file: (file.name != "main.tf", file.name != "function.tf", file.name)
    )
    head = " ".join(re.findall(r"^# (.*)$", files[0].read_text(encoding="utf-8").partition("\n\n")[0], re.MULTILINE))
    rows = list(_inputs(_blocks(module / "variables.tf")))
    outputs = [f"| `{name}` | {_description(body)} |" for name, body in _blocks(module / "outputs.tf")]
    return "\n".join(
        [
            f"# {module.name}",
            "",
            head,
            "",
            "| input | type | default | meaning |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            "| output | meaning |",
            "| --- | --- |",
            *outputs,
            "",
            "Made from the code by `make infra-readme`; what an object may hold says [variables.tf](variables.tf).",
            "",
        ]
    )


def _blocks(file: Path) -> Iterator[tuple[str, str]]:
    for found in _BLOCK.finditer(file.read_text(encoding="utf-8")):
        yield found["name"], found["body"]


def _description(body: str) -> str:
    text: str
    [text] = _DESCRIPTION.findall(body)
    return text.replace('\\"', '"').replace("|", "\\|")


def _inputs(variables: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, body in variables:
        [kind] = _TYPE.findall(body)
        default = next(iter(_DEFAULT.findall(body)), None)
        shown = kind.partition("\n")[0].removesuffix("({").removesuffix("(object")
        required = "required" if default is None else f"`{default}`"
        yield f"| `{name}` | {shown} | {required} | {_description(body)} |"


_WITHOUT_STREAM = {"archive", "batch", "monitor", "quality", "releases", "training", "web"}
"""Groups of alarms that the throttled reads of the input stream are none of."""


def alarms_table(plan: Mapping[str, Any], group: str) -> str:
    """Return the table of the alarms of *group* in *plan*: an interface, or a consumer with the shared alarms."""
    rows = []
    for resource in resources(plan):
        values = resource.values
        if resource.kind != "aws_cloudwatch_metric_alarm":
            continue
        key = re.search(r'\["([^"]+)/([^"]+)"\]$', resource.address)
        if (
            (key[1] != group)
            if key
            else group in {"archive", "batch", "monitor", "quality", "releases", "training", "web"}
        ):
            continue
        name = key[2] if key else "read-throttled"
        reason, _, runbook = values["alarm_description"].partition(" → ")
        sign = "<" if values["comparison_operator"].startswith("Less") else ">"
        watched, seconds = _watched(values)
        when = f"{watched} {sign} {_plain(values['threshold'])}"
        periods = f"{values['datapoints_to_alarm']} of {values['evaluation_periods']}"
        how_often = f"in {periods} periods of {seconds // 60} min"
        rows.append(f"| {name} | {when} {how_often} | {reason} | {runbook} |")
    head = ["| alarm | when | reason | runbook |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *sorted(rows)])


def _plain(number: float) -> str:
    """Return *number* without an exponent, as alarms in milliseconds have it."""
    return f"{number:.0f}" if number % 1 == 0 else f"{number:g}"


def queries_table(module: Path) -> str:
    """Return the table of the saved queries of *module*: the first line of each is its question."""
    files = sorted(module.glob("queries/*.txt"))
    rows = [f"| `{file.stem}` | {file.read_text(encoding='utf-8').partition(chr(10))[0][2:]} |" for file in files]
    return "\n".join(["| query | question |", "| --- | --- |", *rows])


def _watched(alarm: Mapping[str, Any]) -> tuple[str, int]:
    """Return what *alarm* compares with its threshold, and its period in seconds."""
    if not alarm["metric_query"]:
        return f"{alarm['metric_name']} ({alarm['statistic'] or alarm['extended_statistic']})", alarm["period"]
    [expression] = [query["expression"] for query in alarm["metric_query"] if query["return_data"]]
    metrics = {query["id"]: query["metric"][0] for query in alarm["metric_query"] if query["metric"]}
    over = ", ".join(f"{name} = {metric['metric_name']} ({metric['stat']})" for name, metric in sorted(metrics.items()))
    [seconds] = {metric["period"] for metric in metrics.values()}
    return f"{expression} with {over},", seconds


def with_alarms(readme: str, marker: str, table: str) -> str:
    """Return *readme* with *table* after its *marker*."""
    return re.sub(
        rf"(<!-- {marker} -->\n).*?(\n<!-- end -->)",
        lambda found: found[1] + table + found[2],
        readme,
        flags=re.DOTALL,
    )
