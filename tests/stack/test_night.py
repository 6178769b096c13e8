"""An operator's night: orders are refused by the carrier, and the payment provider does not let go of their money for a
while. What the page and the command line say is held against the providers' books at every look."""

from __future__ import annotations

import json
import re
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser

from support.browser import SHOTS
from support.console import Console
from support.monitor import Monitor, now_ms
from support.shop import Shop
from support.tables import Tables
from support.waiting import in_time

pytestmark = pytest.mark.usefixtures("unscheduled")

# A currency that no other suite uses, so that its figures are this night's alone.
_CURRENCY, _ARTICLE, _PRICE = "EUR", "NIGHT-01", 1000
# A stack of the tests tells of a failing task after less.
_TOLD_AFTER_S = 8

Figures = dict[str, int]


@dataclass(frozen=True)
class Look:
    """What there was at one moment: on the page, on the command line, and at the providers."""

    # Each order's line in `orderctl orders`.
    lines: dict[str, str]
    # Voids that had failed at the payment provider before it was looked, and after it.
    failures: dict[str, tuple[int, int]]
    # Minor units: authorised, captured, voided, refunded today.
    page: Figures
    # The same of finance's movements.
    moved: Figures
    books: Figures
    # The row about the payment provider: its orders and its money.
    happening: tuple[int, int] | None
    held: int
    needs: str


@dataclass
class Night:
    """Orders that went well, that the carrier refused, and that it refused while the payment provider was away."""

    well: list[str]
    refused: list[str]
    waiting: list[str]
    looks: list[Look] = field(default_factory=list)
    incidents: dict[str, list[str]] = field(default_factory=dict)
    notified: list[str] = field(default_factory=list)
    after: Look | None = None

    @property
    def orders(self) -> list[str]:
        return [*self.well, *self.refused, *self.waiting]


class Watch:
    """Who looks."""

    def __init__(self, shop: Shop, monitor: Monitor, console: Console, night: Night):
        self._shop, self._monitor, self._console, self._night = shop, monitor, console, night
        self._began = _today()
        # Of a night before on the same stack.
        self._earlier = dict.fromkeys(("authorised", "captured", "voided", "refunded"), 0)
        self._earlier = self._figures()

    def look(self) -> Look:
        night = self._night
        before = {order: self._failed_voids(order) for order in night.waiting}
        self._monitor.sweep(*night.orders)
        listed = self._shop.orderctl("orders").splitlines()
        lines = {order: next((line for line in listed if line.startswith(order)), "") for order in night.waiting}
        books = {order: self._books(order) for order in night.orders}
        figures = {
            kind: sum(entry["amount"] for book in books.values() for entry in book[kind])
            for kind in ("authorizations", "captures", "refunds")
        }
        # A void has no amount of its own: it lets go of all that was held.
        voided = sum(_PRICE for book in books.values() for _ in book["voids"])
        there = {
            "authorised": figures["authorizations"],
            "captured": figures["captures"],
            "voided": voided,
            "refunded": figures["refunds"],
        }
        # What a change that the stream reported adds is counted a moment after it is seen.
        page = in_time(lambda: found if (found := self._figures()) == there else None, patience_s=10)
        html = self._console.get("/")
        failures = {order: (before[order], self._failed_voids(order)) for order in night.waiting}
        return Look(
            lines=lines,
            failures=failures,
            page=page or self._figures(),
            moved=self._moved(),
            books=there,
            happening=_happening(html),
            held=sum(_PRICE for order in night.waiting if not books[order]["voids"]),
            needs=_section(html, "needs"),
        )

    def _failed_voids(self, order: str) -> int:
        # The first fault refused the shipment.
        return len(self._books(order)["faults_fired"]) - 1

    def _books(self, order: str) -> dict[str, list[dict[str, int]]]:
        return self._shop.books(order)

    def _moved(self) -> Figures:
        """Of the night's orders, by the movements behind the day's numbers."""
        moved = dict.fromkeys(self._earlier, 0)
        flows = dict(zip(("authorized", "captured", "voided", "refunded"), moved, strict=True))
        # A night may have two days.
        for day in {self._began, _today()}:
            for line in self._console.get(f"/finance/{day}/movements.csv").splitlines()[1:]:
                _, flow, order, _, amount, currency = line.split(",")
                if currency == _CURRENCY and order in self._night.orders:
                    moved[flows[flow]] += _minor(amount)
        return moved

    def _figures(self) -> Figures:
        """Of the page's "Money today"."""
        row = re.search(rf'id="money-{_CURRENCY}">(.*?)</tr>', self._console.get("/"), re.DOTALL)
        sums = re.findall(r'<td class="num">([\d.]+)</td>', row[1]) if row else ["0"] * 4
        today = dict(zip(self._earlier, map(_minor, sums), strict=True))
        return {name: minor - self._earlier[name] for name, minor in today.items()}


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _minor(text: str) -> int:
    return round(float(text) * 100)


