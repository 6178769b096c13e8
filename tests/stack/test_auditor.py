"""The soak's auditor: its silence means something, because each kind of wrong is told."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from audit import auditor
from common import ROOT

Evidence = dict[str, Any]

_LISTS = ("authorizations", "captures", "voids", "refunds", "shipments", "cancelled_shipments")


def _at(second: int) -> str:
    return f"2026-01-01T00:00:{second:02}+00:00"


def _money(order: str, effect: str, second: int, payment: str = "pi") -> Evidence:
    key = f"local.{order}-1-{effect}"
    return {
        "order_id": order,
        "key": key,
        "id": f"{payment}_{order}",
        "amount": 3098,
        "currency": "USD",
        "at": _at(second),
    }


def _sent(order: str, status: str, payment: str, **view: Any) -> Evidence:
    document = {**json.loads((ROOT / "orders/1001-plain.json").read_text()), "order_id": order}
    captured = 3098 if status == "completed" else 0
    return {
        "document": document,
        "asked": [],
        "view": {
            "order_id": order,
            "status": status,
            "payment": {"status": payment, "authorized": 3098, "captured": captured, "refunded": 0, "currency": "USD"},
            "shipment": {"status": "none", "carrier": None, "tracking_number": None},
            "workflow": {"status": "SUCCEEDED", "attempt": 1},
            "failure": None if status == "completed" else {"error": "CarrierUnavailable"},
            "timeline": [{"at": _at(1)}, {"at": _at(2)}],
            **view,
        },
    }


@pytest.fixture
def evidence() -> Evidence:
    """Of three orders that went as they should: completed, reversed, and cancelled."""
    books: dict[str, list[Evidence]] = {kind: [] for kind in _LISTS}
    for order in ("done", "failed", "cancelled"):
        books["authorizations"].append(_money(order, "authorize", 1))
    label = {"order_id": "done", "key": "local.done-1", "id": "se-1", "tracking_number": "9400", "at": _at(2)}
    books["shipments"].append(label)
    books["captures"].append(_money("done", "capture", 3))
    books["voids"] += [_money("failed", "reverse", 4), _money("cancelled", "reverse", 4)]
    cancelled = _sent("cancelled", "cancelled", "voided")
    cancelled["asked"] = [{"what": "cancel", "status": 202, "at": _at(2)}]
    shipment = {"status": "booked", "carrier": "usps", "tracking_number": "9400"}
    email = cancelled["document"]["customer"]["email"]
    said = {"done": "is on its way", "failed": "could not be completed", "cancelled": "could not be completed"}
    return {
        "orders": [
            _sent("done", "completed", "captured", shipment=shipment),
            _sent("failed", "failed", "voided"),
            cancelled,
        ],
        "books": books,
        "mails": [{"to": [email], "subject": f"Your order {order} {what}"} for order, what in said.items()],
        "checkout": ["pi_basket"],
        "stock": {"MUG-01": {"before": 10, "after": 8}},
    }


def test_what_went_as_it_should_is_passed_in_silence(evidence: Evidence) -> None:
    assert auditor.audit(evidence) == []


def _forget(kind: str, order: str) -> Callable[[Evidence], None]:
    def forget(evidence: Evidence) -> None:
        evidence["books"][kind] = [entry for entry in evidence["books"][kind] if entry["order_id"] != order]

    return forget


def _again(kind: str, **other: Any) -> Callable[[Evidence], None]:
    def again(evidence: Evidence) -> None:
        entry = copy.deepcopy(evidence["books"][kind][0])
        evidence["books"][kind].append({**entry, **other})

    return again


def _change(order: int, **parts: Any) -> Callable[[Evidence], None]:
    def change(evidence: Evidence) -> None:
        for path, value in parts.items():
            *way, last = path.split("__")
            place = evidence["orders"][order]
            for name in way:
                place = place[name]
            place[last] = value

    return change


def _mail(subject: str, to: str | None = None, times: int = 1) -> Callable[[Evidence], None]:
    def mail(evidence: Evidence) -> None:
        known = evidence["mails"][0]["to"]
        evidence["mails"] += [{"to": [to] if to else known, "subject": subject}] * times

    return mail


def _unmail(order: int) -> Callable[[Evidence], None]:
    return lambda evidence: evidence["mails"].pop(order)


def _late_capture(evidence: Evidence) -> None:
    evidence["books"]["captures"].append(_money("cancelled", "capture", 5))
    evidence["books"]["refunds"].append(_money("cancelled", "refund", 6, "re"))
    evidence["books"]["voids"].pop()


def _shipped_late(evidence: Evidence) -> None:
    evidence["books"]["shipments"][0]["at"] = _at(9)


def _unlike_the_checkouts(evidence: Evidence) -> None:
    evidence["orders"][0]["document"]["payment"] = {"intent": "pi_basket"}


# How it goes wrong, by the rule that tells.
_WRONGS: list[tuple[str, Callable[[Evidence], Any]]] = [
    ("lost", _change(0, view=None)),
    ("open", _change(1, view__status="needs_attention")),
    ("open", _change(0, view__status="authorized")),
    ("amount", _again("captures", amount=1)),
    ("amount", _again("authorizations", currency="EUR")),
    ("net", _again("captures", id="pi_other", key="other")),
    ("net", _forget("captures", "done")),
    ("twice", _again("captures", id="pi_other", key="other")),
    ("held", _forget("voids", "failed")),
    ("held", _forget("captures", "done")),
    ("held_twice", _again("authorizations", id="pi_other", key="other", at=_at(2))),
    ("made_anew", _unlike_the_checkouts),
    ("not_its_own", _again("authorizations", id="pi_basket", key="other")),
    ("labels", _forget("shipments", "done")),
    ("labels", _again("shipments", id="se-2", key="other")),
    ("labels", _again("shipments", order_id="failed", id="se-2", key="other")),
    ("unshipped", _shipped_late),
    ("key", _again("shipments", id="se-2")),
    ("uncancelled", _change(2, view__status="failed")),
    ("captured_after_cancel", _late_capture),
    ("view_money", _change(0, view__payment__captured=1)),
    ("view_payment", _change(1, view__payment__status="captured")),
    ("view_tracking", _change(0, view__shipment__tracking_number="1")),
    ("view_failure", _change(1, view__failure=None)),
    ("timeline", _change(0, view__timeline=[{"at": _at(3)}, {"at": _at(2)}])),
    ("personal", _change(0, view__failure=None, view__shipment__note="Ada Example")),
    ("attempts", _change(1, asked=[{"what": "reprocess", "status": 200, "at": _at(5)}])),
    ("mail_to", _mail("Your order done is on its way", "eve@example.com")),
    ("mail_missing", _unmail(0)),
    ("mail_missing", _unmail(1)),
    ("mail_often", _mail("Your order done is on its way", times=3)),
    ("mail_wrong", _mail("Your order failed is on its way")),
    ("mail_wrong", _mail("Your order done could not be completed")),
    ("stock", lambda evidence: evidence["stock"]["MUG-01"].update(after=7)),
    ("nobodys", _again("authorizations", order_id="nobody")),
    ("nobodys", _again("shipments", order_id=None)),
    ("nobodys", _again("captures", order_id=None, id="pi_basket")),
]


@pytest.mark.parametrize(("rule", "wrong"), _WRONGS)
def test_each_kind_of_wrong_is_told(evidence: Evidence, rule: str, wrong: Callable[[Evidence], Any]) -> None:
    wrong(evidence)
    assert rule in {rule for _, rule, _ in auditor.audit(evidence)}


def test_a_hold_that_was_found_lapsed_does_not_stand(evidence: Evidence) -> None:
    _forget("voids", "failed")(evidence)
    lapsed = {"order_id": "failed", "operation": "capture", "mode": "decline", "id": "fault", "at": _at(3)}
    evidence["books"]["faults_fired"] = [lapsed]
    assert auditor.audit(evidence) == []


def test_a_payment_of_the_checkouts_that_no_order_took_over_is_the_shops(evidence: Evidence) -> None:
    _again("authorizations", order_id=None, id="pi_basket")(evidence)
    assert auditor.audit(evidence) == []


def test_every_rule_has_a_wrong_that_it_tells() -> None:
    source = (ROOT / "tests/audit/auditor.py").read_text()
    rules = set(re.findall(r'yield (?:from \(\()?"(\w+)"', source))
    assert {rule for rule, _ in _WRONGS} == rules
