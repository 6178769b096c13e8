"""What the functions of a local stack log, readable, each order in a colour of its own.

log.py [--name local|e2e|faults] [--order ORDER] [--follow] [--raw] [function...]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
import zlib
from collections.abc import Iterable, Iterator

from common import STACK_NAMES, Problem, Stack, aws_environment, function_names, run_tool, say, stack_named

FUNCTIONS = tuple(function_names())

# Told apart on dark and on light.
_ORDER_COLOURS = (31, 32, 33, 34, 35, 36, 91, 92, 94, 95)
_LEVEL_COLOURS = {"WARN": 33, "ERROR": 31}
# In the line's own places, or the same in every line.
_SHOWN = ("timestamp", "level", "message", "fields", "span", "order_id")
_LEFT_OUT = ("name", "execution", "request_id", "attempt")


def main() -> None:
    parser = argparse.ArgumentParser(description="What the functions log.")
    parser.add_argument("--name", choices=STACK_NAMES, default="local")
    parser.add_argument("--order", help="only lines about this order")
    parser.add_argument("--follow", action="store_true", help="go on until Ctrl-C")
    parser.add_argument("--raw", action="store_true", help="the lines as they were written")
    parser.add_argument("functions", nargs="*", choices=[*FUNCTIONS, []], default=[])
    arguments = parser.parse_args()
    stack = stack_named(arguments.name)
    wanted = arguments.functions or FUNCTIONS
    if stack.watched_log.exists():
        entries = _watched(stack, arguments.follow)
    else:
        # Without a stack it says so.
        stack.endpoints()
        entries = _from_cloudwatch(stack, wanted, arguments.follow)
    if arguments.order and arguments.follow:
        say(f"waiting for lines about {arguments.order}; Ctrl-C ends it")
    anything = False
    for function, message in entries:
        if function not in wanted or (arguments.order and not is_about(message, arguments.order)):
            continue
        if not arguments.raw and _is_metric(message):
            continue
        anything = True
        print(f"{function:<9} {message}" if arguments.raw else readable(function, message), flush=True)
    if arguments.order and not anything:
        remedy = "`target/debug/orderctl status` says whether there is such an order"
        raise Problem(f"nothing was logged about {arguments.order}", remedy)


def is_about(message: str, order: str) -> bool:
    """Whether a line names this order, its execution or a key of it, and not one whose id begins the same."""
    return re.search(rf"(?<![\w-]){re.escape(order)}(-\d+(-[a-z_]+)?)?(?![\w-])", message) is not None


def _from_cloudwatch(stack: Stack, functions: Iterable[str], follow: bool) -> Iterator[tuple[str, str]]:
    """Each function's lines, in the order of time as far as they are known."""
    import botocore.config
    import botocore.exceptions
    import botocore.session

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(aws_environment(stack))
    logs = botocore.session.Session().create_client("logs", config=botocore.config.Config(proxies={}))
    seen = dict.fromkeys(functions, 0)
    while True:
        lines = []
        try:
            for function in functions:
                group = f"/aws/lambda/orders-local-{function}"
                pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
                events = [event for page in pages for event in page["events"]]
                # The local engine gives events no id; it only ever adds some.
                new = events[seen[function] :]
                seen[function] = len(events)
                lines += [(event["timestamp"], function, event["message"].rstrip()) for event in new]
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            raise Problem(f"the stack's logs cannot be read ({error})", "`make up` starts the stack") from None
        for _, function, message in sorted(lines, key=lambda line: line[0]):
            yield function, message
        if not follow:
            return
        time.sleep(1)


def _watched(stack: Stack, follow: bool) -> Iterator[tuple[str, str]]:
    with stack.watched_log.open(encoding="utf-8") as file:
        while True:
            line = file.readline()
            if line:
                function, _, message = line.rstrip("\n").partition(" ")
                yield function, message
            elif follow:
                time.sleep(0.3)
            else:
                return


_OWN = re.compile(rf"({'|'.join(FUNCTIONS)}) (\{{.*|is live.*|does not build.*|ended.*|has used .*)$")
# What cargo and the watch server say of themselves and nobody needs.
_NOISE = ("Blocking", " Running `", "Finished `", "INFO ", "waiting for file lock", "code=ForceStop")


def show_watched(line: str) -> tuple[str, str] | None:
    """Shows a line of `cargo lambda watch`. Returns the function and what it said, if it is a
    function's (crates/dev/relay puts the function's name first)."""
    # Cargo may have begun the line.
    if own := _OWN.search(line):
        if not _is_metric(own[2]):
            print(readable(own[1], own[2]), flush=True)
        return own[1], own[2]
    if line.strip() and not any(noise in line for noise in _NOISE):
        print(line, flush=True)
    return None


def _is_metric(message: str) -> bool:
    """In the embedded metric format: for CloudWatch, not for people."""
    return message.startswith("{") and '"_aws":' in message


def readable(function: str, message: str) -> str:
    """A function's line for people: when, who, what, and about which order."""
    try:
        entry = json.loads(message)
        level, text = entry["level"], entry["message"]
    except (ValueError, KeyError, TypeError):
        return f"{'':12} {function:<9} {message}"
    span = entry.get("span", {})
    order = str(span.get("order_id") or entry.get("order_id") or "")
    known = {**span, **entry}
    details = " ".join(f"{name}={value}" for name, value in known.items() if name not in (*_SHOWN, *_LEFT_OUT))
    at = str(entry.get("timestamp", ""))[11:23]
    order = _coloured(f"{order:<12}", _ORDER_COLOURS[zlib.crc32(order.encode()) % len(_ORDER_COLOURS)])
    text = _coloured(text, _LEVEL_COLOURS[level]) if level in _LEVEL_COLOURS else text
    return f"{at:12} {function:<9} {order} {text} {details}".rstrip()


def _coloured(text: str, colour: int) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if sys.stdout.isatty() or "FORCE_COLOR" in os.environ else text


if __name__ == "__main__":
    run_tool(main)
