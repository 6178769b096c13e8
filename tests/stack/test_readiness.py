"""What keeps an environment from being deployed is said before anything is built or changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import aws
import common
import deploy
import readiness
import terraform
from common import REGION, ROOT, Problem
from support.shop import Shop

Done = subprocess.CompletedProcess[str]

# What prod.tfvars leaves to be filled in.
_OURS = (
    "account_id=000000000000",
    'operator_emails=["on-call@shop.test"]',
    "sender_address=orders@shop.test",
    'carrier={id="se-1",service_code="usps_priority_mail",warehouse_id="se-1",'
    'contact_phone="+1 555 0142",grams_per_piece=500,domestic_countries=["US"]}',
)


def _deploy(command: str, *arguments: str, environment: dict[str, str] | None = None) -> Done:
    called = [sys.executable, str(ROOT / "tools/deploy.py"), command, "--yes", *arguments]
    return subprocess.run(called, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def _plan(shop: Shop, *variables: str, artifacts: bool = True) -> Done:
    """Of production's settings, on the local engine."""
    named = [part for variable in (*_OURS, *variables) for part in ("--var", variable)]
    zips = ["--artifacts", str(shop.stack.artifacts)] if artifacts else []
    return _deploy("plan", "--brief", "--env", "prod", "--stack", shop.stack.name, *zips, *named)


# --- before AWS is asked --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["staging", "../environments/prod", "prod/", "prod.tfvars", "", "PROD"])
def test_an_environment_is_one_of_those_that_there_are(name: str) -> None:
    done = _deploy("plan", "--env", name)
    assert done.returncode != 0
    if name:
        assert f"there is no environment {name!r}" in done.stderr
        assert "choose one of dev, prod" in done.stderr


def test_a_laptops_environment_is_not_deployed() -> None:
    assert "`local` is the stack on this machine" in _deploy("deploy", "--env", "local").stderr


@pytest.fixture
def environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project's, to write into."""
    copied = tmp_path / "terraform"
    shutil.copytree(terraform.MODULE / "environments", copied / "environments")
    monkeypatch.setattr(terraform, "MODULE", copied)
    monkeypatch.setattr(terraform, "ROOT", tmp_path)
    return copied / "environments"


def test_files_that_still_name_another_environment_are_refused(environments: Path) -> None:
    (environments / "staging.tfvars").write_text((environments / "dev.tfvars").read_text())
    with pytest.raises(Problem, match=r"staging has no .*staging\.s3\.tfbackend"):
        terraform.require_environment("staging")
    shutil.copy(environments / "dev.s3.tfbackend", environments / "staging.s3.tfbackend")
    with pytest.raises(Problem, match=r"staging\.tfvars is not staging's own") as refused:
        terraform.require_environment("staging")
    assert refused.value.remedy == 'it needs the line: environment = "staging"'
    variables = (environments / "dev.tfvars").read_text().replace('"dev"', '"staging"')
    (environments / "staging.tfvars").write_text(variables)
    with pytest.raises(Problem, match=r"staging\.s3\.tfbackend is not staging's own"):
        terraform.require_environment("staging")
    (environments / "staging.s3.tfbackend").write_text('key = "orders/staging.tfstate"\n')
    terraform.require_environment("staging")


def test_an_environment_whose_name_begins_with_anothers_is_refused(environments: Path) -> None:
    variables = (environments / "dev.tfvars").read_text().replace('"dev"', '"dev-eu"')
    (environments / "dev-eu.tfvars").write_text(variables)
    (environments / "dev-eu.s3.tfbackend").write_text('key = "orders/dev-eu.tfstate"\n')
    for name in ("dev", "dev-eu"):
        with pytest.raises(Problem, match="dev-eu begins with the name of dev and a hyphen"):
            terraform.require_environment(name)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:4566",
        "http://0.0.0.0:4566",
        "http://127.1:4566",
        "localhost:4566",
        "http://localhost.:4566",
        "http://[::1]:4566",
        "http://[::ffff:127.0.0.1]:4566",
        "https://sts.localhost",
    ],
)
def test_this_machine_is_recognised_however_it_is_written(url: str) -> None:
    assert common.is_loopback(url)


@pytest.mark.parametrize("url", ["https://192.0.2.1", "https://nowhere.invalid", "https://[2001:db8::1]:443"])
def test_another_machine_is_not_this_one(url: str) -> None:
    assert not common.is_loopback(url)


