"""What the functions of a local stack have logged, in the order of time.

    log.py [--name local|e2e] [--order ORDER] [function...]
"""

from __future__ import annotations

import argparse
import os

from common import STACK_NAMES, Problem, aws_environment, run_tool, stack_named

FUNCTIONS = ("validate", "charge", "ship", "notify", "intake")


def main() -> None:
    parser = argparse.ArgumentParser(description="What the functions have logged.")
    parser.add_argument("--name", choices=STACK_NAMES, default="local")
    parser.add_argument("--order", help="only lines that hold this order id")
    parser.add_argument("functions", nargs="*", choices=[*FUNCTIONS, []], default=[])
    arguments = parser.parse_args()
    stack = stack_named(arguments.name)

    import botocore.config
    import botocore.exceptions
    import botocore.session

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(aws_environment(stack))
    logs = botocore.session.Session().create_client("logs", config=botocore.config.Config(proxies={}))
    lines = []
    try:
        for function in arguments.functions or FUNCTIONS:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/orders-local-{function}")
            for page in pages:
                lines += [(event["timestamp"], function, event["message"].rstrip()) for event in page["events"]]
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        raise Problem(f"the stack's logs cannot be read ({error})", "`make up` starts the stack") from None
    for _, function, message in sorted(lines, key=lambda line: line[0]):
        if not arguments.order or arguments.order in message:
            print(f"{function:<9} {message}")


if __name__ == "__main__":
    run_tool(main)
