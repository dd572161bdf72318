"""docs/your-model.md, typed as it stands: its scripts saved, its commands run in order, its output compared."""

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from stream_consumer.local.demo.consuming import BUCKET, INPUT_STREAM, OUTPUT_STREAM
from stream_consumer.local.demo.embedded_aws import EmbeddedAws
from stream_consumer.models.description import _Ours

ROOT = Path(__file__).resolve().parent.parent
TUTORIAL = (ROOT / "docs" / "your-model.md").read_text(encoding="utf-8")
FIVE = "## Five commands"


@dataclass(frozen=True)
class Block:
    """A block of the tutorial."""

    language: str
    text: str


def blocks(section: str) -> list[Block]:
    return [Block(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)]


def sections() -> Iterator[tuple[str, list[Block]]]:
    for section in re.split(r"^(?=## )", TUTORIAL, flags=re.MULTILINE):
        yield section.partition("\n")[0], blocks(section)


LOCAL_UP = "http://127.0.0.1:4566"
"""Where the tutorial's other terminal runs Kinesis and S3."""


class Shell:
    """An empty folder, and a shell whose variables outlive a block."""

    def __init__(self, folder: Path, endpoint_url: str) -> None:
        self.folder = folder
        self.endpoint_url = endpoint_url
        kept = {name: value for name, value in os.environ.items() if not re.match("AWS_|MLFLOW_|MODEL_|PYTEST_", name)}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.variables = kept | {"PATH": path, "COLUMNS": "80", "PYTHONPATH": str(ROOT), "HOME": str(folder)}

    def run(self, commands: str) -> tuple[int, str]:
        """Return the exit code and what was said on both outputs."""
        done = subprocess.run(  # noqa: S603 (the tutorial's own)
            ["bash", "-c", f"trap 'env -0 > .variables' EXIT\nset -e\n{commands.replace(LOCAL_UP, self.endpoint_url)}"],  # noqa: S607
            cwd=self.folder,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        said = (self.folder / ".variables").read_text(encoding="utf-8").split("\0")
        self.variables = dict(variable.split("=", 1) for variable in said if variable)
        return done.returncode, done.stdout

    def follow(self, lesson: Sequence[Block]) -> None:
        """Do what a reader does, and compare what comes of it."""
        for block, following in itertools.pairwise([*lesson, Block("", "")]):
            if block.language == "python":
                (self.folder / block.text.partition("\n")[0].removeprefix("# ")).write_text(
                    block.text, encoding="utf-8"
                )
            if block.language == "sh":
                expected = following.text if following.language == "text" else ""
                code, said = self.run(block.text)
                assert code == ("error:" in expected), said
                for line in _spaced(expected).splitlines():
                    assert re.search(f"^{re.escape(line)}".replace("…", ".*"), _spaced(said), re.MULTILINE), said


def _spaced(text: str) -> str:
    """Return *text* with one space for several: columns are as wide as their widest cell."""
    return re.sub(" +", " ", text)


def test_five_commands_lead_to_predictions_and_mention_no_ride() -> None:
    [lesson] = [lesson for title, lesson in sections() if title == FIVE]
    last = next(at for at, block in enumerate(lesson) if "stream-consumer demo" in block.text)
    commands = [block.text for block in lesson[: last + 1] if block.language == "sh"]
    assert len(commands) == 5
    assert not any("ride" in command for command in commands)


@pytest.mark.process
def test_the_whole_tutorial_works_in_an_empty_folder(tmp_path: Path) -> None:
    with EmbeddedAws(streams=dict.fromkeys([INPUT_STREAM, OUTPUT_STREAM], 2), buckets=[BUCKET]) as aws:
        shell = Shell(tmp_path, aws.endpoint_url)
        for _, lesson in sections():
            shell.follow(lesson)


def test_the_refusals_are_those_of_the_code() -> None:
    table = TUTORIAL.partition("| the message has |")[2].partition("\n\n")[0]
    messages = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    sources = [*(ROOT / "stream_consumer").rglob("*.py")]
    code = "".join(path.read_text(encoding="utf-8") for path in sources)
    assert len(messages) == 11
    assert [message for message in messages if message not in code] == []


def test_the_metadata_is_all_that_a_model_can_carry() -> None:
    table = TUTORIAL.partition("| key under `stream_consumer` |")[2].partition("\n\n")[0]
    documented = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert sorted(documented) == sorted(_Ours.__struct_fields__)
