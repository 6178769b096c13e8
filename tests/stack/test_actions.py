"""What people do to an order with orderctl, and what they must not do."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

import aws
from common import REGION
from support.monitor import Monitor
from support.shop import Shop, View
from support.situations import Situations
from support.tables import Tables
from support.waiting import eventually

pytestmark = pytest.mark.usefixtures("unscheduled")


def events(view: View) -> list[str]:
    return [entry["event"] for entry in view["timeline"]]


# --- redrive ----------------------------------------------------------------------------------


def test_a_redriven_order_goes_on_where_it_stopped(shop: Shop, situations: Situations) -> None:
    order = situations.stopped_before_capture()
    shop.orderctl("redrive", order, "--reason", "a check of the monitor")
    view = shop.becomes(order, {"status": "completed", "workflow": {"status": "SUCCEEDED"}})
    assert view["workflow"]["attempt"] == 1
    assert "redrive_requested" in events(view)
    books = shop.books(order)
    counted = {kind: len(books[kind]) for kind in ("authorizations", "captures", "shipments", "voids")}
    assert counted == {"authorizations": 1, "captures": 1, "shipments": 1, "voids": 0}


def test_a_payment_that_nobody_knows_is_resolved_before_a_redrive(
    shop: Shop, situations: Situations, monitor: Monitor
) -> None:
    order = situations.unknown_outcome()
    monitor.sweep(order)
    assert "resolve it first" in shop.refused("redrive", order)


def test_an_order_that_is_over_is_not_redriven(shop: Shop, completed: str) -> None:
    assert "nothing is left unfinished" in shop.refused("redrive", completed)


# --- label ------------------------------------------------------------------------------------


def test_where_a_labels_document_is_stands_in_no_log(shop: Shop, completed: str) -> None:
    """Whoever has its address reads the customer's."""
    document = shop.orderctl("label", completed).split()[-1]
    assert "/v2/downloads/" in document
    logs = aws.client("logs", shop.settings, REGION)

    def told() -> str:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName="/aws/lambda/orders-local-ship")
        return "\n".join(event["message"] for page in pages for event in page["events"])

    eventually(lambda: re.search(rf'"{completed}".*"Document"|"Document".*"{completed}"', told()), "it is logged")
    assert document.rpartition("/")[2] not in told()


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


# --- restart and modify -----------------------------------------------------------------------


def test_an_order_that_was_stopped_goes_on_in_another_attempt(shop: Shop, situations: Situations) -> None:
    order = situations.waiting()
    assert "at work" in shop.refused("restart", order)
    situations.stop(order)
    assert "--from ReviewOrder, where it stopped" in shop.orderctl("restart", order, "--preview")
    shop.orderctl("restart", order, "--reason", "stopped by mistake")
    shop.becomes(order, {"status": "in_review", "workflow": {"attempt": 2, "status": "RUNNING"}})
    shop.orderctl("approve", order, "--reason", "it is fine")
    view = shop.becomes(order, {"status": "completed"})
    assert {"restart_requested", "approved", "captured"} <= set(events(view))


def test_a_label_is_bought_again_to_another_address_and_the_first_one_voided(
    shop: Shop, situations: Situations, tmp_path: Path
) -> None:
    order = situations.stopped_before_capture()
    changes = tmp_path / "changes.json"
    address = {**shop.document(1)["shipping_address"], "line1": "2 Side Street"}
    changes.write_text(json.dumps({"shipping_address": address}))
    assert "booked" in shop.run("modify", order, str(changes), "--reason", "a check").stderr
    assert "is voided, and another one bought" in shop.orderctl("restart", order, "--preview")
    why = ("--reason", "the customer has moved")
    shop.orderctl("restart", order, "--from", "ShipOrder", "--changes", str(changes), *why)
    shop.becomes(order, {"status": "completed", "workflow": {"attempt": 2}})
    books = shop.books(order)
    counted = {kind: len(books[kind]) for kind in ("authorizations", "shipments", "cancelled_shipments", "captures")}
    assert counted == {"authorizations": 1, "shipments": 2, "cancelled_shipments": 1, "captures": 1}


def test_an_order_that_waits_is_modified_and_goes_its_way(shop: Shop, tmp_path: Path) -> None:
    order = shop.in_review()
    changes = tmp_path / "changes.json"
    changes.write_text(json.dumps({"customer": {"email": "new@example.com"}}))
    done = shop.orderctl("modify", order, str(changes), "--reason", "a typing error")
    assert "e-mail address" in done
    assert "new@example.com" not in done
    view = shop.becomes(order, lambda view: "modified" in events(view))
    assert "new@example.com" not in json.dumps(view)
    shop.orderctl("approve", order, "--reason", "it is fine")
    shop.becomes(order, {"status": "completed", "notification": {"status": "sent"}})


# --- cancel -----------------------------------------------------------------------------------


def test_a_cancellation_is_on_the_timeline_with_who_and_why(shop: Shop, situations: Situations) -> None:
    order = situations.waiting()
    shop.orderctl("cancel", order, "--reason", "the customer called")
    view = shop.becomes(order, {"status": "cancelled"})
    by_people = [entry for entry in view["timeline"] if (entry["event"], entry["step"]) == ("cancelled", "operator")]
    assert by_people, f"the cancellation is not on the timeline: {events(view)}"
    assert "the customer called" in by_people[0]["detail"]


