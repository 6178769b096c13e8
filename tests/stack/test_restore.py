"""Tables that are lost come back: the drill, and in earnest, with orders in flight."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
from dataclasses import dataclass

import pytest

import aws
from common import REGION, ROOT
from support.deployments import Deployments
from support.shop import Shop
from support.waiting import in_time

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def recoverable(shop: Shop) -> list[str]:
    """The tables, as production has them: recoverable to any second."""
    tables = aws.client("dynamodb", shop.settings, REGION)
    names: list[str] = [shop.endpoints[key] for key in ("orders_table", "read_models_table", "stock_table")]
    for name in names:
        enabled = {"PointInTimeRecoveryEnabled": True}
        tables.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=enabled)
    return names


@dataclass(frozen=True)
class Lost:
    """What was there before the orders' table was deleted, and is there again."""

    completed: str
    in_review: str
    answered_meanwhile: int


@pytest.fixture(scope="module")
def lost(shop: Shop, deployments: Deployments) -> Lost:
    """The orders' table is deleted, restored under its name from its last backup, and wired anew by a deployment."""
    completed, in_review = shop.submit(1), shop.in_review()
    deployments.completes(completed)
    tables = aws.client("dynamodb", shop.settings, REGION)
    name = shop.endpoints["orders_table"]
    # AWS makes one of its own when a table with recovery is deleted, and keeps it for 35 days.
    backup = tables.create_backup(TableName=name, BackupName="lost")["BackupDetails"]["BackupArn"]
    tables.delete_table(TableName=name)
    try:
        shop.submit(1)
        answered = 202
    except urllib.error.HTTPError as error:
        answered = error.code
    tables.restore_table_from_backup(TargetTableName=name, BackupArn=backup)
    deployments.must_run("deploy", "--stack", shop.stack.name, "--artifacts", str(shop.stack.artifacts))
    return Lost(completed, in_review, answered)


def _drill() -> Done:
    command = [sys.executable, str(ROOT / "tools/restore_drill.py"), "--stack", "e2e"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_tables_without_recovery_are_not_drilled() -> None:
    done = _drill()
    assert done.returncode == 1
    assert "has no point-in-time recovery" in done.stderr


@pytest.mark.usefixtures("recoverable")
def test_the_drill_restores_what_is_there_and_leaves_nothing_behind(shop: Shop) -> None:
    done = _drill()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "orderctl lists the restored open orders" in done.stdout
    tables = aws.client("dynamodb", shop.settings, REGION).list_tables()["TableNames"]
    assert not [name for name in tables if "drill" in name]


def test_while_the_table_is_lost_no_order_is_accepted(lost: Lost) -> None:
    assert lost.answered_meanwhile >= 500


def test_what_was_in_a_lost_table_is_there_again(shop: Shop, lost: Lost) -> None:
    view = shop.view(lost.completed)
    assert view is not None
    assert view["status"] == "completed"


def test_an_order_in_flight_goes_on_after_its_table_is_back(deployments: Deployments, lost: Lost) -> None:
    deployments.approve(lost.in_review)
    deployments.completes(lost.in_review)


@pytest.mark.usefixtures("unscheduled")
def test_the_monitor_follows_the_restored_table(shop: Shop, lost: Lost) -> None:
    assert lost.completed
    order = shop.in_review()

    def followed() -> bool:
        lines = shop.orderctl("orders").splitlines()
        return any(line.startswith(order) and "ReviewOrder" in line for line in lines)

    assert in_time(followed), f"no change of {order} came from the table's stream"
