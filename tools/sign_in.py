"""Signing in at the operators' page, in headless Chromium, with the user pool of the local engine.

    sign_in.py ORDER PASSWORD

Called by deployment.py, which has deployed the page with a user pool and three people in it: an operator, a viewer,
and somebody in neither group.
"""

from __future__ import annotations

import os
import sys

from common import ROOT, Problem, run_tool, say, stack_named
from page import with_browser
from shop import Shop

_PATIENCE_MS = 20_000


def check(browser) -> None:
    order, password = sys.argv[1:3]
    base = Shop(stack_named("e2e")).endpoints["console"]

    def signed_in(name: str, path: str):
        page = browser.new_context().new_page()
        page.set_default_timeout(_PATIENCE_MS)
        page.goto(base + path)
        expect("/oauth2/authorize" in page.url, f"{name} is sent to the issuer: {page.url}")
        expect("code_challenge_method=S256" in page.url, "with a challenge")
        page.fill("input[name=username]", f"{name}@example.com")
        page.fill("input[name=password]", password)
        page.click("button[type=submit], input[type=submit], form button")
        page.wait_for_url(f"{base}/**")
        return page

    def act(page) -> int:
        answer = page.request.post(f"{base}/api/orders/{order}/cancel", data={"reason": "a check of signing in"})
        return answer.status

    operator = signed_in("operator", f"/orders/{order}")
    expect(operator.inner_text("h1") == order, "an operator comes back to where he was going")
    expect("operator@example.com" in operator.inner_text(".who"), "the page says who is signed in")
    expect(operator.query_selector("#actions"), "an operator is offered what can be done")
    session = next(cookie for cookie in operator.context.cookies() if cookie["name"].endswith("session"))
    expect(session["httpOnly"] and session["secure"] and session["sameSite"] == "Lax", f"no script has the session: {session}")
    # What is paid and shipped is not cancelled: a refusal of the guards, not of the door.
    expect(act(operator) == 409, "an operator's wish reaches the guards")

    viewer = signed_in("viewer", f"/orders/{order}")
    expect(viewer.inner_text("h1") == order and not viewer.query_selector("#actions"), "a viewer looks and is offered nothing")
    expect(act(viewer) == 403, "and may not act")

    stranger = signed_in("stranger", "/")
    expect("neither of the groups" in stranger.inner_text("main"), "who is in neither group sees nothing")
    expect(act(stranger) == 403, "and may do nothing")

    operator.click(".who button")
    operator.wait_for_load_state()
    operator.goto(base + "/")
    expect("/oauth2/authorize" in operator.url, f"who has signed out has to sign in again: {operator.url}")

    forged = browser.new_context()
    forged.add_cookies([{"name": session["name"], "value": session["value"][:-6] + "AAAAAA", "url": base}])
    answer = forged.request.get(f"{base}/api/summary")
    expect(answer.status == 401, f"a token with another signature is none: {answer.status}")
    say("signed in: an operator acts, a viewer looks, a stranger and a forged session are kept out; signed out again")


def expect(true, what: str) -> None:
    if not true:
        raise Problem(f"not so: {what}", "see target/e2e/logs")


if __name__ == "__main__":
    os.chdir(ROOT)
    run_tool(lambda: with_browser(check))
