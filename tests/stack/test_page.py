"""The operators' page in headless Chromium: how it looks, and what people do on it.

Screenshots of every page are in target/page, for a person to look at.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from playwright.sync_api import BrowserContext, Page

from support.browser import (
    SCRIPT,
    SHOTS,
    Open,
    broken_rules,
    has_run_a_script,
    refused_by_policy,
    reload_until,
    today,
    until,
)
from support.shop import Shop
from support.tables import Tables, ago_ms

# --- many at once, begun ------------------------------------------------------------------------


@dataclass(frozen=True)
class BegunBulk:
    """Three orders that are approved together, one first; the last of them somebody else has approved meanwhile.

    First in this file, because it takes a while, in which the pages are looked at.
    """

    orders: list[str]
    selected: str
    page: Page


@pytest.fixture(scope="module")
def begun_bulk(shop: Shop, open_page: Open) -> BegunBulk:
    orders = [shop.in_review() for _ in range(3)]
    page = open_page("/orders?list=reviews")
    reload_until(
        page, lambda: all(page.query_selector(f"#pick-{order}") for order in orders), "the list of reviews has them all"
    )
    for order in orders:
        page.check(f"#pick-{order}")
    selected = page.inner_text("#selected")
    page.select_option("#action", "approve")
    page.click("button[value=selected]")
    page.wait_for_selector("#digest")
    shop.orderctl("approve", orders[2], "--reason", "a check of the page")
    page.fill("#reason", "known customers")
    page.click("text=one first")
    page.wait_for_selector("#bulk-state")
    return BegunBulk(orders, selected, page)


def test_the_page_counts_what_is_selected(begun_bulk: BegunBulk) -> None:
    assert begun_bulk.selected == "3 selected"


# --- every page in every way ------------------------------------------------------------------


@pytest.fixture(scope="module")
def in_review(shop: Shop) -> str:
    """Looked at, and left as it is."""
    return shop.in_review()


@pytest.fixture(scope="module")
def named_after_a_script(shop: Shop) -> str:
    """Of somebody whose name is a script: it is on no page, neither as one nor as text."""
    document = shop.document(1)
    document["customer"]["name"] = document["shipping_address"]["name"] = SCRIPT
    order = shop.submit_document(document)
    shop.becomes(order, {"status": "completed"})
    return order


@pytest.fixture(scope="module")
def paths(open_page: Open, base_url: str, in_review: str, rejected: str, named_after_a_script: str) -> dict[str, str]:
    page = open_page("/orders?list=reviews")
    reload_until(page, lambda: page.query_selector(f"#pick-{in_review}") is not None, "the list of reviews has it")
    page.check(f"#pick-{in_review}")
    page.select_option("#action", "approve")
    page.click("button[value=selected]")
    page.wait_for_selector("#digest")
    preview = page.url.removeprefix(base_url)
    page.context.close()
    return {
        "home": "/",
        "orders": "/orders",
        "list": "/orders?list=reviews",
        "completed": "/orders?status=completed",
        "filtered": "/orders?within=24h&sort=-amount",
        "refused": "/orders?within=soon&status=lost&sort=size",
        "order": f"/orders/{rejected}",
        "review": f"/orders/{in_review}",
        "named": f"/orders/{named_after_a_script}",
        "nothing": "/search?q=nothing-like-it",
        "preview": preview,
        "runbook": "/runbook",
        "bulks": "/bulk",
        "modify": f"/orders/{in_review}/modify",
        "finance": "/finance",
        "money": f"/finance/{today()}",
        "no-days": "/finance?from=soon&to=2026-02-30",
    }


@dataclass(frozen=True)
class Look:
    """What there was to see on a page."""

    broken_rules: list[str]
    is_too_wide: bool
    refused_by_policy: list[str]
    has_run_a_script: bool
    content: str


# Width and colours have nothing to do with each other: each is met on every page.
WAYS = [(1920, "light"), (320, "dark")]
PAGES = [
    "home",
    "orders",
    "list",
    "completed",
    "filtered",
    "refused",
    "order",
    "review",
    "named",
    "nothing",
    "preview",
    "runbook",
    "bulks",
    "modify",
    "finance",
    "money",
    "no-days",
]


def way(parameter: tuple[str, int, str]) -> str:
    return "-".join(map(str, parameter))


@pytest.fixture(scope="module", params=[(name, *way) for name in PAGES for way in WAYS], ids=way)
def look(request: pytest.FixtureRequest, open_page: Open, paths: dict[str, str]) -> Look:
    name, width, scheme = request.param
    page = open_page(paths[name], width=width, color_scheme=scheme)
    page.wait_for_selector("#main")
    # Closed parts are part of the page.
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    # All of the runbook, on a phone, takes a loaded machine longer than a test waits.
    page.screenshot(path=SHOTS / f"{way(request.param)}.png", full_page=name != "runbook")
    look = Look(
        broken_rules=broken_rules(page),
        is_too_wide=page.evaluate("document.documentElement.scrollWidth > innerWidth"),
        refused_by_policy=refused_by_policy(page),
        has_run_a_script=has_run_a_script(page),
        content=page.content(),
    )
    page.context.close()
    return look


def test_a_page_breaks_no_rule_of_accessibility(look: Look) -> None:
    assert not look.broken_rules


def test_a_page_is_no_wider_than_the_screen(look: Look) -> None:
    assert not look.is_too_wide


def test_a_page_has_nothing_that_its_policy_refuses(look: Look) -> None:
    assert not look.refused_by_policy


def test_a_page_runs_nothing_that_people_wrote(look: Look) -> None:
    assert not look.has_run_a_script


@pytest.mark.parametrize("look", [("named", *way) for way in WAYS], ids=way, indirect=True)
def test_a_customers_name_is_not_on_the_page(look: Look) -> None:
    assert "onerror" not in look.content


@pytest.mark.parametrize("width", [1920, 320])
def test_the_card_of_the_keys_breaks_no_rule_of_accessibility(open_page: Open, width: int) -> None:
    page = open_page("/", width=width)
    page.click("#keys")
    page.wait_for_selector("#help[open]")
    assert not broken_rules(page)
    page.click("#help button")
    assert not page.is_visible("#help")
    assert not refused_by_policy(page)


def test_the_process_is_folded_on_a_phone_and_open_elsewhere(open_page: Open) -> None:
    phone, wide = open_page("/", width=320), open_page("/", width=1920)
    assert not phone.is_visible("#state-ShipOrder")
    phone.click("#process summary")
    assert phone.is_visible("#state-ShipOrder")
    assert wide.is_visible("svg.process")
    assert not wide.is_visible("#process summary")


def test_the_process_is_open_on_a_wide_screen_without_javascript(open_page: Open) -> None:
    page = open_page("/", width=1920, java_script_enabled=False)
    assert page.is_visible("svg.process")


@pytest.mark.parametrize("width", [320, 480])
def test_what_needs_a_person_is_above_the_process_on_a_phone(open_page: Open, width: int) -> None:
    page = open_page("/", width=width)
    tops = [page.locator(f"#{part}").bounding_box() for part in ("needs", "reviews", "process-title", "plots")]
    above = [top["y"] for top in tops if top]
    assert len(above) == len(tops)
    assert above == sorted(above)


# --- the runbook --------------------------------------------------------------------------------


def test_where_the_runbook_is_named_its_section_is_a_click_away(open_page: Open, in_review: str) -> None:
    page = open_page(f"/orders/{in_review}")
    page.click("a:has-text('Runbook: ReviewRequired')")
    page.wait_for_url("**/runbook#reviewrequired")
    heading = page.locator("h2#reviewrequired")
    assert heading.is_visible()
    top = heading.bounding_box()
    assert top
    assert 0 <= top["y"] < 400


# --- by the keyboard ----------------------------------------------------------------------------

FOCUSED = "document.activeElement.textContent.trim()"


@pytest.fixture
def reviews(shop: Shop, open_page: Open, in_review: str) -> Page:
    """A list with two rows at the least."""
    other = shop.in_review()
    page = open_page("/orders?list=reviews")
    there = (f"#pick-{in_review}", f"#pick-{other}")
    reload_until(page, lambda: all(page.query_selector(row) for row in there), "the list of reviews has both")
    return page


def test_keys_lead_from_row_to_row_select_and_open(reviews: Page) -> None:
    first, second = reviews.eval_on_selector_all("tbody th a", "all => all.slice(0, 2).map(a => a.textContent)")
    reviews.keyboard.press("j")
    assert reviews.evaluate(FOCUSED) == first
    reviews.keyboard.press("j")
    assert reviews.evaluate(FOCUSED) == second
    reviews.keyboard.press("x")
    assert reviews.is_checked(f"#pick-{second}")
    assert reviews.inner_text("#selected") == "1 selected"
    reviews.keyboard.press("k")
    assert reviews.evaluate(FOCUSED) == first
    reviews.keyboard.press("Enter")
    reviews.wait_for_selector("#status")
    assert reviews.inner_text("h1") == first


def test_keys_lead_home_to_the_orders_to_finance_and_to_the_runbook(open_page: Open) -> None:
    page = open_page("/orders/no-such-order")
    for key, heading in (("r", "Runbook"), ("o", "Orders"), ("f", "Finance"), ("h", "Home")):
        page.keyboard.press("g")
        page.keyboard.press(key)
        page.wait_for_selector(f"h1:text-is('{heading}')")


def test_what_is_typed_into_a_field_is_no_command(open_page: Open) -> None:
    page = open_page("/")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("gox?/j")
    assert page.input_value("#q") == "gox?/j"
    assert page.inner_text("h1") == "Home"
    assert not page.is_visible("#help")


def test_a_key_with_a_modifier_is_the_browsers(open_page: Open) -> None:
    page = open_page("/")
    page.keyboard.press("Control+/")
    page.keyboard.press("Alt+/")
    assert page.evaluate("document.activeElement.id") != "q"


def test_the_card_of_the_keys_opens_and_closes_by_keys(open_page: Open) -> None:
    page = open_page("/")
    page.keyboard.press("?")
    assert page.is_visible("#help")
    page.keyboard.press("Escape")
    assert not page.is_visible("#help")


def test_single_keys_can_be_turned_off_for_good(open_page: Open) -> None:
    page = open_page("/")
    page.click("#keys")
    page.uncheck("#single-keys")
    page.keyboard.press("Escape")
    page.reload()
    page.keyboard.press("?")
    page.keyboard.press("/")
    assert not page.is_visible("#help")
    assert page.evaluate("document.activeElement.id") != "q"
    page.click("#keys")
    assert not page.is_checked("#single-keys")


def test_the_first_stop_of_the_tab_key_leads_to_the_actions(open_page: Open, in_review: str) -> None:
    page = open_page(f"/orders/{in_review}")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "Skip to the actions"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "actions"


# --- by whose clock -----------------------------------------------------------------------------

# Kiritimati is 14 hours ahead of UTC, and has no summer time.
AHEAD = "Pacific/Kiritimati"
# What is shown, and the same moment by a clock that is so many hours ahead; and whether that is another day there.
BY_THE_CLOCK = """
hours => [...document.querySelectorAll("main time[datetime]")].map(time => {
  const by = at => new Date(Date.parse(at) + hours * 3600_000).toISOString();
  const [there, now] = [by(time.dateTime), by(new Date().toISOString())];
  const today = there.slice(0, 10) == now.slice(0, 10);
  const should = today ? there.slice(11, 19) : there.slice(0, 16).replace("T", " ");
  return [time.textContent, should];
}).filter(([shown]) => /^[-0-9: ]+$/.test(shown))
"""


def by_the_clock(page: Page, hours: int) -> bool:
    shown = page.evaluate(BY_THE_CLOCK, hours)
    return bool(shown) and all(text == should for text, should in shown)


def test_times_are_told_by_the_readers_clock_if_they_want(shop: Shop, open_page: Open) -> None:
    order = shop.in_review()
    page = open_page(f"/orders/{order}", timezone_id=AHEAD)
    assert by_the_clock(page, 0)
    assert page.inner_text("#as-of abbr") == "UTC"
    page.check("#clock [value=local]")
    assert by_the_clock(page, 14)
    assert page.inner_text("#as-of abbr") == "GMT+14"
    page.reload()
    assert by_the_clock(page, 14), "it is remembered"
    shop.orderctl("approve", order, "--reason", "a check of the page")
    status = "() => document.getElementById('status').textContent.includes('completed')"
    until(page, "the page of an order follows it", status)
    assert by_the_clock(page, 14), "so is what comes later"
    page.check("#clock [value=utc]")
    assert by_the_clock(page, 0)
    assert page.inner_text("#as-of abbr") == "UTC"


def test_times_are_in_utc_without_javascript(open_page: Open, completed: str) -> None:
    page = open_page(f"/orders/{completed}", java_script_enabled=False, timezone_id=AHEAD)
    assert page.inner_text("#as-of").endswith("UTC")
    assert not page.is_visible("#clock")
    assert not page.is_visible("#keys")


# --- what changes is seen, and what is typed stays ---------------------------------------------


@dataclass(frozen=True)
class Followed:
    """Two pages that were open when an order was approved elsewhere."""

    order: str
    # The order's own, with something typed and a part opened.
    page: Page
    home: Page
    home_as_of: str


@pytest.fixture(scope="module")
def followed(shop: Shop, open_page: Open) -> Followed:
    order = shop.in_review()
    home, page = open_page("/"), open_page(f"/orders/{order}")
    as_of = home.inner_text("#as-of time")
    page.fill("#q", "half a wo")
    page.click("#raw summary")
    page.focus("#q")
    shop.orderctl("approve", order, "--reason", "a check of the page")
    status = "() => document.getElementById('status').textContent.includes('completed')"
    until(page, "the page of an order follows it", status)
    return Followed(order, page, home, as_of)


def test_the_page_of_an_order_follows_it(followed: Followed) -> None:
    assert "completed" in followed.page.inner_text("#status")


def test_what_is_typed_stays_while_a_page_follows(followed: Followed) -> None:
    assert followed.page.input_value("#q") == "half a wo"


def test_the_focus_stays_while_a_page_follows(followed: Followed) -> None:
    assert followed.page.evaluate("document.activeElement.id") == "q"


def test_what_is_open_stays_open_while_a_page_follows(followed: Followed) -> None:
    assert followed.page.evaluate("document.getElementById('raw').open")


def test_the_home_page_gets_newer_numbers(followed: Followed) -> None:
    newer = "before => document.querySelector('#as-of time').textContent != before"
    until(followed.home, "the home page has newer numbers", newer, followed.home_as_of)


def test_a_review_leaves_the_home_page_once_it_is_decided(followed: Followed) -> None:
    gone = "id => !document.getElementById(id)"
    until(followed.home, "the review is gone from the home page", gone, f"review-{followed.order}")


def test_the_policy_refuses_nothing_of_what_pages_follow_with(followed: Followed) -> None:
    assert not refused_by_policy(followed.page)
    assert not refused_by_policy(followed.home)


# --- an operator acts ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Acted:
    """An order that was searched, rejected after a question, and is still on the screen."""

    order: str
    page: Page
    notice: str


@pytest.fixture(scope="module")
def acted(shop: Shop, open_page: Open) -> Acted:
    order = shop.in_review()
    page = open_page("/")
    page.fill("#q", order)
    page.press("#q", "Enter")
    page.wait_for_selector("#status")
    page.click("#action-reject summary")
    page.fill("#reason-reject", f"too many {SCRIPT}")
    page.click("#action-reject button")
    page.wait_for_selector("h1:has-text('Reject')")
    page.screenshot(path=SHOTS / "confirm.png", full_page=True)
    page.click("button:has-text('Yes, reject it')")
    page.wait_for_selector(".notice")
    return Acted(order, page, notice=page.inner_text(".notice"))


def test_an_order_is_rejected_on_the_page(shop: Shop, acted: Acted) -> None:
    shop.becomes(acted.order, {"status": "rejected", "workflow": {"status": "FAILED"}})


def test_the_page_says_what_came_of_an_action(acted: Acted) -> None:
    assert "Reject" in acted.notice


def test_what_came_of_an_action_has_the_focus_and_keeps_it(acted: Acted) -> None:
    assert acted.page.evaluate("document.activeElement.id") == "flash"
    shown = "() => document.querySelector('.timeline').textContent.includes('too many <script>')"
    until(acted.page, "the page has followed the order", shown)
    assert acted.page.evaluate("document.activeElement.id") == "flash"


def test_the_way_back_from_an_action_is_no_error(acted: Acted) -> None:
    acted.page.go_back()
    # It is over, so that it is not asked once more; the order says why.
    acted.page.wait_for_selector("#status")
    assert "Reject is not possible now" in acted.page.inner_text(".notice")


def test_an_action_on_the_page_is_on_the_timeline_with_its_reason(acted: Acted) -> None:
    shown = "() => document.querySelector('.timeline').textContent.includes('too many <script>')"
    until(acted.page, "the timeline has who and why", shown)


def test_a_reason_is_shown_as_text(acted: Acted) -> None:
    assert not has_run_a_script(acted.page)


def test_the_page_offers_what_is_possible_now(acted: Acted) -> None:
    offered = "() => !document.getElementById('action-reject') && document.getElementById('action-reprocess')"
    until(acted.page, "another attempt is offered, and a rejection no longer", offered)


def test_the_api_refuses_what_is_not_possible_any_more(
    shop: Shop, context: BrowserContext, base_url: str, acted: Acted
) -> None:
    shop.becomes(acted.order, {"status": "rejected", "workflow": {"status": "FAILED"}})
    answer = context.request.post(f"{base_url}/api/orders/{acted.order}/reject", data={"reason": "a check of the page"})
    assert answer.status == 409


def test_whoever_is_too_late_is_told_who_was_quicker(shop: Shop, open_page: Open) -> None:
    order = shop.in_review()
    page = open_page(f"/orders/{order}")
    page.click("#action-reject summary")
    page.fill("#reason-reject", "a check of the page")
    page.click("#action-reject button")
    page.wait_for_selector("h1:has-text('Reject')")
    shop.orderctl("approve", order, "--reason", "a check of the page")
    page.click("button:has-text('Yes, reject it')")
    page.wait_for_selector("#flash")
    assert page.inner_text("h1") == order
    assert "Not done: the order was approved by " in page.inner_text("#flash")


# --- without JavaScript -------------------------------------------------------------------------


def test_an_action_without_a_reason_is_asked_about_again_without_javascript(shop: Shop, open_page: Open) -> None:
    order = shop.in_review()
    page = open_page(f"/orders/{order}", java_script_enabled=False)
    page.click("#action-approve summary")
    page.fill("#reason-approve", " ")
    page.click("#action-approve button")
    page.wait_for_selector("#complaint")
    assert page.locator("#reason:focus").count() == 1
    page.fill("#reason", "a check of the page")
    page.click("button:has-text('Approve')")
    page.click("button:has-text('Yes, approve it')")
    page.wait_for_selector("#flash")
    assert page.locator("#flash:focus").count() == 1
    shop.becomes(order, {"status": "completed"})


def test_an_order_is_found_and_approved_without_javascript(shop: Shop, tables: Tables, open_page: Open) -> None:
    order = shop.in_review()
    # The home page has room for the few that have waited longest, and other tests leave some waiting.
    tables.change_state(order, "SET review.#since = :earlier", earlier=ago_ms(days=0.5))
    page = open_page("/", java_script_enabled=False)
    reload_until(page, lambda: page.query_selector(f"#review-{order}") is not None, "the review is on the home page")
    page.click(f"#review-{order} th a")
    page.wait_for_selector("#action-approve")
    page.click("#action-approve summary")
    page.fill("#reason-approve", "a check of the page")
    page.click("#action-approve button")
    page.click("button:has-text('Yes, approve it')")
    page.wait_for_selector(".notice")
    shop.becomes(order, {"status": "completed"})


def test_the_name_of_an_execution_finds_its_order_without_javascript(open_page: Open, completed: str) -> None:
    page = open_page(f"/search?q={completed}-1", java_script_enabled=False)
    assert page.inner_text("h1") == completed


# --- many at once, done -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outcomes(begun_bulk: BegunBulk) -> list[str]:
    """What came of each order of the bulk, in alphabetical order."""
    page = begun_bulk.page
    done = "() => document.getElementById('bulk-state').textContent.trim() == 'done'"
    until(page, "the bulk comes to its end", done)
    page.screenshot(path=SHOTS / "bulk.png", full_page=True)
    return sorted(page.inner_text(f"#row-{order} .mark") for order in begun_bulk.orders)


def test_a_bulk_leaves_alone_what_has_changed_since_its_preview(outcomes: list[str]) -> None:
    assert outcomes == ["recovered", "recovered", "refused"]


@pytest.mark.usefixtures("outcomes")
def test_every_order_of_a_bulk_completes(shop: Shop, begun_bulk: BegunBulk) -> None:
    for order in begun_bulk.orders:
        shop.becomes(order, {"status": "completed"})


def test_a_bulk_that_nobody_has_previewed_is_not_there(context: BrowserContext, base_url: str) -> None:
    url = f"{base_url}/bulk/0123456789abcdef"
    forged = context.request.post(url, form={"reason": "x"}, headers={"sec-fetch-site": "same-origin"})
    assert forged.status == 404


# --- other pages --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}], ids=["origin", "sec-fetch-site"]
)
def test_a_form_of_another_page_is_kept_out(
    context: BrowserContext, base_url: str, completed: str, headers: dict[str, str]
) -> None:
    url = f"{base_url}/api/orders/{completed}/cancel"
    assert context.request.post(url, data={"reason": "x"}, headers=headers).status == 403
