"""The operators' page, asked as a browser does, without one."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from support.shop import Shop
from support.waiting import eventually


class Console:
    """The page and its API."""

    def __init__(self, shop: Shop):
        self._base: str = shop.endpoints["console"]
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path: str) -> str:
        with self._ask(path) as answer:
            text: str = answer.read().decode()
            return text

    def act(self, action: str, order: str) -> None:
        self._ask(f"/api/orders/{order}/{action}", body={"reason": "a check of the rights"}).close()

    def has_snapshots_taken(self, patience_s: float) -> None:
        """Whoever looks has a newer one taken, once in some seconds; then the page says when to look again."""

        def is_newer() -> bool:
            try:
                with self._ask("/") as answer:
                    return bool(answer.headers.get("refresh-in"))
            except AssertionError:
                return False

        eventually(is_newer, "looking has a newer snapshot taken", patience_s, pause_s=1)

    def bulk(self, action: str, order: str, patience_s: float) -> None:
        """An order selected, previewed, and acted on by the monitor."""
        with self._ask("/bulk", form={"action": action, "order": order, "scope": "selected"}) as preview:
            path = preview.url.removeprefix(self._base)
        self._ask(path, form={"reason": "a check of the rights"}).close()
        done = '<span class="mark ok">recovered</span>'

        def is_done() -> bool:
            try:
                return done in self.get(path)
            except AssertionError:
                return False

        eventually(is_done, f"the bulk at {path} comes to its end", patience_s, pause_s=1)

    def _ask(self, path: str, form: dict[str, str] | None = None, body: dict[str, str] | None = None) -> Any:
        headers = {"sec-fetch-site": "same-origin"}
        content = None
        if form is not None:
            content = urllib.parse.urlencode(form).encode()
            headers["content-type"] = "application/x-www-form-urlencoded"
        if body is not None:
            content = json.dumps(body).encode()
            headers["content-type"] = "application/json"
        try:
            return self._opener.open(urllib.request.Request(f"{self._base}{path}", content, headers), timeout=35)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} answers {error.code}: {error.read().decode()[:300]}") from None