def _section(html: str, name: str) -> str:
    found = re.search(rf'<section [^>]*aria-labelledby="{name}">(.*?)</section>', html, re.DOTALL)
    return found[1] if found else ""


def _happening(html: str) -> tuple[int, int] | None:
    """The orders and the money of the row about the payment provider."""
    for group in re.findall(r'<li class="group".*?</dl>', _section(html, "happening"), re.DOTALL):
        money = re.search(rf"<li>([\d.]+) {_CURRENCY}</li>", group)
        count = re.search(r"<b>(\d+) orders?</b>", group)
        if "ReversePayment" in group and money and count:
            return int(count[1]), _minor(money[1])
    return None


@pytest.fixture(scope="module")
def night(shop: Shop, tables: Tables, monitor: Monitor, browser: Browser) -> Night:
    article = {"sku": _ARTICLE, "unit_price": _PRICE, "currency": _CURRENCY, "available": 1_000}
    file = shop.stack.folder / "night-article.json"
    file.write_text(json.dumps([article]))
    shop.orderctl("catalogue", str(file))
    began = now_ms()
    night = Night(_named("well"), _named("refused"), _named("waiting"))
    watch = Watch(shop, monitor, Console(shop), night)
    tables.forget_notices()
    for order in [*night.refused, *night.waiting]:
        shop.plant_fault(order, mode="decline", times=1)
    for order in night.waiting:
        shop.plant_fault(order, provider="payment", operation="void", mode="error", status=503, times=100)
    for order in night.orders:
        shop.submit_document(_document(shop, order))
    for order in night.well:
        shop.becomes(order, {"status": "completed"})
    for order in night.refused:
        shop.becomes(order, {"status": "failed", "workflow": {"status": "FAILED"}})
    for order in night.waiting:
        shop.becomes(order, {"failure": {"error": "ShipmentRejected"}})
    until = time.monotonic() + _TOLD_AFTER_S
    while time.monotonic() < until:
        time.sleep(1)
        night.looks.append(watch.look())
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    for name, path in (("night", ""), ("night-order", f"orders/{night.waiting[0]}")):
        page.goto(f"{shop.endpoints['console']}/{path}")
        page.screenshot(path=SHOTS / f"{name}.png", full_page=True)
    page.close()
    night.incidents = {order: monitor.incidents(order) for order in night.waiting}
    night.notified = monitor.notified("ReversePayment", since_ms=began)
    for order in night.waiting:
        shop.plant_fault(order, provider="payment", operation="void", mode="error", times=0)
    for order in night.waiting:
        # The longest wait between two tries is 12 s there.
        shop.becomes(order, {"status": "failed", "workflow": {"status": "FAILED"}}, patience_s=60)
    night.after = watch.look()
    return night


def _named(kind: str) -> list[str]:
    return [f"night-{kind}-{uuid.uuid4()}" for _ in range(4)]


def _document(shop: Shop, order: str) -> dict[str, object]:
    document = shop.document(1)
    line = {"sku": _ARTICLE, "quantity": 1, "unit_price": _PRICE}
    return {
        **document,
        "order_id": order,
        "currency": _CURRENCY,
        "lines": [line],
        "shipping_fee": 0,
        "tax": 0,
        "total": _PRICE,
    }


def test_every_order_that_waits_says_how_often_it_failed_and_why(night: Night) -> None:
    for look in night.looks:
        for order, line in look.lines.items():
            tries = re.search(r"(\d+) of 31", line)
            assert tries, f"no retry is shown: {line!r}"
            before, after = look.failures[order]
            # The answer to the last of them may have been on its way to the history.
            assert before - 1 <= int(tries[1]) <= after, f"{before} to {after} voids have failed: {line!r}"
            assert "PaymentUnavailable, the payment provider answered 503" in line


def test_a_providers_trouble_is_on_the_page_with_its_orders_and_their_money(night: Night) -> None:
    for look in night.looks:
        assert look.happening == (len(night.waiting), look.held)


def test_what_a_provider_has_to_mend_is_nobodys_work(night: Night) -> None:
    for look in night.looks:
        assert "the payment provider answered" not in look.needs


def test_operators_are_told_of_it_once_it_lasts(night: Night) -> None:
    assert all(incidents == ["keeps_failing"] for incidents in night.incidents.values()), night.incidents
    assert night.notified.count("keeps_failing") == 1


def test_the_days_figures_are_the_providers_books_at_every_look(night: Night) -> None:
    assert night.after
    for look in [*night.looks, night.after]:
        assert look.page == look.books


def test_the_movements_of_money_are_the_providers_books_at_every_look(night: Night) -> None:
    assert night.after
    for look in [*night.looks, night.after]:
        assert look.moved == look.books


def test_all_is_well_once_the_provider_is_back(night: Night) -> None:
    assert night.after
    assert night.after.happening is None
    assert night.after.books["voided"] == _PRICE * (len(night.refused) + len(night.waiting))
    assert night.after.books["captured"] == _PRICE * len(night.well)
