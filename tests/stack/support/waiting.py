"""Waiting for what takes a moment, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

# Long enough for a busy machine; nothing waits longer than it has to.
PATIENCE_S = 30.0

Found = TypeVar("Found")


def in_time(look: Callable[[], Found | None], patience_s: float = PATIENCE_S, pause_s: float = 0.1) -> Found | None:
    """The first thing that is found, or None when the time is up."""
    until = time.monotonic() + patience_s
    while not (found := look()):
        if time.monotonic() > until:
            return None
        time.sleep(pause_s)
    return found


def eventually(
    look: Callable[[], Found | None], what: str, patience_s: float = PATIENCE_S, pause_s: float = 0.1
) -> Found:
    """The first thing that is found; `what` says in a failure what was expected."""
    found = in_time(look, patience_s, pause_s)
    assert found, f"not so within {patience_s:.0f} s: {what}"
    return found
