"""Signing in at the operators' page, with the user pool of the local engine: an operator, a viewer, and somebody in
neither group."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

import aws
from common import REGION
from support.browser import PATIENCE_MS
from support.deployments import Deployed
from support.shop import Shop

GROUPS = {"operator": "operators", "viewer": "viewers", "stranger": None}


@dataclass(frozen=True)
class SignedIn:
    """Somebody at the page."""

    page: Page
    # Where the page had sent them to sign in.
    issuer: str


class Door:
    """Lets people in, each with a browser of their own."""

    def __init__(self, browser: Browser, base_url: str, order: str, password: str):
        self._browser = browser
        self._base_url = base_url
        self._order = order
        self._password = password

    def sign_in(self, name: str, path: str) -> SignedIn:
        page = self._browser.new_context().new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(self._base_url + path)
        issuer = page.url
        page.fill("input[name=username]", f"{name}@example.com")
        page.fill("input[name=password]", self._password)
        page.click("button[type=submit], input[type=submit], form button")
        page.wait_for_url(f"{self._base_url}/**")
        return SignedIn(page, issuer)

    def act(self, page: Page) -> int:
        """The status of an attempt to cancel the order."""
        url = f"{self._base_url}/api/orders/{self._order}/cancel"
        return page.request.post(url, data={"reason": "a check of signing in"}).status


@pytest.fixture(scope="module")
def door(shop: Shop, browser: Browser, base_url: str, deployed: Deployed) -> Door:
    """With everybody in the user pool."""
    cognito = aws.client("cognito-idp", shop.settings, REGION)
    pools = cognito.list_user_pools(MaxResults=60)["UserPools"]
    pool = next(pool["Id"] for pool in pools if pool["Name"] == "orders-local-operators")
    password = f"Aa1-{uuid.uuid4()}"
    for name, group in GROUPS.items():
        address = f"{name}@example.com"
        known = [{"Name": "email", "Value": address}, {"Name": "email_verified", "Value": "true"}]
        created = cognito.admin_create_user(
            UserPoolId=pool, Username=address, UserAttributes=known, MessageAction="SUPPRESS"
        )
        user = created["User"]["Username"]
        cognito.admin_set_user_password(UserPoolId=pool, Username=user, Password=password, Permanent=True)
        if group:
            cognito.admin_add_user_to_group(UserPoolId=pool, Username=user, GroupName=group)
    return Door(browser, base_url, deployed.order, password)


@pytest.fixture(scope="module")
def people(door: Door, deployed: Deployed) -> Iterator[dict[str, SignedIn]]:
    paths = {"operator": f"/orders/{deployed.order}", "viewer": f"/orders/{deployed.order}", "stranger": "/"}
    people = {name: door.sign_in(name, path) for name, path in paths.items()}
    yield people
    for person in people.values():
        person.page.context.close()


@pytest.fixture(scope="module")
def operator(people: dict[str, SignedIn]) -> Page:
    return people["operator"].page


@pytest.fixture(scope="module")
def viewer(people: dict[str, SignedIn]) -> Page:
    return people["viewer"].page


@pytest.fixture(scope="module")
def stranger(people: dict[str, SignedIn]) -> Page:
    return people["stranger"].page


@pytest.fixture(scope="module")
def session(operator: Page) -> dict[str, Any]:
    """The cookie of an operator's session."""
    return next(dict(cookie) for cookie in operator.context.cookies() if cookie["name"].endswith("session"))


# --- everybody ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GROUPS)
def test_whoever_is_not_signed_in_is_sent_to_the_issuer(people: dict[str, SignedIn], name: str) -> None:
    assert "/oauth2/authorize" in people[name].issuer


@pytest.mark.parametrize("name", GROUPS)
def test_whoever_is_sent_to_the_issuer_takes_a_challenge_along(people: dict[str, SignedIn], name: str) -> None:
    assert "code_challenge_method=S256" in people[name].issuer


# --- an operator --------------------------------------------------------------------------------


def test_an_operator_comes_back_to_where_they_were_going(operator: Page, deployed: Deployed) -> None:
    assert operator.inner_text("h1") == deployed.order


def test_the_page_says_who_is_signed_in(operator: Page) -> None:
    assert "operator@example.com" in operator.inner_text(".who")


def test_an_operator_is_offered_what_can_be_done(operator: Page) -> None:
    assert operator.query_selector("#actions")


# What is paid and shipped is not cancelled: a refusal of the guards, not of the door.
def test_what_an_operator_asks_for_reaches_the_guards(door: Door, operator: Page) -> None:
    assert door.act(operator) == 409


def test_no_script_can_read_a_session(session: dict[str, Any]) -> None:
    assert (session["httpOnly"], session["secure"], session["sameSite"]) == (True, True, "Lax")


def test_a_session_with_another_signature_is_none(
    context: BrowserContext, base_url: str, session: dict[str, Any]
) -> None:
    forged = session["value"][:-6] + "AAAAAA"
    context.add_cookies([{"name": session["name"], "value": forged, "url": base_url}])
    assert context.request.get(f"{base_url}/api/summary").status == 401


# --- a viewer -----------------------------------------------------------------------------------


def test_a_viewer_sees_an_order(viewer: Page, deployed: Deployed) -> None:
    assert viewer.inner_text("h1") == deployed.order


def test_a_viewer_is_offered_nothing_to_do(viewer: Page) -> None:
    assert not viewer.query_selector("#actions")


def test_a_viewer_may_not_act(door: Door, viewer: Page) -> None:
    assert door.act(viewer) == 403


def test_a_viewer_does_not_get_to_the_label_with_its_address(viewer: Page, base_url: str, deployed: Deployed) -> None:
    assert not viewer.query_selector("a[href$='/label']")
    assert viewer.request.get(f"{base_url}/orders/{deployed.order}/label", max_redirects=0).status == 403


# --- somebody in neither group ------------------------------------------------------------------


def test_who_is_in_neither_group_sees_nothing(stranger: Page) -> None:
    assert "neither of the groups" in stranger.inner_text("main")


def test_who_is_in_neither_group_may_not_act(door: Door, stranger: Page) -> None:
    assert door.act(stranger) == 403


# --- signing out --------------------------------------------------------------------------------


def test_who_has_signed_out_has_to_sign_in_again(door: Door, base_url: str) -> None:
    page = door.sign_in("operator", "/").page
    page.click(".who button")
    page.wait_for_load_state()
    page.goto(f"{base_url}/")
    assert "/oauth2/authorize" in page.url
    page.context.close()
