"""What each job needs, looked at: tools of a few lines on the PATH, and an AWS in this process."""

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from typer.main import get_command

from stream_consumer.aws.clients import Clients, connect
from stream_consumer.cli.app import app
from stream_consumer.errors import ModelError, UsageError
from stream_consumer.model import Model
from stream_consumer.models.loading import load_model
from stream_consumer.operate import machine
from stream_consumer.operate.doctor import Finding, checks, examine, jobs_of
from stream_consumer.operate.machine import Tools
from tests.preflight.tools import install

MAKEFILE = Path(__file__).parents[2] / "Makefile"
REGION = "eu-west-1"


def in_region() -> Clients:
    return connect(environ={"AWS_ACCESS_KEY_ID": "testing"}, region=REGION)


def no_model() -> Model:
    raise AssertionError("no model is looked at")


class Examined:
    """Runs the checks with an environment of its own."""

    def __init__(self, folder: Path) -> None:
        self.tools = folder / "bin"
        self.tools.mkdir()
        self.environ = {"PATH": str(self.tools)}
        self.connect: Callable[[], Clients] = in_region
        self.load: Callable[[], Model] = no_model
        self.endpoint: str | None = None
        self.folder = folder

    def __call__(self, *jobs: str) -> dict[str, Finding]:
        looks = checks(Tools(self.environ), self.connect, self.load, endpoint=self.endpoint, folder=self.folder)
        return {finding.subject: finding for finding in examine(looks, list(jobs))}


@pytest.fixture
def examined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Examined]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield Examined(tmp_path)


def test_every_tool_that_a_make_target_asks_for_is_checked_for_that_target(examined: Examined) -> None:
    subjects = {"docker|podman|buildah": "container", "npm": "node", "docker": "docker"}
    listed = {check.subject: check.jobs for check in checks(Tools({}), in_region, no_model, folder=examined.folder)}
    needs = dict(re.findall(r"^NEEDS_([\w-]+) := (.*)$", MAKEFILE.read_text(encoding="utf-8"), re.MULTILINE))
    assert {"image", "deploy", "promote", "web-test"} <= needs.keys()
    for target, listed_needs in needs.items():
        asked = listed_needs
        while "NEEDS_" in asked:
            asked = re.sub(r"\$\(NEEDS_([\w-]+)\)", lambda other: needs[other[1]], asked)
        asked = re.sub(r"\$\(or .*?,(\w+)\)", r"\1", asked)
        asked = re.sub(r"\$\(if \S+,(\S+),(\S+)\)", r"\1 \2", asked)
        tools = [word for word in asked.split() if not word.endswith("=")]
        assert [tool for tool in tools if target not in listed[subjects.get(tool, tool)]] == [], target
        if "ENV=" in asked:
            assert target in listed["identity"]


@pytest.mark.parametrize(
    ("script", "seen", "remedy"),
    [
        ("""echo '{"terraform_version": "1.11.0"}'""", "1.11.0", ""),
        ("""echo '{"terraform_version": "2.0.0-beta1"}'""", "2.0.0-beta1", ""),
        ("""echo '{"terraform_version": "1.9.8"}'""", "1.9.8 is too old", "install terraform 1.11 or newer"),
        ("echo nothing", "does not tell its version", "install terraform 1.11 or newer"),
        ("exit 1", "does not tell its version", "install terraform 1.11 or newer"),
        ("", "not installed", "install terraform 1.11 or newer"),
    ],
)
def test_terraform_is_as_new_as_the_environments_require(
    examined: Examined, script: str, seen: str, remedy: str
) -> None:
    if script:
        install(examined.tools, "terraform", script)
    found = examined("infra-test")["terraform"]
    assert (found.seen, found.remedy, found.ok) == (seen, remedy, not remedy)


def test_the_versions_that_are_wanted_are_those_of_the_project() -> None:
    root = MAKEFILE.parent
    [terraform] = set(
        re.findall(r'required_version = ">= ([\d.]+)"', "".join(map(Path.read_text, root.glob("infra/envs/*/main.tf"))))
    )
    lock = (root / ".ci/node/package-lock.json").read_text(encoding="utf-8")
    node = max(re.findall(r'"node": ">=(\d+)"', lock), key=int)
    assert (terraform, node) == (".".join(map(str, machine.TERRAFORM)), ".".join(map(str, machine.NODE)))


