"""What the monitor is told of the providers' books, and what operators hear of it."""

from __future__ import annotations

import pytest

from support.monitor import Monitor
from support.shop import Shop

pytestmark = pytest.mark.usefixtures("unscheduled")


def test_a_step_tells_what_its_provider_made(monitor: Monitor, completed: str) -> None:
    payment, label = monitor.books("charge")[completed], monitor.books("ship")[completed]
    assert (payment["kind"], list(payment["stands"])) == ("payment", ["kept"])
    assert (label["kind"], label["stands"]) == ("label", "live")


def test_an_order_that_is_paid_and_shipped_leaves_no_orphan(shop: Shop, monitor: Monitor, completed: str) -> None:
    payment = monitor.books("charge")[completed]["reference"]
    monitor.sweep(completed)
    assert payment not in shop.orderctl("orphans")
