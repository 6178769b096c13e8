"""The system's Chromium, and what is asked of a page in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as PatienceLost

from common import TARGET
from support.waiting import eventually

# Opens a path of the page in a window of its own; the width, and what else a browser's context takes.
Open = Callable[..., Page]

SHOTS = TARGET / "page"
PATIENCE_MS = 45_000
# No sandbox of its own below root, and nothing that asks the network.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]
# What somebody writes who wants a script to be run.
SCRIPT = "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_WATCH_POLICY = """
window.refused = [];
document.addEventListener("securitypolicyviolation", event => {
  refused.push(event.effectiveDirective + " " + event.blockedURI);
});
"""


def today() -> str:
    """As the page has it."""
    return datetime.now(UTC).date().isoformat()


def chromium() -> str:
    """Where it is; installed first on a Debian without one, for root."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if not found and os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (
            ["apt-get", "update"],
            ["apt-get", "install", "--yes", "--no-install-recommends", "chromium"],
        ):
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(command, stdout=subprocess.DEVNULL, check=False, env=environment)
        found = shutil.which("chromium")
    if not found:
        pytest.exit(
            "there is no Chromium on this machine: apt-get install chromium, brew install chromium", returncode=2
        )
    return found


def watch_policy(page: Page) -> None:
    """Keeps what the content security policy refuses, from the next page on."""
    page.add_init_script(_WATCH_POLICY)


def refused_by_policy(page: Page) -> list[str]:
    refused: list[str] = page.evaluate("refused")
    return refused


def has_run_a_script(page: Page) -> bool:
    """Whether something that people wrote was run as a script."""
    return bool(page.evaluate("window.pwned"))


def broken_rules(page: Page) -> list[str]:
    """Which rules of accessibility the page breaks, and where first."""
    page.evaluate(AXE_FILE_PATH.read_text("utf-8"))
    ask = "rules => axe.run(document, {resultTypes: ['violations'], runOnly: rules})"
    found: dict[str, Any] = page.evaluate(ask, _RULES)
    return [f"{rule['id']}: {rule['nodes'][0]['html'][:160]}" for rule in found["violations"]]


def until(page: Page, what: str, test: str, argument: Any = None) -> None:
    """Waits until `test`, a function of JavaScript, is true; `what` says what that means."""
    try:
        page.wait_for_function(test, arg=argument)
    except PatienceLost:
        shot = SHOTS / "failed" / f"{re.sub(r'[^a-z]+', '-', what.lower())}.png"
        page.screenshot(path=shot, full_page=True)
        raise AssertionError(f"not so: {what}; see {shot}") from None


def reload_until(page: Page, look: Callable[[], bool], what: str) -> None:
    """For lists that are made anew once in a while."""

    def looked() -> bool:
        if look():
            return True
        page.reload()
        return False

    eventually(looked, what, patience_s=PATIENCE_MS / 1000, pause_s=0.5)
