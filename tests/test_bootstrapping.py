"""``make bootstrap``: what is asked of Terraform, and what an environment is told."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.bootstrapping import Bootstrap, bootstrap, caller, github_origin, main, read_settings, refuse_a_copy
from infra.publish import INFRA, ReleaseFailed

needs_terraform = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")
ACCOUNT, REGION, REPOSITORY = "123456789012", "eu-west-1", "my-company/rides"
MADE = {
    "kms_key_arn": "arn:aws:kms:eu-west-1:123456789012:key/1",
    "models_bucket": "stream-consumer-dev-models-123456789012",
    "repositories": {"lean": "registry/stream-consumer-dev", "doors": "registry/stream-consumer-dev-doors"},
}
TERRAFORM = """\
#!/bin/sh
echo "$*" >> log
case $1 in
init) cp backend_override.tf backend.$(grep -c . log) ;;
show) cat shown.json ;;
console) exec %s console ;;
output) echo '{"bootstrap": {"value": %s}, "github_repository": {"value": null}}' ;;
esac
"""


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bootstrap]:
    """An empty account, and a Terraform that keeps a log of what it is asked and does nothing."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_REGION", REGION)
    tools = tmp_path / "bin"
    for folder in (tools, tmp_path / "bootstrap", tmp_path / "envs" / "dev"):
        folder.mkdir(parents=True)
    (tools / "terraform").write_text(TERRAFORM % (shutil.which("terraform"), json.dumps(MADE)))
    (tools / "terraform").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    (tmp_path / "bootstrap" / "shown.json").write_text("{}")
    shutil.copy(INFRA / "bootstrap" / "variables.tf", tmp_path / "bootstrap")
    with mock_aws():
        yield Bootstrap(tmp_path, "dev", ACCOUNT, REGION, approve=True)


def all_but_terraform(_folder: str, names: list[str]) -> list[str]:
    """Name what :func:`shutil.copytree` leaves out."""
    return [name for name in names if not name.endswith(".tf")]


def asked(target: Bootstrap) -> list[str]:
    return [line for line in (target.root / "log").read_text().splitlines() if line.startswith(("init", "apply"))]


def variables(target: Bootstrap) -> dict[str, Any]:
    given: dict[str, Any] = json.loads((target.root / "dev.tfvars.json").read_text())
    return given


def keep_state(target: Bootstrap) -> None:
    s3 = boto3.client("s3", REGION)
    s3.create_bucket(Bucket=target.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket=target.bucket, Key="stream-consumer/dev-bootstrap.tfstate", Body=b"{}")


def make_key(environment: str) -> str:
    tags = {"Project": "stream-consumer", "Environment": environment, "ManagedBy": "terraform"}
    listed = [{"TagKey": name, "TagValue": value} for name, value in tags.items()]
    key: str = boto3.client("kms", REGION).create_key(Tags=listed)["KeyMetadata"]["KeyId"]
    return key


def test_the_first_run_moves_its_local_state_into_the_bucket(target: Bootstrap) -> None:
    target.local_state.write_text("{}")
    bootstrap(target, None)
    assert asked(target) == [
        "init -input=false -reconfigure",
        "apply -auto-approve -var-file=dev.tfvars.json",
        "init -input=false -migrate-state -force-copy",
    ]
    first, second = (file.read_text() for file in sorted(target.root.glob("backend.[0-9]*")))
    assert 'backend "local"' in first
    assert 'backend "s3"' in second
    assert f'bucket = "{target.bucket}"' in second
    assert "use_lockfile = true" in second
    assert not target.local_state.exists()


def test_a_state_in_the_bucket_counts_whatever_lies_beside(target: Bootstrap) -> None:
    """The machine went away after the state had moved: what it left is older, never newer."""
    keep_state(target)
    target.local_state.write_text("{}")
    bootstrap(target, None)
    assert asked(target) == ["init -input=false -reconfigure", "apply -auto-approve -var-file=dev.tfvars.json"]
    assert 'backend "s3"' in (target.root / "backend_override.tf").read_text()
    assert not target.local_state.exists()


def test_without_approval_terraform_asks(target: Bootstrap) -> None:
    bootstrap(Bootstrap(target.infra, "dev", ACCOUNT, REGION), None)
    assert asked(target)[1] == "apply -var-file=dev.tfvars.json"


