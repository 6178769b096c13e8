"""What the monitor notifies operators of, and how often."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from stack import WEBHOOK_KEY
from support.monitor import Monitor, now_ms
from support.shop import Posted, Shop, View
from support.situations import Situations
from support.tables import Tables
from support.waiting import in_time

pytestmark = pytest.mark.usefixtures("unscheduled")


@dataclass(frozen=True)
class Swept:
    """Two orders with an incident in the same state, and what there was after each of two sweeps."""

    overdue: str
    unfinished: str
    incidents: list[list[str]]
    notified: list[list[str]]
    listed: str
    # Of which problems the webhook was told after the second one, and what it received.
    told: list[str]
    posted: list[Posted]


@pytest.fixture(scope="module")
def swept(shop: Shop, tables: Tables, situations: Situations, monitor: Monitor) -> Iterator[Swept]:
    tables.forget_notices()
    before = len(shop.posted_notices())
    began = now_ms()
    overdue, unfinished = situations.overdue(), situations.unheard_payment()
    incidents, notified = [], []
    for _ in range(2):
        monitor.sweep(overdue, unfinished)
        incidents.append(monitor.incidents(overdue))
        notified.append(monitor.notified("ChargePayment", since_ms=began))
    posted = shop.posted_notices()[before:]
    told = monitor.posted("ChargePayment", since_ms=began)
    yield Swept(overdue, unfinished, incidents, notified, listed=monitor.listed("any"), told=told, posted=posted)
    situations.let_go_on(overdue)


def test_an_order_that_is_in_a_state_for_too_long_is_overdue(swept: Swept) -> None:
    assert swept.incidents == [["overdue"], ["overdue"]]


def test_operators_are_notified_of_each_incident(swept: Swept) -> None:
    # Unfinished orders that other suites have left there may have another cause, and a notice of their own.
    assert set(swept.notified[0]) == {"overdue", "unfinished"}


def test_operators_are_notified_of_an_incident_once(swept: Swept) -> None:
    assert swept.notified[1] == swept.notified[0], "another sweep notified them again"


def test_the_webhook_is_told_of_the_same_incidents(swept: Swept) -> None:
    assert swept.told == swept.notified[1]


def test_what_is_posted_is_signed_as_the_specification_has_it(swept: Swept) -> None:
    assert swept.posted, "nothing was posted"
    receiver = Webhook(WEBHOOK_KEY)
    for posted in swept.posted:
        notice = receiver.verify(posted["body"], posted["headers"])
        assert notice["type"] == "incident.opened"
        assert notice["text"].startswith("[local] ")
    somebody_else = Webhook("whsec_" + "A" * 32)
    with pytest.raises(WebhookVerificationError):
        somebody_else.verify(swept.posted[0]["body"], swept.posted[0]["headers"])


def test_what_is_posted_names_the_order_and_where_to_look(swept: Swept) -> None:
    notices = [json.loads(posted["body"])["data"] for posted in swept.posted]
    (notice,) = [notice for notice in notices if swept.overdue in notice["order_ids"]]
    assert (notice["problem"], notice["state"]) == ("overdue", "ChargePayment")
    assert notice["amounts"]["USD"] > 0
    assert notice["group_url"].endswith(f"/orders?list=cause.{notice['cause_id']}")


def test_every_notice_is_posted_once(swept: Swept) -> None:
    ids = [posted["headers"]["webhook-id"] for posted in swept.posted]
    assert len(set(ids)) == len(ids)


def test_nothing_personal_is_posted(swept: Swept) -> None:
    for posted in swept.posted:
        assert not [text for text in ("Ada", "ada@", "Main St", "pm_card") if text in posted["body"]]


def test_an_overdue_order_is_listed(swept: Swept) -> None:
    assert swept.overdue in swept.listed


def test_an_unfinished_order_is_listed(swept: Swept) -> None:
    assert swept.unfinished in swept.listed


@dataclass(frozen=True)
class Retried:
    """An order whose carrier was away for a while."""

    # Its line in the list of orders while it waited for its next try, if it was ever seen there.
    line: str | None
    view: View


@pytest.fixture(scope="module")
def retried(shop: Shop, situations: Situations, monitor: Monitor) -> Retried:
    order = situations.waiting()
    shop.plant_fault(order, mode="error", status=429, times=12)
    shop.orderctl("approve", order, "--reason", "a check of the monitor")

    def waits_for_its_next_try() -> str | None:
        monitor.sweep(order)
        line = next((line for line in shop.orderctl("orders").splitlines() if line.startswith(order)), "")
        return line if " of 31, next within " in line else None

    line = in_time(waits_for_its_next_try)
    return Retried(line, view=shop.becomes(order, {"status": "completed"}))


def test_a_task_that_waits_for_its_next_try_is_listed_with_where_and_why(retried: Retried) -> None:
    assert retried.line, "the order was never listed as waiting for its next try"
    assert "ShipOrder" in retried.line
    assert "CarrierUnavailable, the carrier answered 429" in retried.line


def test_an_order_completes_once_its_carrier_is_back(retried: Retried) -> None:
    assert retried.view["status"] == "completed"


def test_an_order_whose_shipment_the_carrier_refuses_fails(shop: Shop, situations: Situations) -> None:
    order = situations.waiting()
    shop.plant_fault(order, mode="decline", times=1)
    shop.orderctl("approve", order, "--reason", "a check of the monitor")
    shop.becomes(order, {"status": "failed", "workflow": {"status": "FAILED"}})
