"""The settings of production on an account that has nothing of it: an apply that breaks off, one that takes it up, and
the way down."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from typing import Any

import pytest

import aws
import terraform
from common import REGION, TARGET
from support.deployments import Deployments, Done, changed_attributes
from support.shop import Shop

FOLDER = TARGET / "deploy" / "prod"
PREFIX = "orders-prod"
# What the local engine does not keep, and what follows from it in a plan: it drops a state machine's
# tracing and an object's tags.
DROPPED = {
    r"aws_sfn_state_machine\.orders": {"tracing_configuration", "revision_id", "state_machine_version_arn"},
    r"aws_sfn_alias\.live": {"routing_configuration"},
    r"module\.function\[\"[\w-]+\"\]\.aws_s3_object\.artifact": {"tags_all"},
    r"aws_lambda_function_event_invoke_config\.monitor": {"maximum_event_age_in_seconds"},
    # What the provider reads of an alarm is its name and its bounds.
    r".*aws_cloudwatch_metric_alarm\.\w+(\[\"\w+\"\])?": {
        "actions_enabled",
        "alarm_actions",
        "alarm_description",
        "dimensions",
        "extended_statistic",
        "ok_actions",
        "period",
        "statistic",
        "threshold_metric_id",
        "treat_missing_data",
    },
}


@dataclass(frozen=True)
class Production:
    """The command line for it, and what it needs to be told."""

    deployments: Deployments
    arguments: tuple[str, ...]
    environment: dict[str, str]
    # What the first apply has printed.
    interrupted: str

    def run(self, command: str, *more: str) -> Done:
        return self.deployments.run(command, *self.arguments, *more, environment=self.environment)

    def client(self, service: str) -> Any:
        return aws.client(service, self.deployments.shop.settings, REGION)


# --- each a step further than the one before ----------------------------------------------------


@pytest.fixture(scope="module")
def production(shop: Shop, deployments: Deployments) -> Production:
    """In an apply that is interrupted on the way, and another that takes it up."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_VAR_"))},
        **shop.settings,
    }
    variables = (
        f"account_id={aws.account(shop.settings, REGION)}",
        'operator_emails=["on-call@shop.test"]',
        "sender_address=orders@shop.test",
        'carrier={id="se-1",service_code="usps_priority_mail",warehouse_id="se-1",'
        'contact_phone="+1 555 0142",grams_per_piece=500,domestic_countries=["US"]}',
        # This engine has no Logs Insights.
        "saved_queries=false",
    )
    named = (part for variable in variables for part in ("--var", variable))
    arguments = ("--env", "prod", "--stack", shop.stack.name, "--artifacts", str(shop.stack.artifacts), *named)
    shutil.rmtree(FOLDER, ignore_errors=True)
    interrupted = deployments.interrupt("deploy", "40 of", *arguments, environment=environment)
    # What an interrupt in the wrong moment leaves: a table that is there, and protected, and not known to be whole.
    terraform.taint(terraform.Deployment("prod", FOLDER, environment), "aws_dynamodb_table.orders")
    deployments.must_run("deploy", *arguments, environment=environment)
    return Production(deployments, arguments, environment, interrupted)


@pytest.fixture(scope="module")
def planned_again(production: Production) -> dict[str, set[str]]:
    """What another plan would change, without what the local engine is known to drop."""
    done = production.run("plan")
    assert done.returncode == 0, done.stderr
    shown = terraform.shown(terraform.Deployment("prod", FOLDER, production.environment))
    changes = {}
    for address, change in terraform.Plan("", shown).changes.items():
        known: set[str] = next(
            (dropped for pattern, dropped in DROPPED.items() if re.fullmatch(pattern, address)), set()
        )
        changes[address] = changed_attributes(change) - known
    return {address: attributes for address, attributes in changes.items() if attributes}


@pytest.fixture(scope="module")
def refused_for_its_people(production: Production) -> Done:
    """With everything protected."""
    return production.run("destroy")


@pytest.fixture(scope="module")
def refused_for_its_tables(production: Production, refused_for_its_people: Done) -> Done:
    """With its user pool unprotected, as the refusal says that it is done."""
    assert "user_pool_protection = false" in refused_for_its_people.stderr
    done = production.run("deploy", "--var", "user_pool_protection=false")
    assert done.returncode == 0, done.stderr
    return production.run("destroy")


@pytest.fixture(scope="module")
def taken_down(production: Production, refused_for_its_tables: Done) -> Done:
    """With nothing protected."""
    assert refused_for_its_tables.returncode != 0
    tables = production.client("dynamodb")
    for table in _tables(production):
        tables.update_table(TableName=table, DeletionProtectionEnabled=False)
    return production.run("destroy")


def _tables(production: Production) -> list[str]:
    return [name for name in production.client("dynamodb").list_tables()["TableNames"] if name.startswith(PREFIX)]


# --- what is looked at ----------------------------------------------------------------------------


def test_an_interrupted_apply_writes_down_what_there_is(production: Production) -> None:
    assert "terraform finishes what it has begun" in production.interrupted
    assert production.interrupted.rstrip().endswith("interrupted")


def test_production_is_there_after_an_apply_was_interrupted_and_taken_up(production: Production) -> None:
    assert _tables(production)


def test_another_plan_changes_nothing(planned_again: dict[str, set[str]]) -> None:
    assert not planned_again


def test_production_is_not_taken_down_with_its_people(refused_for_its_people: Done) -> None:
    assert refused_for_its_people.returncode != 0
    assert "user pool" in refused_for_its_people.stderr


def test_production_is_not_taken_down_with_its_orders(refused_for_its_tables: Done) -> None:
    assert refused_for_its_tables.returncode != 0
    assert "the table orders-prod-orders is protected from being deleted" in refused_for_its_tables.stderr


def test_production_is_taken_down_once_nothing_protects_it(taken_down: Done) -> None:
    assert taken_down.returncode == 0, taken_down.stderr
    assert "the backups can be read until" in taken_down.stdout, "a key goes before what it is needed for"


def test_nothing_of_production_is_left_once_it_is_taken_down(production: Production, taken_down: Done) -> None:
    assert taken_down.returncode == 0, taken_down.stderr
    functions = production.client("lambda").list_functions()["Functions"]
    left = [function["FunctionName"] for function in functions if function["FunctionName"].startswith(PREFIX)]
    assert _tables(production) + left == []
