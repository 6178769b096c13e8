"""Judges orders by the published contract and by the providers' books, and by nothing else of this project.

    auditor.py evidence.json

What it is given: the documents that were sent and what was answered, each order's status view (`GET /orders/{id}`),
what the payment provider and the carrier have in their books, the mails that went out, the payments that the shop's
checkout made, and the stock before and after.
It imports nothing of ours, so that whoever acts is not who audits. Prints each thing that is wrong, and exits with 1
if there is one.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

Document = dict[str, Any]
# A rule's name, and what it has against an order, or against all of them.
Finding = tuple[str, str]

_ENDED = ("completed", "rejected", "cancelled", "failed")
# What a subject says after "Your order <id> ".
_SHIPPED, _ENDED_OTHERWISE = "is on its way", "could not be completed"
# Mail services are asked again when nobody heard their answer.
_MOST_MAILS_OF_ATTEMPT = 3


def audit(evidence: Document) -> list[tuple[str, str, str]]:
    """Everything that is wrong: whose it is, the rule, and what."""
    books, mails = evidence["books"], evidence["mails"]
    orders = {sent["document"]["order_id"]: sent for sent in evidence["orders"]}
    wrong = [
        (order, rule, what)
        for order, sent in orders.items()
        for rule, what in _Order(sent, _of(books, order), _mails_of(mails, order), evidence["checkout"]).findings()
    ]
    wrong += [("all", rule, what) for rule, what in _stock(evidence["stock"], list(orders.values()))]
    wrong += [("all", rule, what) for rule, what in _nobodys(books, set(orders), set(evidence["checkout"]))]
    return wrong


def _of(books: Document, order: str) -> Document:
    return {kind: [entry for entry in entries if entry.get("order_id") == order] for kind, entries in books.items()}


def _mails_of(mails: list[Document], order: str) -> list[Document]:
    return [mail for mail in mails if mail["subject"].startswith(f"Your order {order} ")]


def _lapsed(books: Document) -> list[Document]:
    """Faults that found a hold lapsed when its money was to be taken."""
    fired = books.get("faults_fired", [])
    return [fault for fault in fired if (fault["operation"], fault["mode"]) == ("capture", "decline")]


def _at(entry: Document) -> datetime:
    return datetime.fromisoformat(entry["at"])


class _Order:
    """One order, as everybody outside sees it."""

    def __init__(self, sent: Document, books: Document, mails: list[Document], checkout: list[str]):
        self.document, self.asked = sent["document"], sent.get("asked", [])
        # Empty if nobody knows it.
        self.view: Document = sent.get("view") or {}
        self.books, self.mails, self.checkout = books, mails, checkout
        self.total, self.currency = self.document["total"], self.document["currency"]
        voided = {entry["id"] for entry in books["voids"]}
        captured = {entry["id"] for entry in books["captures"]}
        standing = [
            entry for entry in books["authorizations"] if entry["id"] not in voided and entry["id"] not in captured
        ]
        # The bank's no to a capture: the oldest hold has lapsed, and nobody voids it.
        self.standing = standing[len(_lapsed(books)) :]
        cancelled = {entry["id"] for entry in books["cancelled_shipments"]}
        self.live = [entry for entry in books["shipments"] if entry["id"] not in cancelled]
        self.net = sum(entry["amount"] for entry in books["captures"]) - sum(
            entry["amount"] for entry in books["refunds"]
        )

    @property
    def status(self) -> str:
        status: str = self.view["status"]
        return status

    @property
    def attempts(self) -> int:
        attempts: int = self.view["workflow"]["attempt"]
        return attempts

    def findings(self) -> Iterator[Finding]:
        if not self.view:
            yield "lost", "it was accepted, and nobody knows it"
            return
        if self.status not in _ENDED:
            yield "open", f"it is {self.status} at the end"
            return
        yield from self._money()
        yield from self._goods()
        yield from self._keys()
        yield from self._cancellations()
        yield from self._what_it_says()
        yield from self._what_was_mailed()

    def _money(self) -> Iterator[Finding]:
        for kind in ("authorizations", "captures"):
            for entry in self.books[kind]:
                if (entry["amount"], entry["currency"]) != (self.total, self.currency):
                    yield "amount", f"{kind} has {entry['amount']} {entry['currency']} of {self.total} {self.currency}"
        wanted = self.total if self.status == "completed" else 0
        if self.net != wanted:
            yield "net", f"{self.net} was taken of a {self.status} order, not {wanted}"
        if len(self.books["captures"]) - len({entry["id"] for entry in self.books["refunds"]}) > 1:
            yield "twice", f"{len(self.books['captures'])} captures"
        if self.standing:
            yield "held", f"{len(self.standing)} holds stand on a {self.status} order"
        yield from self._held_at_once()
        yield from self._intents()

    def _intents(self) -> Iterator[Finding]:
        """A payment of the checkout's is taken over and never made anew, unless somebody gave other means."""
        given = self.document["payment"].get("intent")
        other = any(asked["what"] == "reprocess" and asked["status"] == 200 for asked in self.asked)
        for payment in self.books["authorizations"]:
            if given and not other and payment["id"] != given:
                yield "made_anew", f"{payment['id']} was made though the checkout had made {given}"
            if payment["id"] != given and payment["id"] in self.checkout:
                yield "not_its_own", f"{payment['id']} of the checkout's was for another order"

    def _held_at_once(self) -> Iterator[Finding]:
        """Never two holds at the same time."""
        events = [(_at(entry), 1, entry["id"]) for entry in self.books["authorizations"]]
        over = {entry["id"]: _at(entry) for entry in (*self.books["voids"], *self.books["captures"])}
        without = [payment for _, _, payment in sorted(events) if payment not in over]
        over.update(zip(without, map(_at, _lapsed(self.books)), strict=False))
        held: set[str] = set()
        for at, _, payment in sorted(events):
            held = {other for other in held if over.get(other) is None or over[other] > at}
            held.add(payment)
            if len(held) > 1:
                yield "held_twice", f"{len(held)} holds at once"
                return

    def _goods(self) -> Iterator[Finding]:
        wanted = 1 if self.status == "completed" else 0
        if len(self.live) != wanted:
            yield "labels", f"{len(self.live)} live labels of a {self.status} order"
        for capture in self.books["captures"]:
            if not any(_at(label) <= _at(capture) for label in self.books["shipments"]):
                yield "unshipped", "it was charged before anything was shipped"

    def _keys(self) -> Iterator[Finding]:
        for kind in ("authorizations", "captures", "voids", "refunds", "shipments"):
            keys = Counter(entry["key"] for entry in self.books[kind] if entry.get("key"))
            yield from (("key", f"{kind}: {key} had {count} effects") for key, count in keys.items() if count > 1)

    def _cancellations(self) -> Iterator[Finding]:
        accepted = [_at(asked) for asked in self.asked if asked["what"] == "cancel" and asked["status"] == 202]
        if not accepted:
            return
        if self.status != "cancelled":
            yield "uncancelled", f"its cancellation was accepted, and it is {self.status}"
        if any(_at(capture) > min(accepted) for capture in self.books["captures"]):
            yield "captured_after_cancel", "money was taken after its cancellation was accepted"

    def _what_it_says(self) -> Iterator[Finding]:
        payment, shipment = self.view["payment"], self.view["shipment"]
        if payment["captured"] - payment["refunded"] != self.net:
            yield "view_money", f"it says {payment['captured']} - {payment['refunded']}, the books say {self.net}"
        expected = {"completed": ("captured",)}.get(self.status, ("none", "voided", "refunded", "declined"))
        if payment["status"] not in expected:
            yield "view_payment", f"a {self.status} order says that its payment is {payment['status']}"
        tracking = {label["tracking_number"] for label in self.live}
        if self.live and shipment["tracking_number"] not in tracking:
            yield "view_tracking", f"it says {shipment['tracking_number']}, the carrier {', '.join(tracking)}"
        if (self.status == "completed") != (self.view["failure"] is None):
            yield "view_failure", f"a {self.status} order says {self.view['failure']}"
        times = [_at(entry) for entry in self.view["timeline"]]
        if times != sorted(times):
            yield "timeline", "it is not in the order of time"
        address, customer = self.document["shipping_address"], self.document["customer"]
        personal = (customer["name"], customer["email"], address["line1"], address["city"])
        text = json.dumps(self.view, ensure_ascii=False)
        if any(part in text for part in personal):
            yield "personal", "its view has personal data"
        again = sum(asked["what"] in ("reprocess", "restart") and asked["status"] == 200 for asked in self.asked)
        if self.attempts < 1 + again:
            yield "attempts", f"{self.attempts} attempts after {again} new ones were begun"

    def _what_was_mailed(self) -> Iterator[Finding]:
        said: dict[str, int] = defaultdict(int)
        for mail in self.mails:
            if mail["to"] != [self.document["customer"]["email"]]:
                yield "mail_to", "a mail about it went to somebody else"
            said[_SHIPPED if mail["subject"].endswith(_SHIPPED) else _ENDED_OTHERWISE] += 1
        wanted, other = (_SHIPPED, _ENDED_OTHERWISE) if self.status == "completed" else (_ENDED_OTHERWISE, _SHIPPED)
        if not said[wanted]:
            yield "mail_missing", f"the customer of a {self.status} order was not told"
        if said[wanted] > _MOST_MAILS_OF_ATTEMPT * self.attempts:
            yield "mail_often", f"the customer was told {said[wanted]} times"
        if said[other] and (other == _SHIPPED or self.attempts == 1):
            yield "mail_wrong", f"the customer of a {self.status} order was told that it {other}"


