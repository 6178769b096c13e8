"""A local stack as the shop's customers and operators meet it, for checks."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
import uuid

import aws
from common import REGION, ROOT, TARGET, Problem, Stack, aws_environment

# The sample catalogue's, with enough in stock.
_ARTICLE, _PRICE = "EVENT-01", 1299
# An order of so many is looked at by a person first.
REVIEWED = 50


class Shop:
    """Its front door, and what operators do."""

    def __init__(self, stack: Stack):
        self.stack = stack
        self.endpoints = json.loads(stack.endpoints_file.read_text())
        # Straight to loopback: a proxy that the environment names cannot reach it.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def http(self, method: str, url: str, body: dict | None = None) -> dict:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, content, {"content-type": "application/json"}, method=method)
        with self._opener.open(request, timeout=30) as answer:
            return json.loads(answer.read() or b"{}")

    def submit(self, quantity: int) -> str:
        """A new order of so many pieces; answers its id."""
        document = self.document(quantity)
        self.http("POST", f"{self.endpoints['intake']}/orders", document)
        return document["order_id"]

    def send(self, quantity: int) -> str:
        """The same by queue."""
        document = self.document(quantity)
        self.queue("send_message", "orders-local-orders", MessageBody=json.dumps(document))
        return document["order_id"]

    def queue(self, operation: str, name: str, **parameters) -> dict:
        """One call about a queue of this name."""
        sqs = aws.client("sqs", aws_environment(self.stack), REGION)
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        return getattr(sqs, operation)(QueueUrl=url, **parameters)

    def document(self, quantity: int) -> dict:
        """An order of so many pieces, under an id of its own."""
        document = json.loads((ROOT / "orders/1001-plain.json").read_text())
        line = document["lines"][0]
        line["sku"], line["quantity"], line["unit_price"] = _ARTICLE, quantity, _PRICE
        document["order_id"] = f"check-{uuid.uuid4()}"
        document["total"] = quantity * _PRICE + document["shipping_fee"] + document["tax"]
        return document

    def cancel(self, order: str) -> None:
        self.http("POST", f"{self.endpoints['intake']}/orders/{order}/cancel")

    def becomes(self, order: str, wanted, patience_s: float) -> dict | None:
        """The order's view once it is as wanted, or None if it is not in time."""
        until = time.monotonic() + patience_s
        while time.monotonic() < until:
            view = self._view(order)
            if view and wanted(view):
                return view
            time.sleep(0.1)
        return None

    def _view(self, order: str) -> dict | None:
        try:
            return self.http("GET", f"{self.endpoints['intake']}/orders/{order}")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def orderctl(self, *arguments: str) -> None:
        environment = {**os.environ, **aws_environment(self.stack), "ORDERS_ENDPOINTS": str(self.stack.endpoints_file)}
        done = subprocess.run(
            [TARGET / "debug" / "orderctl", *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise Problem(f"orderctl {' '.join(arguments)} failed: {done.stderr.strip()}", f"see {self.stack.logs}")

    def article(self) -> None:
        """Enough of what these orders are for."""
        file = self.stack.folder / "check-article.json"
        article = {"sku": _ARTICLE, "unit_price": _PRICE, "currency": "USD", "available": 1_000_000}
        file.write_text(json.dumps([article]))
        self.orderctl("catalogue", str(file))
