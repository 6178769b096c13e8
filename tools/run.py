"""Sends the sample orders through a local stack and follows them until each has ended.

    run.py [--name local|e2e]

Exits with 1 if one of them did not end as orders/samples/expected.json says.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import urllib.request

from common import ROOT, STACK_NAMES, TARGET, Problem, Stack, aws_environment, run_tool, say, stack_named

# Straight to loopback: a proxy that the environment names cannot reach it.
loopback = urllib.request.build_opener(urllib.request.ProxyHandler({}))

ORDERS = ROOT / "orders"
ORDERCTL = TARGET / "debug" / "orderctl"


def main() -> None:
    parser = argparse.ArgumentParser(description="Sends the sample orders.")
    parser.add_argument("--name", choices=STACK_NAMES, default="local")
    stack = stack_named(parser.parse_args().name)
    endpoints = json.loads(stack.endpoints_file.read_text())
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
    orderctl(stack, "watch", *ids)

    for sample in samples:
        if reason := sample.get("approve"):
            order = sample["order_id"]
            say(f"{order} waits for a person. You would look at it and then say, as is done here now:")
            print(f"\n    target/debug/orderctl approve {order} --reason {json.dumps(reason)}\n", flush=True)
            orderctl(stack, "approve", order, "--reason", reason)
            orderctl(stack, "watch", order)

    print("\nWhat became of the sample orders:\n", flush=True)
    orderctl(stack, "table", *ids)
    wrong = [line for sample in samples if (line := difference(sample, endpoints["intake"]))]
    if wrong:
        raise Problem("not every order ended as it should:\n  " + "\n  ".join(wrong), "see `orderctl status ORDER`")
    print("\nEach of them ended as it should.", flush=True)
    if stack.name == "local":
        _look_around(endpoints)


def _look_around(endpoints: dict) -> None:
    print(f"""
The stack is up; look around:

    eval "$(make -s env)"                      this shell's AWS tools and orderctl use the local stack
    target/debug/orderctl status ord-1007      an order's timeline
    curl -s {endpoints["intake"]}/orders/ord-1001
    curl -s {endpoints["sandbox"]}/_sandbox/ledger?order_id=ord-1007
    curl -s {endpoints["aws"]}/_ministack/ses/messages      the mail that was sent
    target/local/endpoints.json                where everything is

    make down                                  ends the stack""")


def difference(sample: dict, intake: str) -> str | None:
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


def orderctl(stack: Stack, *arguments: str) -> None:
    environment = {**os.environ, **aws_environment(stack), "ORDERS_ENDPOINTS": str(stack.endpoints_file)}
    done = subprocess.run([str(ORDERCTL), *arguments], cwd=ROOT, env=environment, check=False)
    if done.returncode != 0:
        raise Problem(f"orderctl {arguments[0]} failed; see above", "the functions' logs tell more: make logs")


def call(url: str, body: dict | None = None) -> dict:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    try:
        with loopback.open(request, timeout=15) as answer:
            return json.load(answer)
    except OSError as error:
        raise Problem(f"{url} does not answer: {error}", "`make up` starts the stack") from None


if __name__ == "__main__":
    run_tool(main)
