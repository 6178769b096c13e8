"""What each function has to do, tried: its situations in tests/events, and what no single call shows."""

from __future__ import annotations

import json
import subprocess
import urllib.error
from abc import ABC, abstractmethod
from typing import Any

import aws
from common import REGION, ROOT, TARGET
from support.console import Console
from support.monitor import Monitor, now_ms
from support.shop import REVIEWED, Shop, View
from support.situations import Situations
from support.tables import Tables

# How long an order may take. A right that is missing is told by the time being up.
_PATIENCE_S = 8.0


class Duty(ABC):
    """Something that a function has to do, beyond what it answers to a single call."""

    def __init__(self, duties: Duties):
        self.shop = duties.shop
        self.situations = duties.situations
        self.monitor = duties.monitor
        self.tables = duties.tables
        # What is logged from now on is about it, planting included.
        self.began_ms = now_ms()

    @property
    def name(self) -> str:
        """What has to be so, as a sentence."""
        return (type(self).__doc__ or "").partition("\n")[0].rstrip(".")

    def plant(self) -> None:  # noqa: B027 -- most need nothing
        """What it needs to be tried. It fails for reasons that are not the function's."""

    @abstractmethod
    def try_out(self) -> None:
        """Fails if the function does not do it."""


class OrdersAreStarted(Duty):
    """An order is started."""

    def try_out(self) -> None:
        self.shop.becomes(self.shop.submit(1), _is_started, _PATIENCE_S)


class CancelledReviewsEnd(Duty):
    """A review that is cancelled ends."""

    def try_out(self) -> None:
        order = self.shop.submit(REVIEWED)
        self.shop.becomes(order, {"status": "in_review"}, _PATIENCE_S)
        self.shop.cancel(order)
        self.shop.becomes(order, {"workflow": {"status": "FAILED"}}, _PATIENCE_S)


class QueuedOrdersAreStarted(Duty):
    """An order by queue is started."""

    def try_out(self) -> None:
        self.shop.becomes(self.shop.send(1), _is_started, _PATIENCE_S)


class OperatorsAreNotified(Duty):
    """Operators are notified; a notice that cannot be given fails no order, it is logged."""

    def try_out(self) -> None:
        logs = aws.client("logs", self.shop.settings, REGION)
        lines = logs.filter_log_events(logGroupName="/aws/lambda/orders-local-notify", startTime=self.began_ms)
        missed = [line["message"] for line in lines["events"] if "failed to notify the operators" in line["message"]]
        assert not missed, f"logged: {missed}"


class TheMonitorWorks(Duty):
    """The monitor starts, wakes, resolves, notifies, keeps its read models and acts on many orders."""

    def plant(self) -> None:
        self.started, self.running = self.situations.never_started(), self.situations.waiting()
        self.approved, self.rejected = self.situations.approved_unheard(), self.situations.rejected_unheard()
        self.unheard = self.situations.unheard_payment()
        self.tables.forget_notices()

    def try_out(self) -> None:
        orders = (self.started, self.running, self.approved, self.rejected, self.unheard)
        self.monitor.sweep(*orders)
        warned = [
            line
            for line in self.monitor.warnings(self.began_ms)
            if "cause" in line
            or line.get("message") in ("failed to keep the snapshot", "failed to keep the counters")
            or line.get("order_id") in orders
        ]
        assert not warned, f"the monitor warned: {warned}"
        Console(self.shop).bulk("approve", self.running, 3 * _PATIENCE_S)
        for order, end in ((self.started, "completed"), (self.approved, "completed"), (self.rejected, "rejected")):
            self.shop.becomes(order, {"status": end}, _PATIENCE_S)


