"""`make smoke`: orders through a fresh deployment, judged by the providers' books."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest

import aws
import smoke
from common import REGION, ROOT, Problem
from support.shop import Shop


@pytest.fixture(scope="module")
def smoked(shop: Shop) -> str:
    """What it prints."""
    command = [sys.executable, str(ROOT / "tools/smoke.py"), "--stack", shop.stack.name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def ledger(shop: Shop, smoked: str) -> dict[str, Any]:
    """What the sandbox has of the order that went all the way."""
    found = re.search(r"(smoke-[\d-]+): all the way", smoked)
    assert found
    return shop.books(found[1])


def test_an_order_goes_all_the_way_and_is_taken_back(ledger: dict[str, Any]) -> None:
    assert [capture["amount"] for capture in ledger["captures"]] == [100]
    assert [refund["amount"] for refund in ledger["refunds"]] == [100]
    assert len(ledger["shipments"]) == len(ledger["cancelled_shipments"]) == 1


def test_a_cancelled_order_leaves_nothing(shop: Shop, smoked: str) -> None:
    found = re.search(r"(smoke-[\d-]+-cancelled): waits", smoked)
    assert found
    ledger = shop.books(found[1])
    assert not any(ledger[kind] for kind in ("authorizations", "captures", "refunds", "shipments"))


def test_books_that_tell_otherwise_are_told(shop: Shop, smoked: str) -> None:
    assert smoked
    environment = smoke.of_stack(shop.stack.name)
    payment, _ = smoke.Shop(environment).effects(shop.becomes(shop.submit(1), {"status": "completed"}))
    with pytest.raises(Problem, match="Stripe's payment is"):
        smoke.Providers(environment).expect_paid(payment, "ord-another", 100)


def test_a_live_key_is_not_used(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = aws.client("secretsmanager", shop.settings, REGION)
    arn = secrets.create_secret(Name="check-live-key", SecretString="sk_live_of_a_shop")["ARN"]
    settings = {"PAYMENT_SECRET_ARN": arn, "CARRIER_SECRET_ARN": arn}
    monkeypatch.setattr(smoke, "_settings_of", lambda _, __: settings)
    try:
        with pytest.raises(Problem, match="a live key") as refused:
            smoke.Providers(smoke.of_stack(shop.stack.name))
    finally:
        secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    assert "sk_live" not in str(refused.value)
