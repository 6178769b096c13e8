"""The local stack with every function served by `cargo lambda watch`, until Ctrl-C.

    watch.py
"""

from __future__ import annotations

import dataclasses
import os
import platform
import signal
import subprocess
import sys

import log
import processes
import stack
from common import ROOT, TARGET, WATCH_PORT, Problem, Stack, run_tool, say, stack_named


def main() -> None:
    local = dataclasses.replace(stack_named("local"), artifacts=TARGET / "watched")
    if not processes.port_is_free(WATCH_PORT):
        raise Problem(
            f"port {WATCH_PORT}, which cargo lambda watch needs, is in use by another program",
            "end that program; `cargo lambda invoke` looks there, so there is no other port to choose",
        )
    # An order that was started on other functions would not see the watched ones.
    stack.down(local)
    stack.up(local)
    server = _serve(local)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        say("cargo lambda watch serves every function; change a file, and the next execution runs it")
        say("in another terminal: `make samples` sends orders, `make situations` tells what to send to one function")
        say("Ctrl-C ends it and the stack")
        with open(log.watched_file(local), "w", encoding="utf-8") as kept:
            for line in server.stdout:
                if log.show_watched(line.rstrip("\n")):
                    kept.write(line)
                    kept.flush()
        raise Problem("cargo lambda watch has ended", "see what it printed above")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()
        log.watched_file(local).unlink(missing_ok=True)
        stack.down(local)


def _serve(local: Stack) -> subprocess.Popen:
    """Every function of the workspace, built when it is first invoked and after each change."""
    machine = "aarch64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    triple = f"{machine}_apple_darwin" if sys.platform == "darwin" else f"{machine}_unknown_linux_gnu"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        f"CARGO_TARGET_{triple.upper()}_RUNNER": str(TARGET / "debug" / "relay"),
        "ORDERS_WATCH_FOLDER": str(local.folder / "tmp" / "watched"),
        "NO_PROXY": "127.0.0.1,::1",
    }
    command = [str(ROOT / ".venv/bin/cargo-lambda"), "lambda", "watch"]
    command += ["--invoke-address", "::1", "--invoke-port", str(WATCH_PORT), "--color", "never"]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


if __name__ == "__main__":
    run_tool(main)
