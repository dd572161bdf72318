"""
The site of the documentation, by Sphinx: `make site`.

The source folder is the whole repository, so that the links of the pages are those that GitHub follows. A link or an
anchor that leads nowhere is an error. Nothing is fetched from elsewhere.
"""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent.parent

project = "stream-consumer"
version = importlib.metadata.version(project)
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
root_doc = "docs/site/index"
include_patterns = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/**.md", "infra/**.md"]
exclude_patterns = [".*", "build", "dist", "mlruns", "**/node_modules", "**/.terraform"]
myst_heading_anchors = 3
smartquotes_action = "qe"  # an option of a command keeps its two hyphens
# What stands between < and > in a help text is no HTML.
myst_disable_syntax = ["html_inline"]
suppress_warnings = ["misc.highlighting_failure"]  # crontab

html_theme = "pydata_sphinx_theme"
html_theme_options = {"navbar_persistent": [], "navbar_end": ["search-field", "theme-switcher"], "show_toc_level": 2}
html_context = {"default_mode": "auto"}
html_title = f"stream-consumer {version}"
html_static_path = ["style.css"]
html_css_files = ["style.css"]
html_extra_path = ["index.html"]  # leads to the root document
html_show_copyright = False
html_copy_source = False
copybutton_exclude = ".linenos, .gp, .go"

autodoc_default_options = {"members": True, "member-order": "bysource", "show-inheritance": False}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
# `name` in a docstring is code.
default_role = "code"


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", write_commands)


def write_commands(_app: Sphinx) -> None:
    """Write the reference of the commands, from the commands."""
    page = ROOT / "docs" / "site" / "commands.md"
    typer = [sys.executable, "-m", "typer", "stream_consumer/cli/app.py", "utils", "docs", "--name", project]
    title = ["--title", "Commands", "--output", str(page)]
    subprocess.run([*typer, *title], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)  # noqa: S603 (our own arguments)
    page.write_text(whole_summaries(page.read_text(encoding="utf-8")), encoding="utf-8")


def whole_summaries(text: str) -> str:
    """Replace each summary that Typer cut in a list of commands by the first line below the heading of the command."""
    summaries = dict(re.findall(r"^#+ `(.+)`\n\n(.+)$", text, re.MULTILINE))
    group, lines = project, list[str]()
    for line in text.splitlines(keepends=True):
        if heading := re.match(r"#+ `(.+)`", line):
            group = heading[1]
        cut = re.fullmatch(r"\* `(.+)`: .*\.\.\.\n", line)
        lines.append(f"* `{cut[1]}`: {summaries[f'{group} {cut[1]}']}\n" if cut else line)
    return "".join(lines)
