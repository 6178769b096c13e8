"""A deployment that nobody has to watch: a canary, go or no-go from the alarms, all orders, and the way back.

    rollout.py --env dev|prod [--minutes 15] [what deploy.py takes]
    rollout.py --stack e2e …            a local stack in the place of AWS

Alarms that are raised before it begins are a no-go, too: what comes after could not be told from them. A rollout
that breaks off, whatever the reason, goes back as well: nobody watches it any more.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import aws
import readiness
import terraform
from common import ROOT, STACK_NAMES, Problem, aws_environment, run_tool, say, stack_named

_EVERY_S = 15


def main() -> None:
    parser = argparse.ArgumentParser(description="A canary, go or no-go from the alarms, and all orders.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--env", help="names terraform/environments/<env>.tfvars")
    where.add_argument("--stack", choices=STACK_NAMES, help="a local stack, for tests")
    parser.add_argument("--minutes", type=float, default=15, help="how long the alarms are watched after each step")
    arguments, passed = parser.parse_known_args()
    if arguments.stack:
        name, settings, region = "local", aws_environment(stack_named(arguments.stack)), "us-east-1"
        target = ["--stack", arguments.stack]
    else:
        terraform.require_environment(arguments.env)
        readiness.refuse_loopback(arguments.env)
        name, settings, region = arguments.env, dict(os.environ), terraform.setting(arguments.env, "region")
        target = ["--env", arguments.env]

    def step(command: str, *more: str) -> None:
        # Of a rollback, none of what a deployment is told.
        rest = [] if command == "rollback" else passed
        called = [sys.executable, str(ROOT / "tools" / "deploy.py"), command, "--yes", *target, *more, *rest]
        process = subprocess.Popen(called, cwd=ROOT)
        try:
            ended = process.wait()
        except KeyboardInterrupt:
            # It has heard of it, too. Terraform ends what it has begun, and moves no alias after a rollback.
            process.wait()
            raise
        if ended != 0:
            raise Problem(f"`{command}` of `{name}` failed", "see above")

    with aws.told("AWS refused the request", "see above; once it is mended, run the same command again"):
        alarms = Alarms(aws.client("cloudwatch", settings, region), f"orders-{name}-")
        roll_out(name, alarms, step, arguments.minutes * 60)


class Alarms:
    """Those of an environment."""

    def __init__(self, cloudwatch: Any, prefix: str):
        self._cloudwatch = cloudwatch
        self._prefix = prefix

    def raised(self) -> dict[str, str]:
        """Each that is raised, with what it says."""
        pages = self._cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix=self._prefix, StateValue="ALARM", AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        return {
            alarm["AlarmName"]: alarm.get("AlarmDescription", "")
            for page in pages
            for kind in ("MetricAlarms", "CompositeAlarms")
            for alarm in page.get(kind, [])
        }


def roll_out(name: str, alarms: Alarms, step: Callable[..., None], watched_s: float) -> None:
    if raised := alarms.raised():
        raise Problem(f"no-go: raised before anything is deployed: {_told(raised)}", "mend that, or `make deploy`")
    back = ["rollback", "--unfinished"]
    try:
        say(f"{name}: a part of new orders to the new version")
        step("deploy", "--canary")
        _watch(name, alarms, step, watched_s)
        say(f"{name}: go; all new orders to the new version")
        step("deploy")
        # Whole, and not yet watched.
        back = ["rollback"]
        _watch(name, alarms, step, watched_s)
    except _RolledBack:
        raise
    # Ctrl-C as well.
    except BaseException:
        say(f"{name}: broken off; new orders go back to what was live")
        step(*back)
        raise
    say(f"{name}: rolled out")


class _RolledBack(Problem):
    pass


def _watch(name: str, alarms: Alarms, step: Callable[..., None], watched_s: float) -> None:
    until = time.monotonic() + watched_s
    say(f"{name}: watching the alarms for {watched_s / 60:.0f} min")
    while True:
        if raised := alarms.raised():
            say(f"{name}: no-go: {_told(raised)}")
            step("rollback")
            raise _RolledBack(
                f"rolled back because of {', '.join(raised)}",
                "docs/RUNBOOK.md has a section for each; orders in flight finish on what they started with",
            )
        left = until - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(_EVERY_S, left))


def _told(raised: dict[str, str]) -> str:
    return "; ".join(f"{name}: {text}" if text else name for name, text in raised.items())


if __name__ == "__main__":
    run_tool(main)
