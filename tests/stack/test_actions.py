"""What people do to an order with orderctl, and what they must not do."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from support.monitor import Monitor
from support.shop import Shop, View
from support.situations import Situations
from support.tables import Tables

pytestmark = pytest.mark.usefixtures("unscheduled")


def events(view: View) -> list[str]:
    return [entry["event"] for entry in view["timeline"]]


# --- redrive ----------------------------------------------------------------------------------


# The local engine has no RedriveExecution, and says so.
def test_a_redrive_that_is_refused_tells_why(shop: Shop, situations: Situations, monitor: Monitor) -> None:
    order = situations.unheard_payment()
    monitor.sweep(order)
    assert "redriv" in shop.refused("redrive", order).lower()


# --- reprocess --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reprocessed(shop: Shop, situations: Situations) -> View:
    """Rejected, then processed again and approved."""
    order = situations.waiting()
    shop.orderctl("reject", order, "--reason", "a check of the monitor")
    shop.becomes(order, {"workflow": {"status": "FAILED"}})
    shop.orderctl("reprocess", order, "--reason", "the reviewer was wrong")
    shop.becomes(order, {"status": "in_review", "workflow": {"attempt": 2}})
    shop.orderctl("approve", order, "--reason", "it is fine")
    return shop.becomes(order, {"status": "completed"})


def test_a_rejected_order_completes_in_another_attempt(reprocessed: View) -> None:
    assert reprocessed["workflow"]["attempt"] == 2


@pytest.mark.parametrize("event", ["received", "rejected", "reprocess_requested", "approved", "captured"])
def test_both_attempts_are_on_the_timeline(reprocessed: View, event: str) -> None:
    assert event in events(reprocessed)


def test_an_order_that_is_paid_and_shipped_is_not_processed_again(shop: Shop, reprocessed: View) -> None:
    assert "paid and shipped" in shop.refused("reprocess", reprocessed["order_id"])


def test_an_order_of_whom_nobody_knows_who_is_to_pay_is_not_processed_again(shop: Shop, payer_erased: str) -> None:
    assert "erased" in shop.refused("reprocess", payer_erased)


# --- cancel -----------------------------------------------------------------------------------


def test_a_cancellation_is_on_the_timeline_with_who_and_why(shop: Shop, situations: Situations) -> None:
    order = situations.waiting()
    shop.orderctl("cancel", order, "--reason", "the customer called")
    view = shop.becomes(order, {"status": "cancelled"})
    by_people = [entry for entry in view["timeline"] if (entry["event"], entry["step"]) == ("cancelled", "operator")]
    assert by_people, f"the cancellation is not on the timeline: {events(view)}"
    assert "the customer called" in by_people[0]["detail"]


# --- resend -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Resent:
    """An order whose message to the customer was given up, and then sent."""

    order: str
    incidents_before: list[str]


@pytest.fixture(scope="module")
def resent(shop: Shop, situations: Situations, monitor: Monitor) -> Resent:
    order = situations.message_given_up()
    monitor.sweep(order)
    incidents = monitor.incidents(order)
    shop.orderctl("resend", order, "--reason", "the mail service is back")
    shop.becomes(order, {"notification": {"status": "sent"}})
    return Resent(order, incidents)


def test_a_message_that_was_given_up_is_an_incident(resent: Resent) -> None:
    assert resent.incidents_before == ["message_not_sent"]


def test_a_message_that_was_given_up_is_sent_on_request(shop: Shop, resent: Resent) -> None:
    shop.becomes(resent.order, {"notification": {"status": "sent"}})


def test_a_message_is_not_sent_twice(shop: Shop, resent: Resent) -> None:
    assert "no message" in shop.refused("resend", resent.order)


def test_an_order_whose_message_was_sent_is_over(tables: Tables, monitor: Monitor, resent: Resent) -> None:
    monitor.sweep(resent.order)
    assert not tables.projection(resent.order).is_looked_at_again