def test_a_container_tool_without_its_daemon_builds_nothing(examined: Examined) -> None:
    assert examined("image")["container"].remedy == "install docker or podman or buildah"
    install(examined.tools, "docker", "exit 1")
    found = examined("image")["container"]
    assert (found.ok, found.seen, "start the daemon of docker" in found.remedy) == (False, "docker info fails", True)
    install(examined.tools, "podman", "exit 0")
    assert examined("image")["container"].seen == "podman answers"
    assert not examined("integration")["docker"].ok


def test_node_is_worth_nothing_without_npm(examined: Examined) -> None:
    install(examined.tools, "node", "echo v20.20.2")
    assert examined("web-test")["node"].remedy == "install npm"
    install(examined.tools, "npm", "")
    assert examined("web-test")["node"].seen == "v20.20.2"


def test_chromium_is_what_its_variable_names(examined: Examined) -> None:
    assert examined("web-test")["chromium"].remedy == "install Chromium, or name it by CHROMIUM"
    install(examined.tools, "chrome", "")
    examined.environ["CHROMIUM"] = str(examined.tools / "chrome")
    assert examined("web-test")["chromium"].ok


def test_a_full_disk_and_a_package_that_is_missing_are_told(
    examined: Examined, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10**8}))
    monkeypatch.setattr(
        "importlib.metadata.requires", lambda _: ['nothing-of-this-name<2,>=1; extra == "train"', "typer"]
    )
    found = examined("demo")
    assert found["disk"].seen == f"0.1 GB free in {examined.folder}"
    assert found["train"].seen == "not installed: nothing-of-this-name"
    assert found["train"].remedy == "pip install 'stream-consumer[train]'"
    assert found["local"].ok


def test_the_caller_s_account_is_told_and_how_to_get_credentials(examined: Examined) -> None:
    found = examined("status")
    assert found["identity"].seen.startswith("account 123456789012, arn:aws:")
    assert found["region"].seen == REGION


def test_a_service_that_refuses_the_caller_is_quoted_with_the_remedy(examined: Examined) -> None:
    class Refusing:
        def get_caller_identity(self) -> None:
            raise ClientError(
                {"Error": {"Code": "ExpiredToken", "Message": "The token\nis expired"}}, "GetCallerIdentity"
            )

    clients = in_region()
    vars(clients)["sts"] = Refusing()
    examined.connect = lambda: clients
    found = examined("status")["identity"]
    assert "The token is expired" in found.seen
    assert found.remedy == "aws sso login or aws configure, or name a profile by AWS_PROFILE"


def test_without_a_region_nothing_can_be_asked(examined: Examined) -> None:
    def nowhere() -> Clients:
        raise UsageError("no AWS region: pass --region")

    examined.connect = nowhere
    found = examined("status")
    assert [(found[name].seen, found[name].remedy) for name in ("region", "identity")] == [
        ("no AWS region", "pass --region"),
        ("not asked for without a client", "see region"),
    ]


def test_an_endpoint_answers_or_is_missing(examined: Examined) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        examined.endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert examined("put")["endpoint"].seen == f"{examined.endpoint} answers"
    found = examined("put")["endpoint"]
    assert (found.ok, "stream-consumer local up" in found.remedy) == (False, True)
    examined.endpoint = "http://[nowhere"
    assert not examined("put")["endpoint"].ok
    examined.endpoint = None
    assert examined("put")["endpoint"].seen == "that of AWS"


def test_the_model_is_loaded_as_a_command_would_load_it(examined: Examined, rides_model: Path) -> None:
    assert examined("serve")["model"].seen == "MODEL_LOCATION is not set"
    examined.environ["MODEL_LOCATION"] = str(rides_model)
    examined.load = lambda: load_model(str(rides_model))
    assert examined("serve")["model"].ok
    assert examined("serve")["model"].seen.endswith(f"from {rides_model}")

    def broken() -> Model:
        raise ModelError("the model is broken")

    examined.load = broken
    assert examined("serve")["model"].seen == "the model is broken"


def test_only_what_a_job_needs_is_looked_at(examined: Examined) -> None:
    assert set(examined("serve")) == {"python", "doors", "model"}
    assert set(examined("bench", "spark-test")) == {"python", "wrk", "java"}
    with pytest.raises(UsageError, match="there is no job 'sevre'; wanted one of batch, bench, "):
        examined("sevre")


def test_every_command_of_the_table_is_one(examined: Examined) -> None:
    """A job is a target of the Makefile, or a command; a renamed one is noticed."""
    commands = set(vars(get_command(app))["commands"])
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE.read_text(encoding="utf-8"), re.MULTILINE))
    jobs = jobs_of(checks(Tools({}), in_region, no_model, folder=examined.folder))
    assert set(jobs) <= commands | targets
