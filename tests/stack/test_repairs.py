"""What a sweep of the monitor mends by itself."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from support.monitor import Monitor, repairs
from support.shop import Shop
from support.situations import Situations

pytestmark = pytest.mark.usefixtures("unscheduled")


@dataclass(frozen=True)
class Broken:
    """Orders that nobody is at work on."""

    never_started: str
    approved: str
    rejected: str
    unheard_payment: str


@pytest.fixture(scope="module")
def swept(situations: Situations, monitor: Monitor) -> Broken:
    """After one sweep."""
    broken = Broken(
        never_started=situations.never_started(),
        approved=situations.approved_unheard(),
        rejected=situations.rejected_unheard(),
        unheard_payment=situations.unheard_payment(),
    )
    monitor.sweep(broken.never_started, broken.approved, broken.rejected, broken.unheard_payment)
    return broken


def test_an_order_that_was_never_started_is_started(shop: Shop, swept: Broken) -> None:
    view = shop.becomes(swept.never_started, {"status": "completed"})
    assert "started" in repairs(view), "the repair is not on the timeline"


def test_an_approval_that_was_never_told_is_carried_out(shop: Shop, swept: Broken) -> None:
    view = shop.becomes(swept.approved, {"status": "completed"})
    assert "woken" in repairs(view), "the repair is not on the timeline"


def test_a_rejection_that_was_never_told_is_carried_out(shop: Shop, swept: Broken) -> None:
    view = shop.becomes(swept.rejected, {"status": "rejected"})
    assert "woken" in repairs(view), "the repair is not on the timeline"


def test_a_payment_that_nobody_knew_of_is_asked_about(shop: Shop, swept: Broken) -> None:
    view = shop.becomes(swept.unheard_payment, {"payment": {"status": "none"}})
    assert "resolved" in repairs(view), "the repair is not on the timeline"


def test_an_order_whose_execution_was_stopped_is_left_to_a_person(shop: Shop, swept: Broken) -> None:
    view = shop.becomes(swept.unheard_payment, {"payment": {"status": "none"}})
    assert view["status"] == "needs_attention"
