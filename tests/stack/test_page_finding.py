"""The operators' page in headless Chromium: how orders and money are found, and how an order goes on or is modified.

Screenshots are in target/page, for a person to look at.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin

import pytest
from playwright.sync_api import BrowserContext, Page

from support.browser import SHOTS, Open, broken_rules, reload_until, today
from support.shop import Shop
from support.situations import Situations

# --- what is looked for --------------------------------------------------------------------------


@dataclass(frozen=True)
class Filtered:
    """A filter that was filled in, and found a rejected order."""

    order: str
    page: Page


@pytest.fixture(scope="module")
def filtered(open_page: Open, rejected: str) -> Filtered:
    page = open_page("/orders")
    page.click("#filters > summary")
    page.fill("#filter-within", "2h")
    page.fill("#filter-sku", "event-01")
    page.check("#filter-status-rejected")
    page.click("#filters button:has-text('Show')")
    page.wait_for_url("**/orders?status=rejected*")
    reload_until(page, lambda: page.query_selector(f"#row-{rejected}") is not None, "the filter finds the order")
    page.screenshot(path=SHOTS / "filter.png", full_page=True)
    return Filtered(rejected, page)


def test_a_filter_that_is_filled_in_is_the_address_and_nothing_else(filtered: Filtered, base_url: str) -> None:
    assert filtered.page.url == f"{base_url}/orders?status=rejected&within=2h&sku=event-01"


def test_a_filter_finds_only_what_it_says(filtered: Filtered) -> None:
    statuses = filtered.page.eval_on_selector_all("#rows .mark.off", "marks => marks.map(mark => mark.textContent)")
    assert set(statuses) == {"rejected"}
    assert len(statuses) == filtered.page.locator("#rows tr").count()


def test_the_form_shows_what_is_set(filtered: Filtered) -> None:
    assert filtered.page.input_value("#filter-sku") == "event-01"
    assert filtered.page.is_checked("#filter-status-rejected")


def test_the_head_of_a_column_sorts_and_says_so(filtered: Filtered, open_page: Open, base_url: str) -> None:
    page = open_page(filtered.page.url.removeprefix(base_url))
    page.click("thead a:has-text('Amount')")
    page.wait_for_selector("th[aria-sort=descending]:has-text('Amount')")
    page.click("thead a:has-text('Amount')")
    page.wait_for_selector("th[aria-sort=ascending]:has-text('Amount')")
    assert page.url.endswith("sort=amount")


def test_what_means_nothing_is_said_at_its_field(open_page: Open) -> None:
    page = open_page("/orders?within=soon")
    said = page.get_attribute("#filter-within", "aria-describedby")
    assert "24h" in page.inner_text(f"#{said}")


def test_a_list_for_a_spreadsheet_has_what_the_filter_finds(
    context: BrowserContext, base_url: str, filtered: Filtered
) -> None:
    answer = context.request.get(f"{base_url}/orders.csv?status=rejected&within=2h&sku=event-01")
    assert answer.ok
    assert any(line.startswith(f"{filtered.order},rejected,") for line in answer.text().splitlines())


def test_a_search_takes_any_capitals_and_the_address_of_a_page(open_page: Open, base_url: str, completed: str) -> None:
    for text in [f"  {completed.upper()} ", f"{base_url}/orders/{completed}"]:
        page = open_page("/")
        page.fill("#q", text)
        page.press("#q", "Enter")
        page.wait_for_selector("#status")
        assert page.inner_text("h1") == completed


# --- restart and modify -------------------------------------------------------------------------


def test_a_restart_says_what_is_kept_before_it_asks_for_a_yes(
    shop: Shop, situations: Situations, open_page: Open
) -> None:
    order = situations.stopped_before_capture()
    page = open_page(f"/orders/{order}")
    page.click("#action-restart summary")
    page.fill("#reason-restart", "a check of the page")
    page.click("#action-restart button")
    page.wait_for_selector("#from-CapturePayment input:checked")
    assert page.locator("#from-ChargePayment input:disabled").count() == 1
    assert "is voided, and another one bought" in page.inner_text("#from-ShipOrder")
    assert not broken_rules(page)
    page.screenshot(path=SHOTS / "restart.png", full_page=True)
    page.check("#from-ShipOrder input")
    page.click("button:has-text('Yes, restart it')")
    page.wait_for_selector("#flash")
    shop.becomes(order, {"status": "completed", "workflow": {"attempt": 2}})


def test_an_order_is_modified_where_that_was_not_done_yet(shop: Shop, open_page: Open) -> None:
    order = shop.in_review()
    page = open_page(f"/orders/{order}")
    page.click("#modify")
    page.fill("#email", "nowhere")
    page.fill("#reason", "a check of the page")
    page.click("button:has-text('Modify')")
    page.wait_for_selector("#wrong-email")
    page.fill("#email", "new@example.com")
    page.click("button:has-text('Modify')")
    page.wait_for_selector("#flash")
    assert "e-mail address" in page.inner_text("#flash")
    shop.orderctl("approve", order, "--reason", "a check of the page")
    shop.becomes(order, {"status": "completed"})


# --- where the money is -------------------------------------------------------------------------


@dataclass(frozen=True)
class Captured:
    """A number of today's captures, and the orders behind it."""

    order: str
    number: str
    total: str
    csv: str


@pytest.fixture(scope="module")
def captured(open_page: Open, completed: str) -> Captured:
    # Without JavaScript, on a phone.
    page = open_page("/finance", width=320, java_script_enabled=False)
    number = f"#money-{today()}-USD td[data-label=Captured] a"
    reload_until(page, lambda: page.query_selector(number) is not None, "the day's figures have a capture")
    page.screenshot(path=SHOTS / "finance-phone.png", full_page=True)
    said = page.inner_text(number)
    page.click(number)
    page.wait_for_selector("#total")
    page.screenshot(path=SHOTS / "money-phone.png", full_page=True)
    total = page.inner_text("#total")
    answer = page.context.request.get(urljoin(page.url, page.get_attribute("#csv", "href")))
    assert answer.ok
    return Captured(completed, said, total, answer.text())


def test_a_number_of_a_day_leads_to_the_orders_behind_it(captured: Captured) -> None:
    # Other orders may be captured meanwhile.
    assert float(captured.total.split()[0]) >= float(captured.number)
    assert f",captured,{captured.order},1," in captured.csv


def test_the_orders_behind_a_number_add_up_to_it(captured: Captured) -> None:
    amounts = [round(float(line.split(",")[4]) * 100) for line in captured.csv.splitlines()[1:]]
    assert sum(amounts) >= round(float(captured.total.split()[0]) * 100)


def test_what_is_no_day_is_said_at_its_field(open_page: Open) -> None:
    page = open_page("/finance?from=soon")
    said = page.get_attribute("#days-from", "aria-describedby")
    assert "2026-11-24" in page.inner_text(f"#{said}")
