"""What the monitor notifies operators of, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support.monitor import Monitor, now_ms
from support.shop import Shop, View
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


@pytest.fixture(scope="module")
def swept(tables: Tables, situations: Situations, monitor: Monitor) -> Iterator[Swept]:
    tables.forget_notices()
    began = now_ms()
    overdue, unfinished = situations.overdue(), situations.unheard_payment()
    incidents, notified = [], []
    for _ in range(2):
        monitor.sweep(overdue, unfinished)
        incidents.append(monitor.incidents(overdue))
        notified.append(monitor.notified("ChargePayment", since_ms=began))
    yield Swept(overdue, unfinished, incidents, notified, listed=monitor.listed("any"))
    situations.let_go_on(overdue)


def test_an_order_that_is_in_a_state_for_too_long_is_overdue(swept: Swept) -> None:
    assert swept.incidents == [["overdue"], ["overdue"]]


def test_operators_are_notified_of_each_incident(swept: Swept) -> None:
    # Unfinished orders that other suites have left there may have another cause, and a notice of their own.
    assert set(swept.notified[0]) == {"overdue", "unfinished"}


def test_operators_are_notified_of_an_incident_once(swept: Swept) -> None:
    assert swept.notified[1] == swept.notified[0], "another sweep notified them again"


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
    shop.plant_fault(order, mode="error", status=503, times=12)
    shop.orderctl("approve", order, "--reason", "a check of the monitor")

    def waits_for_its_next_try() -> str | None:
        monitor.sweep(order)
        line = next((line for line in shop.orderctl("orders").splitlines() if line.startswith(order)), "")
        return line if " of 16, next within " in line else None

    line = in_time(waits_for_its_next_try)
    return Retried(line, view=shop.becomes(order, {"status": "completed"}))


def test_a_task_that_waits_for_its_next_try_is_listed_with_where_and_why(retried: Retried) -> None:
    assert retried.line, "the order was never listed as waiting for its next try"
    assert "ShipOrder" in retried.line
    assert "CarrierUnavailable, the carrier answered 503" in retried.line


def test_an_order_completes_once_its_carrier_is_back(retried: Retried) -> None:
    assert retried.view["status"] == "completed"


def test_an_order_whose_shipment_the_carrier_refuses_fails(shop: Shop, situations: Situations) -> None:
    order = situations.waiting()
    shop.plant_fault(order, mode="decline", times=1)
    shop.orderctl("approve", order, "--reason", "a check of the monitor")
    shop.becomes(order, {"status": "failed", "workflow": {"status": "FAILED"}})
