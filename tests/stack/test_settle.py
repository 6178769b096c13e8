"""A label that the carrier does not void any more, from the failed task to an order that is closed."""

from __future__ import annotations

import pytest

from support.monitor import Monitor
from support.shop import Shop, View
from support.situations import Situations

pytestmark = pytest.mark.usefixtures("unscheduled")

_WHY = ("--reason", "the parcel has gone out")


def _events(view: View) -> list[str]:
    return [entry["event"] for entry in view["timeline"]]


@pytest.fixture(scope="module")
def used_label(situations: Situations) -> str:
    return situations.used_label()


@pytest.fixture(scope="module")
def settled(shop: Shop, monitor: Monitor, used_label: str) -> View:
    """Written off, and restarted."""
    shop.orderctl("settle", used_label, "--as", "shipment_written_off", *_WHY)
    shop.orderctl("restart", used_label, "--reason", "it is settled")
    view = shop.becomes(used_label, {"status": "rejected", "workflow": {"attempt": 2, "status": "FAILED"}})
    monitor.sweep(used_label)
    return view


def test_a_used_label_is_tried_once_and_says_what_to_do(shop: Shop, used_label: str) -> None:
    view = shop.becomes(used_label, lambda view: "unbook_refused" in _events(view))
    assert "settle the order" in view["failure"]["recommended_action"]
    fired = [fault for fault in shop.books(used_label)["faults_fired"] if fault["operation"] == "cancel"]
    assert len(fired) == 1, "the carrier was asked again and again"


def test_what_the_carrier_does_not_confirm_is_not_settled(shop: Shop, used_label: str) -> None:
    done = shop.run("settle", used_label, "--as", "shipment_cancelled", *_WHY)
    assert (done.returncode, "label_already_used" in done.stderr) == (3, True), done.stderr
    done = shop.run("settle", used_label, "--as", "payment_returned", *_WHY)
    assert (done.returncode, "its shipment comes first" in done.stderr) == (3, True), done.stderr


def test_an_order_that_is_settled_closes_with_what_it_was_reversed_for(shop: Shop, settled: View) -> None:
    assert settled["failure"]["error"] == "PaymentDeclined"
    assert settled["shipment"]["status"] == "cannot_be_cancelled"
    assert {"settled", "shipment_written_off", "restart_requested", "rejected"} <= set(_events(settled))
    by_people = [entry for entry in settled["timeline"] if (entry["event"], entry["step"]) == ("settled", "operator")]
    assert "the parcel has gone out (shipment_written_off)" in by_people[0]["detail"]
    books = shop.books(settled["order_id"])
    assert (len(books["shipments"]), len(books["cancelled_shipments"])) == (1, 0)


def test_an_order_that_is_settled_needs_nobody(monitor: Monitor, settled: View) -> None:
    assert monitor.incidents(settled["order_id"]) == []