class ThePageShowsAndActs(Duty):
    """The page shows orders and acts on them."""

    def plant(self) -> None:
        self.approved, self.rejected = self.situations.waiting(), self.situations.waiting()
        self.unheard, self.unsent = self.situations.unheard_payment(), self.situations.message_given_up()

    def try_out(self) -> None:
        console = Console(self.shop)
        console.act("approve", self.approved)
        console.act("reject", self.rejected)
        console.act("resolve", self.unheard)
        console.act("resend", self.unsent)
        self.shop.becomes(self.rejected, {"workflow": {"status": "FAILED"}}, _PATIENCE_S)
        # That somebody stopped an execution is read off its history.
        page = console.get(f"/orders/{self.unheard}")
        assert "execution stopped" in page, f"it is not on the timeline of {self.unheard} that it was stopped"
        console.act("reprocess", self.rejected)
        self.shop.becomes(self.rejected, {"status": "in_review", "workflow": {"attempt": 2}}, _PATIENCE_S)
        page = console.get("/orders?status=completed")
        assert "<h1>Completed orders</h1>" in page, "completed orders are not listed"
        found = console.get("/orders?within=24h&status=in_review")
        assert f"row-{self.rejected}" in found, "a filter finds no open order"
        console.has_snapshots_taken(_PATIENCE_S)
        assert "row-" in console.get("/orders?list=open"), "open orders are not listed"


_DUTIES: dict[str, list[type[Duty]]] = {
    "console": [ThePageShowsAndActs],
    "intake": [OrdersAreStarted, CancelledReviewsEnd],
    "intake-queue": [QueuedOrdersAreStarted],
    "monitor": [TheMonitorWorks],
    "notify": [OperatorsAreNotified],
}


def _is_started(view: View) -> bool:
    return bool(view["status"] != "received")


class Duties:
    """Of all functions of a stack."""

    def __init__(self, shop: Shop, tables: Tables, situations: Situations, monitor: Monitor):
        self.shop = shop
        self.tables = tables
        self.situations = situations
        self.monitor = monitor
        self._functions = aws.client("lambda", shop.settings, REGION)
        self._events: list[dict[str, Any]] = json.loads((ROOT / "tests/events/situations.json").read_text())

    def broken(self, function: str) -> list[str]:
        """Which of the function's duties it does not do, and why."""
        duties = [duty(self) for duty in _DUTIES.get(function, [])]
        situations = [one for one in self._events if one["event"].startswith(f"{function}/")]
        self._restart(function)
        if situations:
            self._prepare(function, situations)
            # What else there is to do takes longer; one thing that breaks is enough.
            if broken := [why for one in situations if (why := self._difference(function, one))]:
                return broken
        return [f"{duty.name}: {why}" for duty in duties if (why := _failure(duty))]

    def _restart(self, function: str) -> None:
        """A warm function has its credentials."""
        name = f"orders-local-{function}"
        if function == "workflow":
            return
        memory = self._functions.get_function_configuration(FunctionName=name)["MemorySize"]
        self._functions.update_function_configuration(FunctionName=name, MemorySize=memory)

    def _prepare(self, function: str, situations: list[dict[str, Any]]) -> None:
        """Orders and providers as if nothing had happened yet."""
        for situation in situations:
            self.tables.forget(f"event-{situation['event'].replace('/', '-')}")
        self.shop.forget_providers()
        prepare = [str(TARGET / "debug/examples/situations"), str(self.shop.stack.endpoints_file), f"{function}/"]
        done = subprocess.run(prepare, capture_output=True, text=True, cwd=ROOT, check=False)
        assert done.returncode == 0, f"the situations of {function} could not be prepared: {done.stderr}"

    def _difference(self, function: str, situation: dict[str, Any]) -> str | None:
        """How the function's answer differs from what is expected, if it does."""
        payload = (ROOT / "tests/events" / f"{situation['event']}.json").read_bytes()
        answer = self._functions.invoke(FunctionName=f"orders-local-{function}", Payload=payload)
        told: str = answer["Payload"].read().decode()
        failed = "FunctionError" in answer
        if "error" in situation:
            expected = failed and situation["error"] in told
        elif "status" in situation:
            expected = json.loads(told).get("statusCode") in situation["status"]
        else:
            expected = not failed and situation["answer"] in told
        return None if expected else f"{situation['event']} answers {told[:300]}"


def _failure(duty: Duty) -> str | None:
    duty.plant()
    try:
        duty.try_out()
    except (AssertionError, urllib.error.HTTPError) as error:
        # An assertion may have nothing to say; it has failed all the same.
        return str(error) or repr(error)
    return None