@needs_terraform
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('roles = { permission_boundary = "arn" }', r"roles\.permission_boundary is not a setting"),
        ('github_repo = "my-company/rides" # of ours', 'no variable is called "github_repo"'),
        ('roles = { path = "/a/", paths = 1 }', r"roles\.paths is not a setting"),
        ("streams = [", r"bootstrap\.tfvars: .* on bootstrap\.tfvars line 1"),
    ],
)
def test_a_misspelt_setting_is_refused(target: Bootstrap, settings: str, said: str) -> None:
    """A permissions boundary would be missing otherwise, and nobody told."""
    (target.settings / "bootstrap.tfvars").write_text(settings)
    with pytest.raises(ReleaseFailed, match=said):
        bootstrap(target, None)
    assert not (target.root / "log").exists() or not asked(target)


@needs_terraform
def test_the_settings_of_the_example_are_all_known(target: Bootstrap) -> None:
    own = 'kms_key_arn = null\nstreams = ["a"]\nfound = { any = "thing" }\n'
    example = (INFRA / "envs" / "prod" / "bootstrap.tfvars.example").read_text(encoding="utf-8")
    for settings in (example, own):
        (target.settings / "bootstrap.tfvars").write_text(settings)
        bootstrap(target, None)


@needs_terraform
def test_the_users_own_settings_count_last(target: Bootstrap) -> None:
    own = target.settings / "bootstrap.tfvars"
    own.write_text('github_repository = "other/rides"\n')
    bootstrap(target, REPOSITORY)
    assert asked(target)[1] == f"apply -auto-approve -var-file=dev.tfvars.json -var-file={own}"


def test_an_environment_is_told_what_it_stands_on(target: Bootstrap) -> None:
    bootstrap(target, None)
    assert read_settings(target.settings) == {"account_id": ACCOUNT, "region": REGION, "bootstrap": MADE}
    assert (target.settings / "backend.hcl").read_text() == f'bucket = "{target.bucket}"\nregion = "{REGION}"\n'


def test_a_backend_of_the_users_stays(target: Bootstrap) -> None:
    """The environment's state is there."""
    (target.settings / "backend.hcl").write_text('bucket = "my-company-terraform-state"\n')
    bootstrap(target, None)
    assert (target.settings / "backend.hcl").read_text() == 'bucket = "my-company-terraform-state"\n'


@pytest.mark.parametrize(("account", "region"), [("999999999999", REGION), (ACCOUNT, "us-east-1")])
def test_an_environment_is_not_made_a_second_time_elsewhere(target: Bootstrap, account: str, region: str) -> None:
    bootstrap(target, None)
    with pytest.raises(ReleaseFailed, match=r"use the profile of the first, or delete .*bootstrap\.auto\.tfvars\.json"):
        bootstrap(Bootstrap(target.infra, "dev", account, region, approve=True), None)


def test_in_a_new_account_the_state_is_not_that_of_the_old_one(target: Bootstrap) -> None:
    bootstrap(target, None)
    (target.settings / "bootstrap.auto.tfvars.json").unlink()  # as the refusal says
    remembered = target.settings / ".terraform" / "terraform.tfstate"
    remembered.parent.mkdir()
    remembered.write_text(json.dumps({"backend": {"config": {"bucket": target.bucket}}}))
    moved = Bootstrap(target.infra, "dev", "999999999999", REGION, approve=True)
    bootstrap(moved, None)
    assert f'bucket = "{moved.bucket}"' in (target.settings / "backend.hcl").read_text()
    assert not remembered.exists()


def copied_to_uat(target: Bootstrap, ignored: str) -> Bootstrap:
    """Bootstrap dev as it is in the repository, and copy its folder."""
    shutil.copytree(INFRA / "envs" / "dev", target.settings, dirs_exist_ok=True, ignore=all_but_terraform)
    bootstrap(target, None)
    copy = Bootstrap(target.infra, "uat", ACCOUNT, REGION, approve=True)
    shutil.copytree(target.settings, copy.settings, ignore=shutil.ignore_patterns(ignored))
    return copy


