"""What `make infra-test` looks at, and what it says of a check that it could not make."""

import re
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from infra.state import Resource
from infra.tests import bill, terraform
from infra.tests.bill import idle_bill, table
from infra.tests.report import Skipped, report
from stream_consumer.operate.capacity import Prices, Workload, estimate

OWN = ["bootstrap.tfvars.example", "doors.tfvars.example", "main.tf"]
OPERATORS = [
    "backend.hcl",
    "backend_override.tf",
    "bootstrap.auto.tfvars.json",
    "bootstrap.tfvars",
    "dev.tfvars.json",
    "doors.auto.tfvars",
    "release.auto.tfvars.json",
    "terraform.tfstate",
    "terraform.tfvars",
]


def test_an_operators_variables_and_state_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Terraform would load them, and plan the operator's environment instead of the examples."""
    root = tmp_path / "infra" / "envs" / "prod"
    root.mkdir(parents=True)
    for name in (*OWN, *OPERATORS):
        (root / name).touch()
    monkeypatch.setattr(terraform, "INFRA", tmp_path / "infra")
    copied = terraform.copy_of_infra(tmp_path / "copy") / "envs" / "prod"
    assert sorted(path.name for path in copied.iterdir()) == OWN


def fine() -> str:
    return "seen"


def without_its_tool() -> str:
    raise Skipped("node is not installed")


@pytest.mark.parametrize(
    ("environ", "code"), [pytest.param({}, 0, id="on a desk"), pytest.param({"CI": "true"}, 1, id="in CI")]
)
def test_a_check_without_its_tool_is_named_and_fails_in_ci(
    environ: dict[str, str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CI", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert report([fine, without_its_tool]) == code
    last = capsys.readouterr().out.splitlines()[-2:]
    assert last == ["skipped: without_its_tool (node is not installed)", "1 passed, 0 failed, 1 skipped"]


def test_an_idle_bill_counts_shards_hours_and_the_metrics_of_alarms() -> None:
    """In 730 hours a shard costs $10.95, one that keeps two days $25.55, an on-demand stream $29.20."""
    made = [
        _stream("module.input", mode="PROVISIONED", shards=1, hours=24),
        _stream("module.output", mode="PROVISIONED", shards=1, hours=48),
        _stream("module.more", mode="ON_DEMAND", shards=None, hours=24),
        Resource("m.aws_cloudwatch_metric_alarm.a", "aws_cloudwatch_metric_alarm", {"metric_query": []}),
        Resource(
            "m.aws_cloudwatch_metric_alarm.b",
            "aws_cloudwatch_metric_alarm",
            {"metric_query": [{"metric": []}, {"metric": [{}]}, {"metric": [{}]}]},
        ),
        Resource("m.aws_cloudwatch_composite_alarm.c", "aws_cloudwatch_composite_alarm", {}),
        Resource("m.aws_cloudwatch_dashboard.d", "aws_cloudwatch_dashboard", {}),
        Resource("aws_kms_key.this[0]", "aws_kms_key", {}),
    ]
    dollars = idle_bill(made)
    assert {kind: round(amount, 2) for kind, amount in dollars.items() if amount} == {
        "streams": 65.70,
        "alarms": 0.80,
        "dashboard": 3.00,
        "key": 1.00,
    }
    assert table({"dev": dollars}).splitlines()[-1] == "| **all** | **70** |"


@pytest.mark.parametrize(("mode", "shards"), [("PROVISIONED", 1), ("ON_DEMAND", None)])
def test_capacity_reckons_two_idle_streams_as_the_idle_bill_does(mode: str, shards: int | None) -> None:
    """An environment without events costs the same in both, whichever kind of streams it has."""
    made = [_stream(f"module.{name}", mode=mode, shards=shards, hours=24) for name in ("input", "output")]
    cost = estimate(Workload(events_per_second=1e-9)).cost
    reckoned = {"PROVISIONED": cost.provisioned_streams, "ON_DEMAND": cost.on_demand_streams}[mode]
    assert idle_bill(made)["streams"] == pytest.approx(reckoned, abs=0.001)


def test_the_prices_of_capacity_and_of_the_idle_bill_are_of_one_date() -> None:
    readme = (terraform.INFRA / "README.md").read_text("utf-8")
    for text in (Prices.__doc__, bill.__doc__, readme):
        assert "us-east-1" in str(text)
        assert "November 2026" in str(text)


def _stream(module: str, *, mode: str, shards: int | None, hours: int) -> Resource:
    values = {
        "stream_mode_details": [{"stream_mode": mode}],
        "shard_count": shards,
        "retention_period": hours,
        "shard_level_metrics": None,
    }
    return Resource(f"module.system.{module}.aws_kinesis_stream.this", "aws_kinesis_stream", values)


def test_every_module_and_root_leaves_out_the_providers_that_fail_with_snapstart() -> None:
    """Providers 6.0 to 6.3 fail to publish versions with SnapStart."""
    files = [file for file in terraform.INFRA.rglob("*.tf") if ".terraform" not in file.parts]
    texts = [file.read_text("utf-8") for file in files]
    found = re.findall(r'source  = "hashicorp/aws"\n +version = "(.+)"', "".join(texts))
    [constraint] = set(found)
    wanted = ["5.99.1", "5.100.0", "6.0.0", "6.1.0", "6.2.0", "6.3.0", "6.4.0", "6.62.0", "7.0.0"]
    assert list(SpecifierSet(constraint).filter(wanted)) == ["5.100.0", "6.4.0", "6.62.0"]
    assert len(found) == sum("required_providers" in text for text in texts)
