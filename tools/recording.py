"""What our programs ask of the local stack's AWS, kept for tests/stack/test_requests.py.

Of requests of one operation with the same members only the first ones are kept: the rest would say no more.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

# Ours are written in Rust; the tests' own clients, and Terraform, name other SDKs.
_OURS = b"aws-sdk-rust/"
_KEPT_OF_A_KIND = 20


class Recorder:
    """An ASGI application around another one, which is asked the same."""

    def __init__(self, app: App, file: Path):
        self._app = app
        self._file = file
        self._kinds: Counter[str] = Counter()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", []))
        if scope["type"] != "http" or not headers.get(b"user-agent", b"").startswith(_OURS):
            await self._app(scope, receive, send)
            return
        body = bytearray()

        async def heard() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        await self._app(scope, heard, send)
        self._keep(scope, {name.decode(): value.decode("latin-1") for name, value in headers.items()}, bytes(body))

    def _keep(self, scope: Message, headers: dict[str, str], body: bytes) -> None:
        request = {
            "method": scope["method"],
            "path": scope.get("raw_path", scope["path"].encode()).decode("latin-1"),
            "query": scope.get("query_string", b"").decode("latin-1"),
            "headers": headers,
            "body": base64.b64encode(body).decode(),
        }
        kind = kind_of(headers, scope["method"], body)
        self._kinds[kind] += 1
        if self._kinds[kind] <= _KEPT_OF_A_KIND:
            with self._file.open("a", encoding="utf-8") as kept:
                kept.write(json.dumps(request) + "\n")


def kind_of(headers: dict[str, str], method: str, body: bytes) -> str:
    """The same for requests that ask for the same by the same members."""
    target = headers.get("x-amz-target", "")
    try:
        members = _members(json.loads(body))
    except ValueError:
        members = {name for name, _ in parse_qsl(body.decode("latin-1"))}
    signed_for = headers.get("authorization", "").partition("Credential=")[2].partition(",")[0].split("/")[3:4]
    return " ".join([*signed_for, method, target, *sorted(members)])


def _members(value: Any, path: str = "") -> set[str]:
    if isinstance(value, dict):
        return {path}.union(*(_members(inner, f"{path}.{name}") for name, inner in value.items()))
    if isinstance(value, list):
        return {path}.union(*(_members(inner, f"{path}[]") for inner in value))
    return {path}
