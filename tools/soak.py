"""Many orders through a local stack while things go wrong, judged by an auditor that knows the contract and the
providers' books alone (tests/audit/auditor.py).

    soak.py [--name e2e|local] [--orders 2000] [--seed 1]

Faults of both providers, functions killed in the middle of a call, customers who cancel, reviews, orders by queue,
cards that customers have saved, payments of the shop's checkout, restarts and new attempts by operators, one by one
and in bulks. What happened is in target/<stack>/soak.json; the same seed makes the same orders and plants the same
faults, though not at the same moments.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aws
import processes
from common import REGION, ROOT, STACK_NAMES, Problem, Stack, aws_environment, opener, run_tool, say, stack_named

_PLENTY, _SCARCE, _PRICE = "SOAK-01", "SOAK-02", 1299
# Above the limit that needs no review.
_REVIEWED = 50
_AT_ONCE = 16
_PATIENCE_S = 900
_KILL_EVERY_S = 1.5
_REPORT_EVERY_S = 15
_BULK_EVERY_S = 20
# Customers with a card on file.
_CUSTOMERS = 10
_ENDED = ("completed", "rejected", "cancelled", "failed")

# Each with how often it is planted, of a hundred orders with a fault.
_FAULTS: list[tuple[int, dict[str, Any]]] = [
    (12, {"provider": "payment", "operation": "authorize", "mode": "error", "status": 503}),
    (6, {"provider": "payment", "operation": "authorize", "mode": "error", "status": 429}),
    (12, {"provider": "payment", "operation": "authorize", "mode": "lose_response"}),
    (4, {"provider": "payment", "operation": "authorize", "mode": "refuse"}),
    (4, {"provider": "payment", "operation": "authorize", "mode": "decline"}),
    (6, {"provider": "payment", "operation": "capture", "mode": "error", "status": 500}),
    (8, {"provider": "payment", "operation": "capture", "mode": "lose_response"}),
    (3, {"provider": "payment", "operation": "capture", "mode": "decline"}),
    (6, {"provider": "payment", "operation": "void", "mode": "lose_response"}),
    (4, {"provider": "payment", "operation": "find", "mode": "error", "status": 503}),
    (8, {"provider": "carrier", "operation": "book", "mode": "error", "status": 503}),
    (8, {"provider": "carrier", "operation": "book", "mode": "lose_response"}),
    (5, {"provider": "carrier", "operation": "book", "mode": "decline"}),
    (3, {"provider": "carrier", "operation": "book", "mode": "delay", "delay_ms": 2000}),
    (5, {"provider": "carrier", "operation": "cancel", "mode": "lose_response"}),
    (3, {"provider": "carrier", "operation": "find", "mode": "error", "status": 500}),
    (3, {"provider": "carrier", "operation": "prepare", "mode": "lose_response"}),
]


def main() -> None:
    parser = argparse.ArgumentParser(description="Many orders while things go wrong, and an auditor.")
    parser.add_argument("--name", choices=STACK_NAMES, default="e2e")
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    stack = stack_named(arguments.name)
    soak = Soak(stack, arguments.orders, arguments.seed)
    evidence = soak.run()
    file = stack.folder / "soak.json"
    file.write_text(json.dumps(evidence, indent=1))
    soak.tell(evidence)
    audited = subprocess.run([sys.executable, str(ROOT / "tests/audit/auditor.py"), str(file)], check=False)
    if audited.returncode != 0:
        raise Problem("the auditor has found something", f"{os.path.relpath(file)} has everything that it saw")


class Order:
    """What is asked of one order, and what was answered."""

    def __init__(self, number: int, seed: int):
        dice = random.Random(f"{seed}-{number}")
        self.id = f"soak-{seed}-{number:05}"
        self.by_queue = dice.random() < 0.1
        self.cancelled_after = dice.uniform(0, 4) if dice.random() < 0.12 else None
        self.is_reviewed = dice.random() < 0.06
        self.is_approved = dice.random() < 0.6
        # With others, once some wait.
        self.is_decided_by_bulk = dice.random() < 0.4
        self.is_reprocessed = dice.random() < 0.3
        self.faults: list[dict[str, Any]] = []
        if dice.random() < 0.4:
            weights, faults = zip(*_FAULTS, strict=True)
            for fault in dice.choices(faults, weights, k=dice.choice((1, 1, 2))):
                self.faults.append({**fault, "order_id": self.id, "times": dice.choice((1, 1, 2, 3))})
        self.pays_by = dice.choices(("once", "saved", "intent"), (70, 18, 12))[0]
        method = "pm_card_visa_chargeDeclined" if dice.random() < 0.03 else "pm_card_visa"
        sku = _SCARCE if dice.random() < 0.05 else _PLENTY
        quantity = _REVIEWED if self.is_reviewed else dice.choice((1, 1, 2, 3))
        document: dict[str, Any] = json.loads((ROOT / "orders/1001-plain.json").read_text())
        document["order_id"] = self.id
        document["customer"]["customer_id"] = f"cus-{dice.randrange(100)}"
        document["customer"]["email"] = f"{self.id}@example.com"
        document["payment"] = {"method": method}
        document["lines"] = [{"sku": sku, "quantity": quantity, "unit_price": _PRICE}]
        document["total"] = quantity * _PRICE + document["shipping_fee"] + document["tax"]
        self.document = document
        self.asked: list[dict[str, Any]] = []
        self.view: dict[str, Any] | None = None

    def note(self, what: str, at: str, status: int) -> None:
        self.asked.append({"what": what, "at": at, "status": status})

    @property
    def is_over(self) -> bool:
        """Also its last message, though perhaps in vain."""
        return bool(self.view and self.view["status"] in _ENDED and self.view["workflow"]["status"] != "RUNNING")

    @property
    def is_untold(self) -> bool:
        return self.is_over and self.view is not None and self.view["notification"]["status"] != "sent"

    @property
    def evidence(self) -> dict[str, Any]:
        return {"document": self.document, "asked": self.asked, "view": self.view}


class Soak:
    """The stack, its orders, and what is done to them."""

    def __init__(self, stack: Stack, count: int, seed: int):
        self._stack, self._endpoints = stack, stack.endpoints()
        self._orders = [Order(number, seed) for number in range(count)]
        self._counts: Counter[str] = Counter()
        self._over = threading.Event()
        self._sqs = aws.client("sqs", aws_environment(stack), REGION)
        self._tables = aws.client("dynamodb", aws_environment(stack), REGION)
        self._queue = self._sqs.get_queue_url(QueueName="orders-local-orders")["QueueUrl"]
        self._cards: list[dict[str, str]] = []
        self._intents: list[str] = []
        # What waits for a decision of many at once, by the action.
        self._undecided: dict[str, list[str]] = {"approve": [], "reject": []}

    def run(self) -> dict[str, Any]:
        self._stock_up()
        self._call("POST", f"{self._endpoints['sandbox']}/_sandbox/reset")
        self._cards = [self._saved_card() for _ in range(_CUSTOMERS)]
        before = self._stock()
        say(f"{len(self._orders)} orders, {_AT_ONCE} at once")
        killer = threading.Thread(target=self._kill_functions, daemon=True)
        reporter = threading.Thread(target=self._report, daemon=True)
        bulks = threading.Thread(target=self._decide_in_bulks, daemon=True)
        for thread in (killer, reporter, bulks):
            thread.start()
        with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
            for done in concurrent.futures.as_completed([pool.submit(self._live, order) for order in self._orders]):
                done.result()
        self._over.set()
        killer.join()
        bulks.join()
        say("no more faults; operators see to what is left")
        self._see_to_the_rest()
        books = self._call("GET", f"{self._endpoints['sandbox']}/_sandbox/ledger")[1]
        after = self._stock()
        return {
            "orders": [order.evidence for order in self._orders],
            "books": books,
            "mails": self._mails(),
            "checkout": self._intents,
            "stock": {sku: {"before": before[sku], "after": after[sku]} for sku in before},
        }

    def tell(self, evidence: dict[str, Any]) -> None:
        """How often each thing went wrong: what did not happen proves nothing."""
        fired = Counter(
            f"{fault['provider']} {fault['operation']} {fault['mode']}" for fault in evidence["books"]["faults_fired"]
        )
        print("\nwhat was done to them:")
        for what, count in (*sorted(self._counts.items()), *sorted(fired.items())):
            print(f"  {count:6}  {what}")
        print(flush=True)

    # --- one order

    def _live(self, order: Order) -> None:
        """From its arrival until it has ended or needs a person."""
        for fault in order.faults:
            self._call("POST", f"{self._endpoints['sandbox']}/_sandbox/faults", fault)
        self._pay(order)
        self._send(order)
        began = time.monotonic()
        decided = False
        while time.monotonic() < began + _PATIENCE_S:
            if order.cancelled_after is not None and time.monotonic() > began + order.cancelled_after:
                order.cancelled_after = None
                self._cancel(order)
            order.view = self._view(order)
            if order.is_over:
                return
            status = order.view["status"] if order.view else None
            if status == "in_review" and not decided:
                decided = True
                action = "approve" if order.is_approved else "reject"
                if order.is_decided_by_bulk:
                    self._undecided[action].append(order.id)
                else:
                    self._act(order, action)
            if status == "needs_attention":
                return
            time.sleep(0.5)

    def _pay(self, order: Order) -> None:
        """The shop's checkout: a customer with a card on file, or one who pays before they order."""
        if order.pays_by == "saved":
            order.document["payment"] = random.Random(order.id).choice(self._cards)
            self._counts["orders paid by a saved card"] += 1
        elif order.pays_by == "intent":
            made = self._stripe(
                "payment_intents",
                amount=order.document["total"],
                currency=order.document["currency"].lower(),
                capture_method="manual",
                confirm="true",
                payment_method="pm_card_visa",
                **{"payment_method_types[]": "card"},
            )
            self._intents.append(made["id"])
            order.document["payment"] = {"intent": made["id"]}
            self._counts["orders paid at the checkout"] += 1

    def _saved_card(self) -> dict[str, str]:
        customer = self._stripe("customers")["id"]
        method = self._stripe("payment_methods", type="card", **{"card[token]": "tok_visa"})["id"]
        self._stripe(f"payment_methods/{method}/attach", customer=customer)
        return {"method": method, "customer": customer}

    def _stripe(self, path: str, **form: Any) -> dict[str, Any]:
        """What the checkout asks the payment provider for, as Stripe's API takes it."""
        url = f"{self._endpoints['sandbox']}/v1/{path}"
        content = urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(url, content, {"authorization": "Bearer sk_test_checkout"})
        with opener(url).open(request, timeout=60) as answer:
            made: dict[str, Any] = json.loads(answer.read())
            return made

    def _send(self, order: Order) -> None:
        if order.by_queue:
            self._counts["orders by queue"] += 1
            self._sqs.send_message(QueueUrl=self._queue, MessageBody=json.dumps(order.document))
            return
        # Whoever does not hear an answer asks again.
        while (status := self._call("POST", f"{self._endpoints['intake']}/orders", order.document)[0]) not in (
            200,
            202,
        ):
            if status in (400, 409, 413, 415):
                raise Problem(f"{order.id} was refused with {status}", "see soak.py: what it sends is no order")
            self._counts["orders sent again"] += 1
            time.sleep(0.5)

    def _cancel(self, order: Order) -> None:
        # From when it is asked, not from when the answer is here: what is accepted is so in between.
        at = _now()
        status, _ = self._call("POST", f"{self._endpoints['intake']}/orders/{order.id}/cancel")
        order.note("cancel", at, status)
        self._counts[f"cancellations answered {status}"] += 1

    def _act(self, order: Order, action: str, **more: Any) -> bool:
        at = _now()
        url = f"{self._endpoints['console']}/api/orders/{order.id}/{action}"
        status, _ = self._call("POST", url, {"reason": "a soak", **more})
        order.note(action, at, status)
        self._counts[f"{action} answered {status}"] += 1
        return status == 200

    def _view(self, order: Order) -> dict[str, Any] | None:
        status, view = self._call("GET", f"{self._endpoints['intake']}/orders/{order.id}")
        return view if status == 200 else order.view

    # --- what goes wrong

    def _kill_functions(self) -> None:
        """As a crash of the machine: in the middle of whatever one is at."""
        dice = random.Random()
        while not self._over.wait(_KILL_EVERY_S):
            if functions := self._functions():
                try:
                    os.kill(dice.choice(functions), signal.SIGKILL)
                except ProcessLookupError:
                    continue
                self._counts["functions killed"] += 1

    def _functions(self) -> list[int]:
        group = processes.pid_of(self._stack, "ministack")
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
            except OSError:
                continue
            if name == "bootstrap" and int(rest.split()[2]) == group:
                found.append(int(stat.parent.name))
        return found

    # --- people

    def _decide_in_bulks(self) -> None:
        while not self._over.wait(_BULK_EVERY_S):
            for action, waiting in self._undecided.items():
                if (orders := waiting[:]) and self._bulk(action, orders):
                    del waiting[: len(orders)]

    def _bulk(self, action: str, orders: list[str]) -> bool:
        """Previewed, and applied as it was previewed; the monitor carries it out. Whether it was applied."""
        previewed = self._orderctl("bulk", action, *orders)
        applies = re.search(r"^apply .*?\b([0-9a-f]{16})\b", previewed, re.MULTILINE)
        if applies is None or not self._orderctl("bulk", "--apply", applies[1], "--reason", "a soak"):
            return False
        self._counts[f"orders in bulks to {action}"] += len(orders)
        return True

    def _orderctl(self, *arguments: str) -> str:
        """What it prints; nothing if it fails, for a function may have been killed under it."""
        environment = {
            **os.environ,
            **aws_environment(self._stack),
            "ORDERS_ENDPOINTS": str(self._stack.endpoints_file),
        }
        orderctl = [str(ROOT / "target/debug/orderctl"), *arguments]
        done = subprocess.run(orderctl, env=environment, check=False, capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else ""

    def _see_to_the_rest(self) -> None:
        """What an operator does about each, again and again: ask the providers, then let it go on. First of all that
        are stuck at once."""
        for order in self._orders:
            order.view = self._view(order)
        stuck = [order for order in self._orders if order.view and order.view["status"] == "needs_attention"]
        for order in stuck:
            self._act(order, "resolve")
        if stuck:
            self._bulk("restart", [order.id for order in stuck])
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            left = [order for order in self._orders if not order.is_over or order.is_untold or order.is_reprocessed]
            if not left:
                return
            say(f"{len(left)} orders are left, such as {left[0].id}")
            for order in left:
                order.view = self._view(order)
                self._see_to(order)
            time.sleep(3)

    def _see_to(self, order: Order) -> None:
        status = order.view["status"] if order.view else None
        if status == "in_review":
            self._act(order, "reject")
        elif status == "needs_attention":
            self._act(order, "resolve")
            self._act(order, "restart")
        elif order.is_untold:
            self._act(order, "resend")
        elif order.is_over:
            again, order.is_reprocessed = order.is_reprocessed, False
            if again and status == "failed":
                self._act(order, "reprocess", payment={"method": "pm_card_visa"})
                # It is not over any more.
                order.view = self._view(order)

    # --- what there is

    def _stock_up(self) -> None:
        articles = [
            {"sku": _PLENTY, "unit_price": _PRICE, "currency": "USD", "available": 1_000_000},
            {"sku": _SCARCE, "unit_price": _PRICE, "currency": "USD", "available": len(self._orders) // 40},
        ]
        file = self._stack.folder / "soak-articles.json"
        file.write_text(json.dumps(articles))
        if not (told := self._orderctl("catalogue", str(file))):
            raise Problem("the catalogue could not be written", "is the stack up?")
        print(told, end="", flush=True)

    def _stock(self) -> dict[str, int]:
        def available(sku: str) -> int:
            found = self._tables.get_item(
                TableName=self._endpoints["stock_table"], Key={"sku": {"S": sku}}, ConsistentRead=True
            )
            return int(found["Item"]["available"]["N"])

        return {sku: available(sku) for sku in (_PLENTY, _SCARCE)}

    def _mails(self) -> list[dict[str, Any]]:
        _, body = self._call("GET", f"{self._endpoints['aws']}/_ministack/ses/messages")
        mails = [mail for account in body["messages"].values() for mail in account]
        return [{"to": mail["To"], "subject": mail["Subject"]} for mail in mails]

    def _report(self) -> None:
        while not self._over.wait(_REPORT_EVERY_S):
            views = [order.view for order in self._orders if order.view]
            by_status = Counter(view["status"] for view in views)
            told = ", ".join(f"{count} {status}" for status, count in by_status.most_common())
            say(
                f"{len(views)} of {len(self._orders)} sent: {told}; {self._counts['functions killed']} functions killed"
            )

    def _call(self, method: str, url: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        content = json.dumps(body).encode() if body is not None else None
        headers = {"content-type": "application/json", "sec-fetch-site": "same-origin"}
        request = urllib.request.Request(url, content, headers, method=method)
        try:
            with opener(url).open(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            return error.code, {}
        # Nobody heard the answer.
        except (OSError, json.JSONDecodeError):
            return 0, {}


def _now() -> str:
    return datetime.now(UTC).isoformat()


if __name__ == "__main__":
    run_tool(main)