def test_a_copied_environment_is_refused_until_it_is_itself(target: Bootstrap) -> None:
    """Else its first plan destroys what the other consists of."""
    copy = copied_to_uat(target, "none")
    with pytest.raises(ReleaseFailed) as refused:
        bootstrap(copy, None)
    for said in ('key = "stream-consumer/dev.tfstate"', 'Environment = "dev"', 'environment = "dev"'):
        assert said in str(refused.value)
    assert "delete backend.hcl, bootstrap.auto.tfvars.json there" in str(refused.value)
    main_tf = copy.settings / "main.tf"
    main_tf.write_text(main_tf.read_text().replace('"dev"', '"uat"').replace("/dev.", "/uat."))
    with pytest.raises(ReleaseFailed, match=r"another environment and would change it: delete backend\.hcl"):
        bootstrap(copy, None)
    for file in ("backend.hcl", "bootstrap.auto.tfvars.json"):
        (copy.settings / file).unlink()
    bootstrap(copy, None)


@pytest.mark.parametrize("place", ['Environment = "uat"', '  environment        = "uat"', "/uat.tfstate"])
def test_one_line_with_the_name_of_another_is_enough(target: Bootstrap, place: str) -> None:
    copy = copied_to_uat(target, "b*")
    main_tf = copy.settings / "main.tf"
    text = main_tf.read_text().replace('"dev"', '"uat"').replace("/dev.", "/uat.")
    assert place in text
    main_tf.write_text(text.replace(place, place.replace("uat", "dev")))
    with pytest.raises(ReleaseFailed, match="write uat into its main"):
        refuse_a_copy(copy.settings)


def test_a_copy_does_not_bring_along_what_terraform_remembers(target: Bootstrap) -> None:
    remembered = target.settings / ".terraform" / "terraform.tfstate"
    remembered.parent.mkdir()
    remembered.write_text('{"backend": {"config": {"key": "stream-consumer/prod.tfstate", "bucket": "own"}}}')
    with pytest.raises(ReleaseFailed, match=r"delete \.terraform/terraform\.tfstate there"):
        refuse_a_copy(target.settings)


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_the_environments_of_the_repository_are_themselves(name: str) -> None:
    refuse_a_copy(INFRA / "envs" / name)


def test_what_exists_is_named_for_import(target: Bootstrap) -> None:
    assert bootstrap(target, None)
    assert variables(target)["found"] == {}
    keep_state(target)
    boto3.client("ecr", REGION).create_repository(repositoryName="stream-consumer-dev-doors")
    boto3.client("iam").create_role(RoleName="stream-consumer-deploy-dev", AssumeRolePolicyDocument="{}")
    key = boto3.client("kms", REGION).create_key()["KeyMetadata"]["KeyId"]
    boto3.client("kms", REGION).create_alias(AliasName="alias/stream-consumer-dev", TargetKeyId=key)
    bootstrap(target, None)
    assert variables(target)["found"] == {
        "state": target.bucket,
        "doors": "stream-consumer-dev-doors",
        "role": "stream-consumer-deploy-dev",
        "alias": "alias/stream-consumer-dev",
        "key": key,
    }


def test_what_a_run_that_was_cut_off_left_half_made_is_kept(target: Bootstrap) -> None:
    """Terraform would replace it, and nothing of a bootstrap may be destroyed: each later run would fail."""
    key = {"address": "aws_kms_key.this[0]", "type": "aws_kms_key", "tainted": True}
    bucket = {"address": "module.models.module.bucket.aws_s3_bucket.this", "type": "aws_s3_bucket", "tainted": True}
    whole = {"address": "aws_kms_alias.this[0]", "type": "aws_kms_alias"}
    models = {"child_modules": [{"resources": [bucket]}]}
    state = {"values": {"root_module": {"resources": [key, whole], "child_modules": [models]}}}
    (target.root / "shown.json").write_text(json.dumps(state))
    bootstrap(target, None)
    log = (target.root / "log").read_text().splitlines()
    untainted = [line for line in log if line.startswith("untaint")]
    assert untainted == ["untaint aws_kms_key.this[0]", "untaint module.models.module.bucket.aws_s3_bucket.this"]
    assert log.index(untainted[-1]) < log.index("apply -auto-approve -var-file=dev.tfvars.json")


def test_a_key_that_has_no_alias_yet_is_named_for_import(target: Bootstrap) -> None:
    """A run was cut off between the two, and its state was local. Terraform then makes the alias."""
    make_key("prod")
    boto3.client("kms", REGION).schedule_key_deletion(KeyId=make_key("dev"))
    key = make_key("dev")
    bootstrap(target, None)
    assert variables(target)["found"] == {"key": key}


