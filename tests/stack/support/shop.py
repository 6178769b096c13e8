"""A local stack as the shop's customers and operators meet it."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aws
from common import REGION, ROOT, TARGET, Stack, aws_environment
from support.waiting import PATIENCE_S, in_time

# The sample catalogue's, with enough in stock.
_ARTICLE, _PRICE = "EVENT-01", 1299
# An order of so many is looked at by a person first.
REVIEWED = 50
# What orderctl exits with when an action is not possible for an order now.
_NOT_POSSIBLE = 3

# What `GET /orders/{id}` answers.
View = dict[str, Any]
# A notice as it was posted: its headers and its body.
Posted = dict[str, Any]
# What has to be in a view, part by part, or a question about it.
Wanted = Mapping[str, Any] | Callable[[View], bool]


class Shop:
    """Its front door, and what operators do."""

    def __init__(self, stack: Stack, settings: dict[str, str] | None = None, endpoints_file: Path | None = None):
        """As the account's root, unless `settings` are somebody else's; `endpoints_file` is orderctl's."""
        self.stack = stack
        self._endpoints_file = endpoints_file or stack.endpoints_file
        self.endpoints: dict[str, Any] = stack.endpoints()
        self.settings = settings or aws_environment(stack)
        # Straight to loopback: a proxy that the environment names cannot reach it.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._sqs = aws.client("sqs", self.settings, REGION)

    def http(self, method: str, url: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, content, {"content-type": "application/json"}, method=method)
        with self._opener.open(request, timeout=30) as answer:
            found: dict[str, Any] = json.loads(answer.read() or b"{}")
            return found

    def _read(self, url: str) -> Any:
        with self._opener.open(url, timeout=30) as answer:
            return json.loads(answer.read())

    # --- orders

    def document(self, quantity: int) -> dict[str, Any]:
        """An order of so many pieces, under an id of its own."""
        document: dict[str, Any] = json.loads((ROOT / "orders/1001-plain.json").read_text())
        line = document["lines"][0]
        line["sku"], line["quantity"], line["unit_price"] = _ARTICLE, quantity, _PRICE
        document["order_id"] = f"check-{uuid.uuid4()}"
        document["total"] = quantity * _PRICE + document["shipping_fee"] + document["tax"]
        return document

    def submit(self, quantity: int) -> str:
        """A new order of so many pieces; answers its id."""
        return self.submit_document(self.document(quantity))

    def submit_document(self, document: Mapping[str, Any]) -> str:
        self.http("POST", f"{self.endpoints['intake']}/orders", document)
        order: str = document["order_id"]
        return order

    def send(self, quantity: int) -> str:
        """A new order by queue."""
        document = self.document(quantity)
        self.queue("send_message", "orders-local-orders", MessageBody=json.dumps(document))
        order: str = document["order_id"]
        return order

    def queue(self, operation: str, name: str, **parameters: Any) -> dict[str, Any]:
        """One call about a queue of this name."""
        url = self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
        answer: dict[str, Any] = getattr(self._sqs, operation)(QueueUrl=url, **parameters)
        return answer

    def cancel(self, order: str) -> None:
        """As the customer does."""
        self.http("POST", f"{self.endpoints['intake']}/orders/{order}/cancel")

    def view(self, order: str) -> View | None:
        try:
            return self.http("GET", f"{self.endpoints['intake']}/orders/{order}")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def becomes(self, order: str, wanted: Wanted, patience_s: float = PATIENCE_S) -> View:
        """The order's view once it is as wanted."""
        last: View | None = None

        def look() -> View | None:
            nonlocal last
            last = self.view(order)
            return last if last and _is(last, wanted) else None

        found = in_time(look, patience_s)
        what = "what the test waits for" if callable(wanted) else json.dumps(wanted)
        assert found, f"{order} did not become {what} within {patience_s:.0f} s. It is:\n{json.dumps(last, indent=2)}"
        return found

    def completed(self) -> str:
        order = self.submit(1)
        self.becomes(order, {"status": "completed", "workflow": {"status": "SUCCEEDED"}})
        return order

    def in_review(self) -> str:
        order = self.submit(REVIEWED)
        self.becomes(order, {"status": "in_review"})
        return order

    # --- the providers

    def plant_fault(self, order: str, **fault: Any) -> None:
        """Of the carrier when it books, unless `fault` says otherwise."""
        planted = {"provider": "carrier", "operation": "book", "order_id": order, **fault}
        self.http("POST", f"{self.endpoints['sandbox']}/_sandbox/faults", planted)

    def books(self, order: str) -> dict[str, Any]:
        """What the providers have of an order."""
        return self.http("GET", f"{self.endpoints['sandbox']}/_sandbox/ledger?order_id={order}")

    def lapse_hold(self, order: str) -> None:
        """Somebody lets go of the money in the provider's dashboard."""
        self.http("POST", f"{self.endpoints['sandbox']}/_sandbox/lapse?order_id={order}")

    def posted_notices(self) -> list[Posted]:
        """What the operators' webhook has received, as it came, the latest last."""
        posted: list[Posted] = self._read(f"{self.endpoints['sandbox']}/_sandbox/notices")
        return posted

    def forget_providers(self) -> None:
        self.http("POST", f"{self.endpoints['sandbox']}/_sandbox/reset")

    # --- the command line

    def orderctl(self, *arguments: str) -> str:
        """What it prints."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"orderctl {' '.join(arguments)} failed: {done.stderr.strip()}"
        return done.stdout

    def refused(self, action: str, order: str) -> str:
        """The reason that orderctl gives for not doing it."""
        done = self.run(action, order, "--reason", "a check of the guards")
        what = f"orderctl {action} {order} exits with {done.returncode}: {done.stdout.strip()} {done.stderr.strip()}"
        assert done.returncode == _NOT_POSSIBLE, what
        return done.stderr

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **self.settings, "ORDERS_ENDPOINTS": str(self._endpoints_file)}
        command = [str(TARGET / "debug" / "orderctl"), *arguments]
        return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)

    @property
    def article_file(self) -> Path:
        """A catalogue of what these orders are for."""
        return self.stack.folder / "check-article.json"

    def stock_up(self) -> None:
        """Enough of what these orders are for."""
        article = {"sku": _ARTICLE, "unit_price": _PRICE, "currency": "USD", "available": 1_000_000}
        self.article_file.write_text(json.dumps([article]))
        self.orderctl("catalogue", str(self.article_file))


def _is(view: Any, wanted: Wanted) -> bool:
    if callable(wanted):
        return wanted(view)
    return all(
        _is(view.get(name) or {}, value) if isinstance(value, Mapping) else view.get(name) == value
        for name, value in wanted.items()
    )
