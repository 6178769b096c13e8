"""The stack that all suites here are about, and what they have in common."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

# Before anything of it is imported, so that its assertions tell what they have seen.
pytest.register_assert_rewrite("support")

from playwright.sync_api import Browser, BrowserContext, Page

from common import Stack, aws_environment, stack_named
from support.browser import ARGUMENTS, PATIENCE_MS, SCRIPT, SHOTS, Open, chromium, watch_policy
from support.deployments import Canary, Deployed, Deployments, RolledBack
from support.monitor import Monitor
from support.shop import Shop
from support.situations import Situations
from support.tables import Tables

# Rights are taken away and given back, which restarts functions; deployments change what is there. So they come
# last, each in its place: people sign in at what has been deployed, before that is rolled back.
_SUITES = [
    "test_tools",
    "test_auditor",
    "test_engine",
    "test_graded",
    "test_states",
    "test_repairs",
    "test_notices",
    "test_incidents",
    "test_actions",
    "test_settle",
    "test_books",
    "test_mail",
    "test_metrics",
    "test_night",
    "test_page",
    "test_page_finding",
    "test_rights",
    "test_queue",
    "test_readiness",
    "test_smoke",
    "test_rollout",
    "test_restore",
    "test_policies",
    "test_deployment",
    "test_sign_in",
    "test_rollback",
    "test_production",
    "test_requests",
]


# Last, because pytest itself moves tests that share a fixture next to each other, across files.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for suite in {item.path.stem for item in items} - set(_SUITES):
        raise pytest.UsageError(f"{suite} has no place in the order of suites: see {__file__}")
    items.sort(key=lambda item: _SUITES.index(item.path.stem))


@pytest.fixture(scope="session")
def stack() -> Stack:
    stack = stack_named("e2e")
    if not stack.endpoints_file.exists():
        pytest.exit(f"there is no stack to test: python tools/stack.py up --name {stack.name}", returncode=2)
    return stack


@pytest.fixture(scope="session")
def shop(stack: Stack) -> Shop:
    shop = Shop(stack)
    shop.stock_up()
    return shop


@pytest.fixture(scope="session")
def tables(shop: Shop) -> Tables:
    return Tables(aws_environment(shop.stack), shop.endpoints)


@pytest.fixture(scope="session")
def situations(shop: Shop, tables: Tables) -> Situations:
    return Situations(shop, tables)


@pytest.fixture(scope="session")
def monitor(shop: Shop, tables: Tables) -> Monitor:
    return Monitor(shop, tables)


@pytest.fixture(scope="module")
def unscheduled(monitor: Monitor) -> Iterator[None]:
    with monitor.unscheduled():
        yield


@pytest.fixture(scope="session")
def payer_erased(situations: Situations) -> str:
    """An order that failed by a fault of ours."""
    return situations.payer_erased()


# --- the browser ------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def base_url(shop: Shop) -> str:
    """In the place of pytest-playwright's: the operators' page."""
    base_url: str = shop.endpoints["console"]
    return base_url


@pytest.fixture(scope="session")
def browser_type_launch_args(stack: Stack) -> dict[str, Any]:
    """In the place of pytest-playwright's: the system's Chromium."""
    shutil.rmtree(SHOTS, ignore_errors=True)
    (SHOTS / "failed").mkdir(parents=True)
    # No proxy of this shell reaches the stack.
    environment = {**os.environ, **aws_environment(stack)}
    return {"executable_path": chromium(), "args": ARGUMENTS, "env": environment}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "reduced_motion": "reduce"}


@pytest.fixture(scope="module")
def open_page(browser: Browser, browser_context_args: dict[str, Any], base_url: str) -> Iterator[Open]:
    """Opens a path of the page in a window of its own."""
    contexts: list[BrowserContext] = []

    def open_page(path: str, *, width: int = 1280, **options: Any) -> Page:
        viewport = {"width": width, "height": 900}
        context = browser.new_context(**{**browser_context_args, "viewport": viewport, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        if options.get("java_script_enabled", True):
            watch_policy(page)
        page.goto(base_url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def completed(shop: Shop) -> str:
    return shop.completed()


@pytest.fixture(scope="module")
def rejected(shop: Shop) -> str:
    """With a script on its timeline, which must stay text."""
    order = shop.in_review()
    shop.orderctl("reject", order, "--reason", SCRIPT)
    shop.becomes(order, {"workflow": {"status": "FAILED"}})
    return order


# --- deployments, each a step further than the one before -------------------------------------


@pytest.fixture(scope="session")
def deployments(shop: Shop) -> Deployments:
    return Deployments(shop)


@pytest.fixture(scope="session")
def canary(deployments: Deployments) -> Canary:
    return deployments.canary()


@pytest.fixture(scope="session")
def deployed(deployments: Deployments, canary: Canary) -> Iterator[Deployed]:
    yield deployments.complete(canary)
    if deployments.routes() != [(canary.first_version, 100)]:
        deployments.roll_back()


@pytest.fixture(scope="session")
def rolled_back(deployments: Deployments, deployed: Deployed) -> RolledBack:
    assert deployed, "there is nothing to go back from"
    return deployments.roll_back()