def test_a_reason_with_personal_data_is_refused_and_not_repeated(shop: Shop, situations: Situations) -> None:
    order = situations.waiting()
    done = shop.run("cancel", order, "--reason", "ada@example.com called")
    assert done.returncode == 2
    assert "an e-mail address" in done.stderr
    assert "ada" not in done.stdout + done.stderr
    shop.becomes(order, {"status": "in_review"})


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


# --- groups -----------------------------------------------------------------------------------


def test_a_group_is_listed_with_what_to_do_and_with_its_orders(
    shop: Shop, situations: Situations, monitor: Monitor
) -> None:
    order = situations.message_given_up()
    group = monitor.group(order)
    listed = shop.orderctl("groups").split(f"\n{group}  ")[1]
    assert listed.startswith("message_not_sent in NotifyCustomer")
    assert "resend the message" in " ".join(listed.split())
    assert shop.run("orders", "--group", "0123456789abcdef").returncode == 4


# --- many at once -----------------------------------------------------------------------------


# What `orderctl bulk --show` exits with while orders are under way, and while somebody has paused it.
_UNDER_WAY, _PAUSED = 12, 11


def _shown(shop: Shop, digest: str, exits: int) -> str:
    done = shop.run("bulk", "--show", digest)
    assert done.returncode == exits, f"{done.returncode}: {done.stdout.strip()} {done.stderr.strip()}"
    assert "a check of bulks" in done.stdout
    return done.stdout


def test_a_bulk_that_is_stopped_touches_no_order(shop: Shop, situations: Situations, monitor: Monitor) -> None:
    order = situations.waiting()
    digest = _applied(shop, order)
    shop.orderctl("bulk", "--stop", digest, "--reason", "a check of bulks")
    monitor.sweep()
    assert "not touched: 1 order" in _shown(shop, digest, exits=10)
    shop.becomes(order, {"status": "in_review"})


def _applied(shop: Shop, *orders: str) -> str:
    """The digest of a bulk that rejects these."""
    preview = shop.orderctl("bulk", "reject", *orders)
    digest = next(line.split()[4] for line in preview.splitlines() if line.startswith("apply "))
    shop.orderctl("bulk", "--apply", digest, "--reason", "a check of bulks")
    return digest


def test_what_was_previewed_is_applied_and_carried_out(shop: Shop, situations: Situations, monitor: Monitor) -> None:
    order = situations.waiting()
    preview = shop.orderctl("bulk", "reject", order, "check-of-no-order")
    assert "Reject 1 order?" in preview
    assert "check-of-no-order  there is no such order" in preview
    digest = next(line.split()[4] for line in preview.splitlines() if line.startswith("apply "))
    shop.orderctl("bulk", "--apply", digest, "--reason", "a check of bulks")
    assert _shown(shop, digest, exits=_UNDER_WAY).startswith("Reject 1 order: running")
    assert "Reject 1 order: paused" in shop.orderctl("bulk", "--pause", digest)
    monitor.sweep()
    assert "waiting 1" in _shown(shop, digest, exits=_PAUSED), "a paused bulk went on"
    assert "Reject 1 order: running" in shop.orderctl("bulk", "--resume", digest)
    monitor.sweep()
    view = shop.becomes(order, {"status": "rejected"})
    assert shop.run("bulk", "--stop", digest, "--reason", "a check of bulks").returncode == 3, "every order was begun"
    assert [entry for entry in view["timeline"] if f"(bulk {digest})" in (entry["detail"] or "")]
    assert shop.run("bulk", "reprocess", shop.completed()).returncode == 3


# --- exit codes -------------------------------------------------------------------------------


def test_a_script_hears_that_there_is_no_such_order(shop: Shop) -> None:
    order = shop.completed()
    done = shop.run("table", order, "check-of-no-order")
    assert done.returncode == 4
    assert order in done.stdout
    assert "there is no order check-of-no-order" in done.stderr
    assert shop.run("status", "check-of-no-order").returncode == 4
    assert shop.run("cancel", "check-of-no-order", "--reason", "a check of codes").returncode == 4


def test_a_script_hears_that_an_order_is_completed(shop: Shop) -> None:
    assert shop.run("watch", shop.completed()).returncode == 0


def test_a_script_hears_that_an_order_needs_a_person(shop: Shop, situations: Situations) -> None:
    assert shop.run("watch", situations.waiting(), shop.completed()).returncode == 11


def test_a_script_hears_that_an_order_was_rejected(shop: Shop, situations: Situations) -> None:
    order = situations.waiting()
    shop.orderctl("reject", order, "--reason", "a check of codes")
    shop.becomes(order, {"workflow": {"status": "FAILED"}})
    assert shop.run("watch", order, shop.completed()).returncode == 10


def test_a_script_hears_that_an_order_is_under_way(shop: Shop, situations: Situations) -> None:
    order = situations.overdue()
    assert shop.run("watch", order, "--timeout", "1").returncode == 12
    situations.let_go_on(order)


def test_a_script_hears_that_a_document_is_refused(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "order.json"
    file.write_text('{"schema_version": 1, "order_id": "check-of-codes"}')
    assert shop.run("submit", str(file)).returncode == 1
    assert shop.run("submit", str(tmp_path / "none.json")).returncode == 2


def test_a_script_hears_that_nobody_answers(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "endpoints.json"
    file.write_text(json.dumps({**shop.endpoints, "intake": "http://127.0.0.1:9"}))
    assert shop.run("--endpoints", str(file), "status", "check-of-no-order").returncode == 5
