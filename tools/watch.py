"""A local stack with every function served by `cargo lambda watch`, until Ctrl-C.

    watch.py [--check]

`--check` sends the sample orders through it, on the ports of the tests, changes a source file, waits until
the function that it is part of is live again, and ends.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import platform
import queue
import signal
import subprocess
import sys
import threading

import log
import processes
import stack
from common import ROOT, TARGET, Problem, Stack, run_tool, say, stack_named

# How long a build may take before the check gives up on it.
_PATIENCE_S = 300


def main() -> None:
    parser = argparse.ArgumentParser(description="Serves every function by cargo lambda watch.")
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    watched = dataclasses.replace(stack_named("e2e" if check else "local"), artifacts=TARGET / "watched")
    if not processes.port_is_free(watched.watch_port, "::1"):
        raise Problem(
            f"port {watched.watch_port}, which cargo lambda watch needs, is in use by another program",
            "end that program" + (", or choose another port: ORDERS_E2E_WATCH_PORT=9400 make ..." if check else ""),
        )
    # Orders in flight would go on with the functions that they started with.
    stack.down(watched)
    stack.up(watched)
    server = _serve(watched)
    live: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=_show, args=(watched, server, live), daemon=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        reader.start()
        if check:
            _check(watched, live)
        else:
            say("cargo lambda watch serves every function; change a file, and the next execution runs it")
            say(
                "in another terminal: `make samples` sends orders, `make situations` tells what to send to one function"
            )
            say("Ctrl-C ends it and the stack")
            reader.join()
            raise Problem("cargo lambda watch has ended", "see what it printed above")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()
        log.watched_file(watched).unlink(missing_ok=True)
        stack.down(watched)


def _serve(watched: Stack) -> subprocess.Popen[str]:
    """Every function of the workspace, built when it is first invoked and after each change."""
    machine = "aarch64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    triple = f"{machine}_apple_darwin" if sys.platform == "darwin" else f"{machine}_unknown_linux_gnu"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        # Cargo runs each function through it.
        f"CARGO_TARGET_{triple.upper()}_RUNNER": str(TARGET / "debug" / "relay"),
        "ORDERS_WATCH_FOLDER": str(watched.folder / "tmp" / "watched"),
        "NO_PROXY": "127.0.0.1,::1",
    }
    command = [str(ROOT / ".venv/bin/cargo-lambda"), "lambda", "watch"]
    command += ["--invoke-address", "::1", "--invoke-port", str(watched.watch_port), "--color", "never"]
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


def _show(watched: Stack, server: subprocess.Popen[str], live: queue.Queue[str]) -> None:
    """Prints what the functions log, keeps it for `make logs`, and tells who is live."""
    with log.watched_file(watched).open("w", encoding="utf-8") as kept:
        for line in server.stdout or ():
            if own := log.show_watched(line.rstrip("\n")):
                kept.write(f"{' '.join(own)}\n")
                kept.flush()
                if own[1].startswith("is live"):
                    live.put(own[0])


def _check(watched: Stack, live: queue.Queue[str]) -> None:
    done = subprocess.run([sys.executable, "tools/run.py", "--name", watched.name], cwd=ROOT, check=False)
    if done.returncode != 0:
        raise Problem("the sample orders do not end as they should under cargo lambda watch", "see above")
    while not live.empty():
        live.get()
    say("saving a file of `charge`")
    os.utime(ROOT / "crates/charge/src/lib.rs")
    try:
        while live.get(timeout=_PATIENCE_S) != "charge":
            pass
    except queue.Empty:
        raise Problem("`charge` is not live again after a change", "see what was printed above") from None
    say("make watch: fine")


if __name__ == "__main__":
    run_tool(main)
