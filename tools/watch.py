"""A local stack with every function served by `cargo lambda watch`, until Ctrl-C.

    watch.py [--check]

`--check` sends the sample orders through it, on the ports of the tests, and one by the queue, sets a breakpoint,
changes a source file, breaks another with orders in flight, mends it, and ends once every order has completed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time

import aws
import log
import processes
import run
import stack
from common import REGION, ROOT, TARGET, Problem, Stack, aws_environment, run_tool, say, stack_named

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
    news: queue.Queue[tuple[str, str]] = queue.Queue()
    reader = threading.Thread(target=_show, args=(watched, server, news), daemon=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        reader.start()
        if check:
            _check(watched, news)
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
        watched.watched_log.unlink(missing_ok=True)
        stack.down(watched)


def _serve(watched: Stack) -> subprocess.Popen[str]:
    """Every function of the workspace, built when it is first invoked and after each change."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        # It builds and runs each function in Cargo's place (crates/dev/relay).
        "CARGO": str(TARGET / "debug" / "relay"),
        "ORDERS_WATCH_CARGO": shutil.which("cargo") or "cargo",
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


def _show(watched: Stack, server: subprocess.Popen[str], news: queue.Queue[tuple[str, str]]) -> None:
    """Prints what the functions log, keeps it for `make logs`, and tells who is live."""
    with watched.watched_log.open("w", encoding="utf-8") as kept:
        for line in server.stdout or ():
            if own := log.show_watched(line.rstrip("\n")):
                kept.write(f"{' '.join(own)}\n")
                kept.flush()
                news.put(own)


def _check(watched: Stack, news: queue.Queue[tuple[str, str]]) -> None:
    done = subprocess.run([sys.executable, "tools/run.py", "--name", watched.name], cwd=ROOT, check=False)
    if done.returncode != 0:
        raise Problem("the sample orders do not end as they should under cargo lambda watch", "see above")
    _check_the_queue(watched)
    _check_breakpoints()
    say("saving a file of `charge`")
    _forget(news)
    os.utime(ROOT / "crates/charge/src/lib.rs")
    _wait_for(news, "charge", "is live")
    _check_that_a_compile_error_blocks_nothing(watched, news)
    say("make watch: fine")


def _check_the_queue(watched: Stack) -> None:
    """The one function whose name has a hyphen."""
    say("sending an order by the queue")
    queues = aws.client("sqs", aws_environment(watched), REGION)
    document = {**json.loads((ROOT / "orders/1001-plain.json").read_text()), "order_id": "ord-queue"}
    url = queues.get_queue_url(QueueName="orders-local-orders")["QueueUrl"]
    queues.send_message(QueueUrl=url, MessageBody=json.dumps(document))
    run.follow(watched, "ord-queue")


def _check_breakpoints() -> None:
    """As docs/DEVELOPING.md sets one."""
    if not shutil.which("gdb"):
        say("breakpoints were not tried: there is no gdb")
        return
    say("setting a breakpoint in `charge`")
    source = "crates/charge/src/lib.rs"
    lines = (ROOT / source).read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "async fn authorize" in text)
    running = subprocess.run(["pgrep", "-f", f"{TARGET}/debug/charge$"], capture_output=True, text=True, check=False)
    pid = running.stdout.split()
    command = ["gdb", "-batch", "-p", *pid[:1], "-ex", f"break {source}:{line}", "-ex", "detach"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if "Breakpoint 1 at 0x" not in done.stdout:
        raise Problem(f"no breakpoint can be set at {source}:{line}", done.stdout + done.stderr)


def _check_that_a_compile_error_blocks_nothing(watched: Stack, news: queue.Queue[tuple[str, str]]) -> None:
    """With more invocations meanwhile than the watch server's queue has places for."""
    source = ROOT / "crates/validate/src/lib.rs"
    text = source.read_text()
    _send(watched, 1, 20)
    say("breaking `validate` with orders in flight")
    _forget(news)
    try:
        source.write_text(f'{text}\nconst BROKEN: u32 = "not a number";\n')
        _wait_for(news, "validate", "does not build")
        _send(watched, 21, 60)
        _invoke_by_hand(watched)
        _wait_for_tries(watched, 60, 200)
    finally:
        source.write_text(text)
    say("mended")
    _wait_for(news, "validate", "is live")
    run.follow(watched, *(_order(number) for number in range(1, 61)))
    intake = watched.endpoints()["intake"]
    views = [run.call(f"{intake}/orders/{_order(number)}") for number in range(1, 61)]
    lost = {view["order_id"]: view["status"] for view in views if view["status"] != "completed"}
    if lost:
        raise Problem(f"not every order completes after a compile error: {lost}", "see above")


def _order(number: int) -> str:
    return f"ord-watch-{number:02}"


def _send(watched: Stack, first: int, last: int) -> None:
    document = json.loads((ROOT / "orders/1001-plain.json").read_text())
    folder = watched.folder / "tmp" / "orders"
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{_order(number)}.json" for number in range(first, last + 1)]
    for file in files:
        file.write_text(json.dumps({**document, "order_id": file.stem}))
    run.orderctl(watched, "submit", *(str(file.relative_to(ROOT)) for file in files))


def _invoke_by_hand(watched: Stack) -> None:
    command = [str(ROOT / ".venv/bin/cargo-lambda"), "lambda", "invoke", "validate"]
    command += ["--invoke-address", "::1", "--invoke-port", str(watched.watch_port), "--data-ascii", "{}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=_PATIENCE_S)
    # It draws a frame around the text.
    said = "".join(done.stderr.replace("│", " ").split())
    if done.returncode == 0 or "error[E0308]:mismatchedtypes(crates/validate/src/lib.rs:" not in said:
        raise Problem("a function that does not build is invoked without a word of why", done.stdout + done.stderr)


def _wait_for_tries(watched: Stack, order: int, tries: int) -> None:
    """Until the state machine has asked in vain so often, and its history says why."""
    workflow = aws.client("stepfunctions", aws_environment(watched), REGION)
    machine = watched.endpoints()["state_machine_arn"].replace(":stateMachine:", ":execution:")
    until = time.monotonic() + _PATIENCE_S
    failed = 0
    while failed < tries:
        failed = 0
        for number in range(1, order + 1):
            pages = workflow.get_paginator("get_execution_history").paginate(
                executionArn=f"{machine}:{_order(number)}-1"
            )
            events = [event for page in pages for event in page["events"] if event["type"] == "TaskFailed"]
            details = [event["taskFailedEventDetails"] for event in events]
            failed += sum("validate does not build: error[E0308]" in detail.get("cause", "") for detail in details)
        if time.monotonic() > until:
            raise Problem(f"the state machine has met the compile error {failed} times, not {tries}", "see above")
        time.sleep(1)
    say(f"the state machine has met the compile error {failed} times")


def _forget(news: queue.Queue[tuple[str, str]]) -> None:
    while not news.empty():
        news.get()


def _wait_for(news: queue.Queue[tuple[str, str]], function: str, wanted: str) -> None:
    until = time.monotonic() + _PATIENCE_S
    try:
        while True:
            who, what = news.get(timeout=max(until - time.monotonic(), 0))
            if who == function and what.startswith(wanted):
                return
    except queue.Empty:
        raise Problem(f"it is not said that `{function} {wanted}`", "see what was printed above") from None


if __name__ == "__main__":
    run_tool(main)
