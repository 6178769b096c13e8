"""The operators' page on the stack of the end-to-end tests, in headless Chromium.

    page.py

Every page in wide and narrow, light and dark: no rule of accessibility broken, nothing wider than the screen,
nothing that the content security policy refuses. Then what people do: look while orders go on, act, act on many,
with and without JavaScript. Screenshots of every page are in target/page, for a person to look at.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time

from common import ROOT, TARGET, Problem, aws_environment, run_tool, say, stack_named
from shop import REVIEWED, Shop

_PATIENCE_MS = 45_000
_SHOTS = TARGET / "page"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# No sandbox of its own below root, and nothing that asks the network.
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]
_WATCH_POLICY = """
window.refused = [];
document.addEventListener("securitypolicyviolation", event => refused.push(event.effectiveDirective + " " + event.blockedURI));
"""
_SCRIPT = "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>"


def _chromium() -> str:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if not found and os.geteuid() == 0 and shutil.which("apt-get"):
        say("installing Debian's chromium: there is no browser on this machine")
        for command in (["apt-get", "update"], ["apt-get", "install", "--yes", "--no-install-recommends", "chromium"]):
            subprocess.run(command, stdout=subprocess.DEVNULL, check=False, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
        found = shutil.which("chromium")
    if not found:
        raise Problem("there is no Chromium on this machine", "install it (apt-get install chromium, brew install chromium)")
    return found


class Check:
    """The page, and what is done on it."""

    def __init__(self, browser):
        self.browser = browser
        self.stack = stack_named("e2e")
        self.shop = Shop(self.stack)
        self.base = self.shop.endpoints["console"]
        from axe_playwright_python.base import AXE_FILE_PATH

        self.axe = AXE_FILE_PATH.read_text("utf-8")

    def all(self) -> None:
        self.shop.article()
        self.prepare()
        self.every_page_in_every_way()
        self.what_changes_is_seen_and_what_is_typed_stays()
        self.an_operator_acts()
        self.many_at_once()
        self.without_javascript()
        self.other_pages_are_kept_out()

    # --- orders

    def prepare(self) -> None:
        # Somebody whose name is a script: it is on no page, neither as one nor as a text.
        named = self.shop.document(1)
        named["customer"]["name"] = named["shipping_address"]["name"] = _SCRIPT
        self.shop.http("POST", f"{self.shop.endpoints['intake']}/orders", named)
        self.named = named["order_id"]
        self._until(self.named, lambda view: view["status"] == "completed")
        self.waiting = [self._in_review() for _ in range(3)]
        self.completed = self.shop.submit(1)
        self._until(self.completed, lambda view: view["status"] == "completed")
        # With something on its timeline that must stay text.
        self.rejected = self._in_review()
        self.shop.orderctl("reject", self.rejected, "--reason", _SCRIPT)
        self._until(self.rejected, lambda view: view["workflow"]["status"] == "FAILED")

    def _in_review(self) -> str:
        order = self.shop.submit(REVIEWED)
        self._until(order, lambda view: view["status"] == "in_review")
        return order

    def _until(self, order: str, wanted) -> dict:
        view = self.shop.becomes(order, wanted, _PATIENCE_MS / 1000)
        self._expect(view, f"{order} becomes what it should")
        return view

    # --- the browser

    def _open(self, path: str, *, width: int = 1280, scheme: str = "light", scripts: bool = True):
        context = self.browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=scripts, reduced_motion="reduce"
        )
        page = context.new_page()
        page.set_default_timeout(_PATIENCE_MS)
        if scripts:
            page.add_init_script(_WATCH_POLICY)
        page.goto(self.base + path)
        return page

    def _wait(self, page, what: str, test: str, argument=None) -> None:
        try:
            page.wait_for_function(test, arg=argument)
        except Exception:  # noqa: BLE001 -- Playwright's own error says nothing to a reader
            _SHOTS.mkdir(exist_ok=True)
            page.screenshot(path=_SHOTS / "failed.png", full_page=True)
            raise Problem(f"not so: {what}", f"see {_SHOTS / 'failed.png'}") from None

    def _expect(self, true, what: str) -> None:
        if not true:
            raise Problem(f"not so: {what}", "see target/page and target/e2e/logs")

    # --- what is looked at

    def every_page_in_every_way(self) -> None:
        shutil.rmtree(_SHOTS, ignore_errors=True)
        _SHOTS.mkdir(parents=True)
        order, rejected = self.waiting[0], self.rejected
        pages = {
            "home": "/",
            "orders": "/orders",
            "list": "/orders?list=reviews",
            "completed": "/orders?status=completed",
            "order": f"/orders/{rejected}",
            "review": f"/orders/{order}",
            "named": f"/orders/{self.named}",
            "nothing": "/search?q=nothing-like-it",
            "preview": self._preview(),
        }
        broken = []
        for name, path in pages.items():
            for width in (1920, 320):
                for scheme in ("light", "dark"):
                    page = self._open(path, width=width, scheme=scheme)
                    page.wait_for_selector("#main")
                    # Closed parts are part of the page.
                    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
                    page.screenshot(path=_SHOTS / f"{name}-{width}-{scheme}.png", full_page=True)
                    page.evaluate(self.axe)
                    found = page.evaluate("rules => axe.run(document, {resultTypes: ['violations'], runOnly: rules})", _RULES)
                    where = f"{name}, {width} px, {scheme}"
                    broken += [f"{where}: {rule['id']}: {rule['nodes'][0]['html'][:160]}" for rule in found["violations"]]
                    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                        broken.append(f"{where}: wider than the screen")
                    broken += [f"{where}: refused by the policy: {one}" for one in page.evaluate("refused")]
                    if page.evaluate("window.pwned"):
                        broken.append(f"{where}: what an operator wrote was run as a script")
                    if name == "named" and "onerror" in page.content():
                        broken.append(f"{where}: the customer's name is on it")
                    page.context.close()
        self._expect(not broken, "\n  ".join(["every page in every way:", *broken]))
        say(f"{len(pages)} pages at 1920 and 320 px, light and dark: accessible, within the screen and within the policy; see target/page")

    def _preview(self) -> str:
        page = self._open("/orders?list=reviews")
        page.check(f"#pick-{self.waiting[0]}")
        page.select_option("#action", "approve")
        page.click("button[value=selected]")
        page.wait_for_selector("#digest")
        path = page.url.removeprefix(self.base)
        page.context.close()
        return path

    # --- what people do

    def what_changes_is_seen_and_what_is_typed_stays(self) -> None:
        order = self.waiting[0]
        home, page = self._open("/"), self._open(f"/orders/{order}")
        before = home.inner_text("#as-of time")
        page.fill("#q", "half a wo")
        page.click("#raw summary")
        page.focus("#q")
        self.shop.orderctl("approve", order, "--reason", "a check of the page")
        self._wait(page, "the order's page follows it", "() => document.getElementById('status').textContent.includes('completed')")
        self._expect(page.input_value("#q") == "half a wo", "what is typed stays")
        self._expect(page.evaluate("document.activeElement.id") == "q", "the focus stays")
        self._expect(page.evaluate("document.getElementById('raw').open"), "what is open stays open")
        self._wait(home, "the home page has newer numbers", "before => document.querySelector('#as-of time').textContent != before", before)
        self._wait(home, "the review is gone from it", "id => !document.getElementById(id)", f"review-{order}")
        for one in (home, page):
            self._expect(not one.evaluate("refused"), "the policy refused nothing")
            one.context.close()
        say("live: an order's page and the home page follow what happens; focus, text and open parts stay")

    def an_operator_acts(self) -> None:
        order = self.waiting[1]
        page = self._open("/")
        page.fill("#q", order)
        page.press("#q", "Enter")
        page.wait_for_selector("#status")
        page.click("#action-reject summary")
        page.fill("#reason-reject", f"too many {_SCRIPT}")
        page.click("#action-reject button")
        page.wait_for_selector("h1:has-text('Reject')")
        page.screenshot(path=_SHOTS / "confirm.png", full_page=True)
        page.click("button:has-text('Yes, reject it')")
        page.wait_for_selector(".notice")
        self._expect("Reject" in page.inner_text(".notice"), "the page says what came of it")
        self._wait(page, "the timeline has who and why", "() => document.querySelector('.timeline').textContent.includes('too many <script>')")
        self._expect(not page.evaluate("window.pwned"), "and shows it as text")
        self._until(order, lambda view: view["status"] == "rejected" and view["workflow"]["status"] == "FAILED")
        self._wait(page, "what is possible now is offered", "() => !document.getElementById('action-reject') && document.getElementById('action-reprocess')")
        page.context.close()
        refused = self._api(f"/api/orders/{order}/reject")
        self._expect(refused == 409, f"and what is not is refused by the API: {refused}")
        say("acted: an order was found, rejected after a question, and its timeline has who and why")

    def _api(self, path: str) -> int:
        context = self.browser.new_context()
        answer = context.request.post(self.base + path, data={"reason": "a check of the page"})
        context.close()
        return answer.status

    def many_at_once(self) -> None:
        orders = [self._in_review() for _ in range(3)]
        self._until(orders[-1], lambda view: view["status"] == "in_review")
        page = self._open("/orders?list=reviews")
        deadline = time.monotonic() + _PATIENCE_MS / 1000
        while not all(page.query_selector(f"#pick-{order}") for order in orders):
            self._expect(time.monotonic() < deadline, "the list has them all")
            page.wait_for_timeout(500)
            page.reload()
        for order in orders:
            page.check(f"#pick-{order}")
        self._expect(page.inner_text("#selected") == "3 selected", "the selection is counted")
        page.select_option("#action", "approve")
        page.click("button[value=selected]")
        page.wait_for_selector("#digest")
        # One of them is decided about meanwhile, by somebody else.
        self.shop.orderctl("approve", orders[2], "--reason", "a check of the page")
        page.fill("#reason", "known customers")
        page.click("text=one first")
        page.wait_for_selector("#bulk-state")
        self._wait(page, "the bulk comes to its end", "() => document.getElementById('bulk-state').textContent.trim() == 'done'")
        page.screenshot(path=_SHOTS / "bulk.png", full_page=True)
        outcomes = sorted(page.inner_text(f"#row-{order} .mark") for order in orders)
        self._expect(outcomes == ["recovered", "recovered", "refused"], f"each has its outcome: {outcomes}")
        for order in orders:
            self._until(order, lambda view: view["status"] == "completed")
        # Nothing but what was looked at can be applied.
        context = self.browser.new_context()
        forged = context.request.post(f"{self.base}/bulk/0123456789abcdef", form={"reason": "x"}, headers={"sec-fetch-site": "same-origin"})
        self._expect(forged.status == 404, f"another digest is none: {forged.status}")
        context.close()
        page.context.close()
        say("many at once: previewed, applied one first, two recovered, and the one that had changed was left alone")

    def without_javascript(self) -> None:
        order = self.waiting[2]
        page = self._open("/", scripts=False)
        deadline = time.monotonic() + _PATIENCE_MS / 1000
        while not page.query_selector(f"#review-{order}"):
            self._expect(time.monotonic() < deadline, "the review is on the home page")
            page.wait_for_timeout(500)
            page.reload()
        page.click(f"#review-{order} th a")
        page.wait_for_selector("#action-approve")
        page.click("#action-approve summary")
        page.fill("#reason-approve", "a check of the page")
        page.click("#action-approve button")
        page.click("button:has-text('Yes, approve it')")
        page.wait_for_selector(".notice")
        self._until(order, lambda view: view["status"] == "completed")
        page.goto(f"{self.base}/search?q={order}-1")
        self._expect(page.inner_text("h1") == order, "an execution's name finds its order")
        page.context.close()
        say("without JavaScript: found, looked at, approved")

    def other_pages_are_kept_out(self) -> None:
        context = self.browser.new_context()
        path = f"{self.base}/api/orders/{self.completed}/cancel"
        for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
            answer = context.request.post(path, data={"reason": "x"}, headers=headers)
            self._expect(answer.status == 403, f"{headers} is kept out: {answer.status}")
        context.close()
        say("a form of another page is kept out")


def with_browser(check) -> None:
    """Calls `check` with a browser that ends with it."""
    from playwright.sync_api import sync_playwright

    # The stack's own addresses are this machine's.
    os.environ.update(aws_environment(stack_named("e2e")))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=_ARGUMENTS)
        try:
            check(browser)
        finally:
            browser.close()


def main() -> None:
    with_browser(lambda browser: Check(browser).all())


if __name__ == "__main__":
    os.chdir(ROOT)
    run_tool(main)