@pytest.mark.parametrize("command", ["state-bucket", "plan", "deploy", "rollback", "destroy"])
def test_a_shell_that_points_at_the_local_stack_reaches_no_other_environment(shop: Shop, command: str) -> None:
    s3 = aws.client("s3", shop.settings, REGION)
    before = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    done = _deploy(command, "--env", "prod", environment={**os.environ, **shop.settings})
    assert done.returncode == 1
    assert "AWS_ENDPOINT_URL of this shell points at this machine" in done.stderr
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == before


def test_release_zips_are_built_without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    monkeypatch.setattr(deploy, "build", lambda environment: built.append(environment.name))
    monkeypatch.setattr(aws, "account", lambda *_: pytest.fail("AWS was asked"))
    monkeypatch.setattr(sys, "argv", ["deploy.py", "release", "--env", "prod"])
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    deploy.main()
    assert built == ["prod"]


# --- before anything is built ---------------------------------------------------------------------


def test_placeholders_are_refused_all_at_once(shop: Shop) -> None:
    done = _deploy("plan", "--env", "prod", "--stack", shop.stack.name, "--artifacts", str(shop.stack.artifacts))
    assert done.returncode == 1
    for placeholder in ("orders@example.com", "se-123456", "se-654321", "+1 555 0100"):
        assert f"still has the placeholder {placeholder}" in done.stderr


def test_variables_that_terraform_does_not_take_are_told_before_the_build(shop: Shop) -> None:
    done = _plan(shop, "canary_percent=500", artifacts=False)
    assert done.returncode == 1
    assert "canary_percent must be" in done.stdout + done.stderr
    assert "building the functions" not in done.stdout


class _Small:
    """An account as new ones are: nothing can be reserved."""

    class exceptions:
        ResourceNotFoundException = KeyError

    def get_account_settings(self) -> dict[str, Any]:
        return {"AccountLimit": {"UnreservedConcurrentExecutions": 10}}

    def get_function_concurrency(self, **_: str) -> dict[str, int]:
        raise KeyError


def test_concurrency_that_the_account_does_not_have_is_told() -> None:
    environment = SimpleNamespace(name="prod", client=lambda _: _Small())
    [found] = readiness.concurrency(cast("deploy.Environment", environment), 140, ["orders-prod-charge"])
    assert (
        found.what == "this account can reserve 0 concurrent executions (100 must stay unreserved), and 140 are wanted"
    )
    assert "reserved_concurrency = null in prod.tfvars" in str(found.remedy)
    assert not list(readiness.concurrency(cast("deploy.Environment", environment), 0, []))


@pytest.fixture
def wrong_key(shop: Shop) -> Iterator[str]:
    """The secret of production, which the local engine has none of, with a key that nobody takes."""
    secrets = aws.client("secretsmanager", shop.settings, REGION)
    name = "orders-prod/payment"
    secrets.create_secret(Name=name, SecretString="rk_of_nobody")
    yield name
    secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def test_a_key_that_the_provider_does_not_take_is_told_and_not_shown(shop: Shop, wrong_key: str) -> None:
    # Plain http is refused by Terraform, which comes later.
    done = _plan(shop, f"payment_api_url={shop.endpoints['sandbox']}")
    assert done.returncode == 1
    assert f"does not take the key in {wrong_key} (401)" in done.stderr
    assert "rk_of_nobody" not in done.stdout + done.stderr


def test_a_sender_that_ses_does_not_know_is_told(shop: Shop) -> None:
    done = _plan(shop, "sender_is_verified=true")
    assert "SES has verified neither orders@shop.test nor its domain" in done.stderr


@pytest.fixture
def known_sender(shop: Shop) -> Iterator[None]:
    mail = aws.client("sesv2", shop.settings, REGION)
    mail.create_email_identity(EmailIdentity="orders@shop.test")
    yield
    mail.delete_email_identity(EmailIdentity="orders@shop.test")


@pytest.mark.usefixtures("known_sender")
def test_a_sender_that_ses_knows_already_is_told(shop: Shop) -> None:
    assert "sender_is_verified = true in terraform/environments/prod.tfvars" in _plan(shop).stderr


def test_what_is_ready_is_planned_and_it_is_said_as_whom(shop: Shop) -> None:
    done = _plan(shop, "saved_queries=false")
    assert done.returncode == 0, done.stderr
    assert "looking at `prod` as arn:aws:iam::000000000000:root, account 000000000000, us-east-1" in done.stdout
    assert "note: orders-prod/payment has no key yet" in done.stdout
    assert "create         aws_dynamodb_table.orders" in done.stdout
