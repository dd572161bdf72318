"""What an environment's variables ask for, as Terraform reads them before its first init."""

import json
import shutil
from pathlib import Path

import pytest

from infra.preflight.variables import Asked, Model, VariablesUnreadable, asked, read
from infra.publish import INFRA

pytestmark = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An environment that nobody has initialised: declarations and the example's values."""
    folder = tmp_path / "dev"
    folder.mkdir()
    shutil.copy(INFRA / "envs" / "dev" / "variables.tf", folder)
    (folder / "terraform.tfvars").write_text('account_id = "123456789012"\nregion = "eu-west-1"\n')
    return folder


def consumers(**of: object) -> str:
    return json.dumps({"consumers": of})


def test_reserved_concurrency_counts_and_provisioned_where_nothing_is_reserved(root: Path) -> None:
    """Provisioned concurrency is taken out of the reserved."""
    functions = {
        "a": {"function": {"reserved_concurrency": 40, "provisioned_concurrency": 5}},
        "b": {"function": {"provisioned_concurrency": 7}},
        "c": {},
    }
    (root / "more.auto.tfvars.json").write_text(consumers(**functions))
    assert asked(root).concurrency == {"stream-consumer-dev-a": 40, "stream-consumer-dev-b": 7}


def test_the_interfaces_take_what_their_modules_say(root: Path) -> None:
    network = {"subnet_ids": ["subnet-1"], "security_group_ids": ["sg-1"]}
    (root / "consumers.auto.tfvars.json").write_text(consumers(a={}))
    (root / "doors.auto.tfvars.json").write_text(json.dumps({"web": {}, "batch": {"network": network}}))
    assert asked(root).concurrency == {"stream-consumer-dev-web": 10, "stream-consumer-dev-batch-starter": 1}
    (root / "doors.auto.tfvars.json").write_text(json.dumps({"batch": {"network": network, "on_arrival": False}}))
    assert asked(root).concurrency == {}


def test_account_region_and_models_are_read(root: Path) -> None:
    model = {"location": "s3://models/7", "digest": "ab"}
    (root / "more.auto.tfvars.json").write_text(
        consumers(a={"model": model, "environment": {"ID_FIELD": "trip"}}, b={})
    )
    models = {"a": Model("s3://models/7", "ab", {"ID_FIELD": "trip"}), "b": Model()}
    assert asked(root) == Asked("123456789012", "eu-west-1", {}, models)


def test_a_challenger_is_a_model_to_look_at_too(root: Path) -> None:
    """It is read by the settings of its consumer."""
    challenger = {"location": "s3://models/8", "digest": "cd"}
    (root / "more.auto.tfvars.json").write_text(
        consumers(a={"challenger": challenger, "environment": {"ID_FIELD": "trip"}})
    )
    assert asked(root).models == {
        "a": Model(environment={"ID_FIELD": "trip"}),
        "the challenger of a": Model("s3://models/8", "cd", {"ID_FIELD": "trip"}),
    }


def test_values_count_in_terraforms_order_with_those_of_the_shell(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_VAR_doors_image_digest", "of the shell")
    monkeypatch.setenv("TF_VAR_region", "of the shell")
    (root / "z.auto.tfvars").write_text('emails = ["a@b.org"]\naccount_id = "of the last file"\n')
    assert read(root, "doors_image_digest", "region", "account_id", "emails") == {
        "doors_image_digest": "of the shell",
        "region": "eu-west-1",
        "account_id": "of the last file",
        "emails": ["a@b.org"],
    }


def test_a_variable_without_a_value_or_declaration_is_left_out(root: Path) -> None:
    assert read(root, "image_digest", "unheard_of", "region") == {"region": "eu-west-1"}


def test_text_that_looks_like_a_template_stays_as_it_is(root: Path) -> None:
    text = '"quoted" é <&> \\ \n $' + "{a} %{b} $$"
    (root / "more.auto.tfvars.json").write_text(
        json.dumps({"doors_image_digest": text.replace("${", "$${").replace("%{", "%%{")})
    )
    assert read(root, "doors_image_digest") == {"doors_image_digest": text}


def test_a_value_of_an_unknown_variable_is_named(root: Path) -> None:
    """Terraform only warns, and would deploy the default."""
    (root / "terraform.tfvars").write_text("consumer = {}\n")
    with pytest.raises(VariablesUnreadable, match='no variable is called "consumer"'):
        asked(root)


def test_a_value_that_terraform_refuses_is_named(root: Path) -> None:
    (root / "terraform.tfvars").write_text('emails = "nobody"\nconsumers = {}\n')
    with pytest.raises(VariablesUnreadable, match=r"Invalid value for input variable.*set of string required"):
        asked(root)
