"""The monitor: its sweep, and what it logs."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aws
from common import REGION
from support.shop import Shop
from support.tables import Tables
from support.waiting import eventually, in_time

_FUNCTION = "orders-local-monitor"
_SCHEDULE = "orders-local-monitor-schedule"
# A line of `orderctl groups` that begins a group.
_GROUP = re.compile(r"[0-9a-f]{16}  ")

# An entry of the log.
Line = dict[str, Any]


def now_ms() -> int:
    return int(time.time() * 1000)


class Monitor:
    """As the schedule calls it and operators hear of it."""

    def __init__(self, shop: Shop, tables: Tables):
        self._shop = shop
        self._tables = tables
        self._functions = aws.client("lambda", shop.settings, REGION)
        self._events = aws.client("events", shop.settings, REGION)
        self._logs = aws.client("logs", shop.settings, REGION)

    @contextmanager
    def unscheduled(self) -> Iterator[None]:
        """Sweeps are the tests' own then, so that they know what each of them did."""
        self._events.disable_rule(Name=_SCHEDULE)
        try:
            yield
        finally:
            self._events.enable_rule(Name=_SCHEDULE)

    def sweep(self, *due: str) -> None:
        """Looks at these orders first. Comes to its end, and then what it has logged can be read."""
        self._tables.make_due(*due)
        began = now_ms()
        answer = self._functions.invoke(FunctionName=_FUNCTION, Payload=json.dumps({"detail-type": "Scheduled Event"}))
        result = answer["Payload"].read().decode()
        assert "FunctionError" not in answer, f"the sweep failed: {result}"
        # Not what a test is about: without its log nothing can be said of the sweep.
        if not in_time(lambda: any("Sweeps" in line for line in self.lines(began))):
            raise TimeoutError("a sweep came to its end and is not in the monitor's log")

    def books(self, step: str) -> dict[str, dict[str, Any]]:
        """What the provider of this step made in the last minutes, by the order, as the monitor is told."""
        now = datetime.now(UTC)
        ask: dict[str, Any] = {"action": "list", "page": None}
        ask["since"], ask["until"] = ((now + timedelta(minutes=by)).isoformat() for by in (-10, 1))
        postings: dict[str, dict[str, Any]] = {}
        while True:
            answer = self._functions.invoke(FunctionName=f"orders-local-{step}", Payload=json.dumps(ask))
            page = json.loads(answer["Payload"].read())
            assert "FunctionError" not in answer, page
            postings |= {posting["order_id"]: posting for posting in page["postings"]}
            if page["next"] is None:
                return postings
            ask["page"] = page["next"]

    def sees(self, order: str, problem: str) -> bool:
        """Whether the order has an incident of this problem after another sweep."""
        self.sweep(order)
        return problem in self.incidents(order)

    def incidents(self, order: str) -> list[str]:
        """The problems of its open incidents."""
        return self._tables.projection(order).incidents

    def notified(self, state: str, since_ms: int) -> list[str]:
        """Of which problems in this state the operators' topic was notified."""
        return self._told("topic", state, since_ms)

    def posted(self, state: str, since_ms: int) -> list[str]:
        """The same of the webhook."""
        return self._told("webhook", state, since_ms)

    def _told(self, target: str, state: str, since_ms: int) -> list[str]:
        notices = [line for line in self.lines(since_ms) if line.get("message") == "operators notified"]
        return sorted(one["problem"] for one in notices if one["to"] == target and one["state"] == state)

    def warnings(self, since_ms: int) -> list[Line]:
        return [line for line in self.lines(since_ms) if line.get("level") == "WARN"]

    def lines(self, since_ms: int = 0) -> list[Line]:
        """What it has logged since then."""
        pages = self._logs.get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/{_FUNCTION}", startTime=since_ms
        )
        texts = [line["message"] for page in pages for line in page["events"]]
        return [json.loads(text) for text in texts if text.startswith("{")]

    def group(self, order: str) -> str:
        """The id of the first group that the order is in after a sweep."""

        def looked() -> str | None:
            self.sweep(order)
            return self._group(order)

        # A sweep may be ahead of the stream, and know an order as it was before a test changed it.
        return eventually(looked, f"{order} is in a group", pause_s=1)

    def _group(self, order: str) -> str | None:
        # Each begins with its id, and what belongs to it is indented.
        lines = [line for line in self._shop.orderctl("groups").splitlines() if _GROUP.match(line)]
        ids = [line.split()[0] for line in lines]
        return next((group for group in ids if order in self._shop.orderctl("orders", "--group", group)), None)

    def listed(self, problem: str) -> str:
        """What `orderctl` lists of the orders with an incident of this problem, or of `any`."""
        return self._shop.orderctl("orders", "--incident", problem)


def repairs(view: dict[str, Any]) -> list[str]:
    """What the monitor has done to an order, by its timeline."""
    return [entry["event"] for entry in view["timeline"] if entry["step"] == "monitor"]
