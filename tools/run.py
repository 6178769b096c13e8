"""Sends the sample orders through a local stack and follows them until each has ended.

    run.py [--name local|e2e]

Exits with 1 if one of them did not end as orders/samples/expected.json says.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
import urllib.request
from typing import Any

import aws
from common import (
    REGION,
    ROOT,
    STACK_NAMES,
    TARGET,
    Problem,
    Stack,
    aws_environment,
    opener,
    run_tool,
    say,
    stack_named,
)

ORDERS = ROOT / "orders"
_PATIENCE_S = 60
ORDERCTL = TARGET / "debug" / "orderctl"
# What `orderctl watch` ends with if an order is not completed, or needs a person.
_ENDED_OTHERWISE = (10, 11)


def main() -> None:
    parser = argparse.ArgumentParser(description="Sends the sample orders.")
    parser.add_argument("--name", choices=STACK_NAMES, default="local")
    stack = stack_named(parser.parse_args().name)
    endpoints = stack.endpoints()
    samples = json.loads((ORDERS / "samples" / "expected.json").read_text())
    ids = [sample["order_id"] for sample in samples]

    say("seeding the catalogue")
    orderctl(stack, "catalogue", "orders/catalogue/sample.json")
    for sample in samples:
        for fault in sample.get("faults", []):
            say(f"planting a fault of the {fault['provider']} provider for {sample['order_id']}")
            call(f"{endpoints['sandbox']}/_sandbox/faults", fault)

    say("sending the sample orders")
    orderctl(stack, "submit", *sorted(str(path.relative_to(ROOT)) for path in ORDERS.glob("*.json")))
    say("following them; each line is an event on an order's timeline")
    follow(stack, *ids)

    for sample in samples:
        if reason := sample.get("approve"):
            order = sample["order_id"]
            say(f"{order} waits for a person. You would look at it and then say, as is done here now:")
            print(f"\n    target/debug/orderctl approve {order} --reason {json.dumps(reason)}\n", flush=True)
            orderctl(stack, "approve", order, "--reason", reason)
            follow(stack, order)

    print("\nWhat became of the sample orders:\n", flush=True)
    orderctl(stack, "table", *ids)
    wrong = [line for sample in samples if (line := difference(sample, endpoints["intake"]))]
    if wrong:
        raise Problem("not every order ended as it should:\n  " + "\n  ".join(wrong), "see `orderctl status ORDER`")
    print("\nEach of them ended as it should.", flush=True)
    if stack.name == "local":
        _leave_open(stack, endpoints)
        _look_around(endpoints)


def _leave_open(stack: Stack, endpoints: dict[str, Any]) -> None:
    """Two orders that need a person, for the operators' page."""
    say("sending two more, which stay open: ord-1010 waits for a decision, and of ord-1011 the execution is stopped")
    call(
        f"{endpoints['sandbox']}/_sandbox/faults",
        {
            "provider": "carrier",
            "operation": "book",
            "order_id": "ord-1011",
            "mode": "error",
            "status": 503,
            "times": 100,
        },
    )
    orderctl(stack, "submit", *sorted(str(path.relative_to(ROOT)) for path in (ORDERS / "open").glob("*.json")))
    _until(endpoints, "ord-1011", "authorized")
    # As somebody in a hurry does in AWS's console: the money is held, and nobody is at work on the order.
    workflow = aws.client("stepfunctions", aws_environment(stack), REGION)
    workflow.stop_execution(
        executionArn=f"{endpoints['state_machine_arn'].replace(':stateMachine:', ':execution:')}:ord-1011-1"
    )
    _until(endpoints, "ord-1011", "needs_attention")
    _until(endpoints, "ord-1010", "in_review")


def _until(endpoints: dict[str, Any], order: str, status: str) -> None:
    until = time.monotonic() + _PATIENCE_S
    while (found := call(f"{endpoints['intake']}/orders/{order}")["status"]) != status:
        if time.monotonic() > until:
            raise Problem(f"{order} is {found}, not {status}", "see `orderctl status ORDER`, and make logs")
        time.sleep(0.2)


def _look_around(endpoints: dict[str, Any]) -> None:
    print(f"""
The operators' page, with these orders on it:

    {endpoints["console"]}/

The stack is up; look around:

    eval "$(make -s env)"                      this shell's AWS tools and orderctl use the local stack
    target/debug/orderctl status ord-1007      an order's timeline
    curl -s {endpoints["intake"]}/orders/ord-1001
    curl -s {endpoints["sandbox"]}/_sandbox/ledger?order_id=ord-1007
    curl -s {endpoints["aws"]}/_ministack/ses/messages      the mail that was sent
    target/local/endpoints.json                where everything is

    make down                                  ends the stack""")


def difference(sample: dict[str, Any], intake: str) -> str | None:
    """How the order's end differs from what is expected, if it does."""
    view = call(f"{intake}/orders/{sample['order_id']}")
    found = {
        "status": view["status"],
        "error": view["failure"]["error"] if view["failure"] else None,
        "captured": view["payment"]["captured"],
        "authorized": view["payment"]["authorized"],
        "payment": view["payment"]["status"],
        "shipment": view["shipment"]["status"],
    }
    off = [f"{name} is {value!r}, not {sample[name]!r}" for name, value in found.items() if value != sample[name]]
    return f"{sample['order_id']}: {', '.join(off)}" if off else None


def follow(stack: Stack, *orders: str) -> None:
    """Until each has ended or waits for a person, whatever has become of it."""
    orderctl(stack, "watch", *orders, fine=(0, *_ENDED_OTHERWISE))


def orderctl(stack: Stack, *arguments: str, fine: tuple[int, ...] = (0,)) -> None:
    environment = {**os.environ, **aws_environment(stack), "ORDERS_ENDPOINTS": str(stack.endpoints_file)}
    done = subprocess.run([str(ORDERCTL), *arguments], cwd=ROOT, env=environment, check=False)
    if done.returncode not in fine:
        raise Problem(f"orderctl {arguments[0]} failed; see above", "the functions' logs tell more: make logs")


def call(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    try:
        with opener(url).open(request, timeout=15) as answer:
            return json.load(answer)
    except OSError as error:
        raise Problem(f"{url} does not answer: {error}", "`make up` starts the stack") from None


if __name__ == "__main__":
    run_tool(main)