def test_of_several_keys_without_an_alias_none_is_guessed(target: Bootstrap) -> None:
    keys = {make_key("dev"), make_key("dev")}
    with pytest.raises(ReleaseFailed, match=r"aws kms create-alias --alias-name alias/stream-consumer-dev") as raised:
        bootstrap(target, None)
    assert all(key in str(raised.value) for key in keys)


@needs_terraform
def test_a_policy_beyond_those_that_are_made_is_not_imported(tmp_path: Path) -> None:
    """Of a version that needed more: Terraform would find no place for it, in this run and each later one."""
    [loop] = re.findall(
        r"for_each = (.*policy/.*)\n  to +=", (INFRA / "bootstrap" / "imports.tf").read_text(encoding="utf-8")
    )
    places = 'locals {\n  deploys = true\n  deploy_policies = { "0" = [], "1" = [] }\n}\n'
    found = {"policy/1": "one", "policy/99": "beyond", "state": "a-bucket"}
    declared = f'variable "found" {{\n  default = {json.dumps(found).replace(":", "=")}\n}}\n'
    (tmp_path / "main.tf").write_text(places + declared)
    console = subprocess.run(  # noqa: S603 (our own arguments)
        [str(shutil.which("terraform")), "console"],
        cwd=tmp_path,
        input=f"jsonencode({loop})",
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(json.loads(console.stdout.splitlines()[-1])) == {"1": "one"}


def test_githubs_provider_is_made_once_for_an_account(target: Bootstrap) -> None:
    """It stays with the environment whose state has it."""
    bootstrap(target, REPOSITORY)
    assert variables(target)["makes_github_provider"]
    url = "https://token.actions.githubusercontent.com"
    boto3.client("iam").create_open_id_connect_provider(Url=url, ThumbprintList=[])
    bootstrap(target, REPOSITORY)
    assert not variables(target)["makes_github_provider"]
    kind = "aws_iam_openid_connect_provider"
    has = {"values": {"root_module": {"resources": [{"address": f"{kind}.github[0]", "type": kind}]}}}
    (target.root / "shown.json").write_text(json.dumps(has))
    bootstrap(target, REPOSITORY)
    assert variables(target)["makes_github_provider"]


def test_the_role_stays_with_the_repository_it_was_made_for(target: Bootstrap) -> None:
    """Else a run from a fork's clone, or from one without an origin, would take it away."""
    outputs = {"github_repository": {"value": REPOSITORY}}
    (target.root / "shown.json").write_text(json.dumps({"values": {"outputs": outputs, "root_module": {}}}))
    for origin in ("somebody/fork", None):
        bootstrap(target, origin)
        assert variables(target)["github_repository"] == REPOSITORY


@pytest.mark.parametrize(
    ("origin", "repository"),
    [
        ("https://github.com/my-company/rides.git", "my-company/rides"),
        ("https://user@github.com/my-company/rides", "my-company/rides"),
        ("git@github.com:my-company/rides.js.git", "my-company/rides.js"),
        ("ssh://git@github.com/my-company/rides.git", "my-company/rides"),
        ("https://gitlab.com/my-company/rides.git", None),
        ("https://notgithub.com/my-company/rides.git", None),
        ("/srv/git/github.com", None),
        (None, None),
    ],
)
def test_a_clone_of_github_names_its_repository(origin: str | None, repository: str | None, tmp_path: Path) -> None:
    (tmp_path / ".git" / "objects").mkdir(parents=True)
    (tmp_path / ".git" / "refs").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / ".git" / "config").write_text(f'[remote "origin"]\n\turl = {origin}\n' if origin else "")
    assert github_origin(tmp_path) == repository


def test_the_caller_says_account_and_region(target: Bootstrap) -> None:
    assert caller() == (target.account_id, target.region)


def test_what_the_caller_lacks_is_said_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    assert main(["dev"]) == 1
    assert "export AWS_REGION" in capsys.readouterr().err
    monkeypatch.setenv("AWS_REGION", REGION)
    assert main(["dev"]) == 1
    assert "Unable to locate credentials; log in, or set AWS_PROFILE" in capsys.readouterr().err