def _stock(stock: Document, orders: list[Document]) -> Iterator[Finding]:
    """What is sold is gone, and nothing else is."""
    sold: Counter[str] = Counter()
    for sent in orders:
        if sent.get("view") and sent["view"]["status"] == "completed":
            sold.update({line["sku"]: line["quantity"] for line in sent["document"]["lines"]})
    for sku, count in stock.items():
        if count["before"] - count["after"] != sold[sku]:
            yield "stock", f"{sku}: {count['before']} before, {count['after']} after, {sold[sku]} sold"


def _nobodys(books: Document, orders: set[str], checkout: set[str]) -> Iterator[Finding]:
    """Effects that were made for no order. A hold of the checkout's that no order took over is the shop's."""
    for kind, entries in books.items():
        if kind == "faults_fired":
            continue
        of_the_shop = checkout if kind == "authorizations" else set()
        strange = [
            entry for entry in entries if entry.get("order_id") not in orders and entry.get("id") not in of_the_shop
        ]
        if strange:
            yield "nobodys", f"{kind} has {len(strange)} that no order accounts for: {strange[0]['id']}"


def main() -> None:
    [path] = sys.argv[1:]
    evidence = json.loads(Path(path).read_text())
    wrong = audit(evidence)
    for finding in wrong:
        print(": ".join(finding))
    statuses = Counter(sent["view"]["status"] if sent.get("view") else "lost" for sent in evidence["orders"])
    told = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
    print(f"audited {len(evidence['orders'])} orders ({told}): {len(wrong)} findings")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
