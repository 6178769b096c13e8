"""What an environment costs in a month, by AWS's list prices, beside its budget.

    cost.py --env dev|prod [--orders 10000] [--check]

What stands is counted in Terraform's own files. What an order uses is an estimate, stated below: it tells a loop
from an ordinary month, not one month from the next. The AWS free tier is left out.
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass
from typing import Any

import terraform
from common import ROOT, Problem, function_names, run_tool

# USD in us-east-1, by the services' pricing pages as read in 2026; other regions differ by up to a third.
_KEY, _SECRET, _ALARM_METRIC, _METRIC = 1.00, 0.40, 0.10, 0.30
_DASHBOARD, _LOG_GB, _BACKUP_GB, _STORAGE_GB = 3.00, 0.50, 0.20, 0.25
_TRANSITION = 25 / 1e6
_INVOCATION, _GB_SECOND = 0.20 / 1e6, 0.0000133334
_WRITE_UNIT, _READ_UNIT = 0.625 / 1e6, 0.125 / 1e6
_MAIL, _REQUEST, _TRACE = 0.10 / 1e3, 1.00 / 1e6, 5.00 / 1e6

# An order: what its steps and the monitor do for it.
_SECONDS_EACH, _MONITORED = 0.5, 12
_WRITE_UNITS, _READ_UNITS = 60, 40
_LOG_KB, _STORED_KB = 25, 6
# The monitor's sweep, each minute.
_SWEEPS = 60 * 24 * 30
_SWEEP_READ_UNITS, _SWEEP_WRITE_UNITS, _SWEEP_LOG_KB = 10, 20, 3
# Different values of a metric's own dimension.
_VALUES = {"Currency": 2, "Outcome": 4, "Class": 3, "Cause": 10}


@dataclass(frozen=True)
class Line:
    what: str
    count: str
    usd: float


def main() -> None:
    parser = argparse.ArgumentParser(description="What an environment costs in a month.")
    parser.add_argument("--env", required=True, help="names terraform/environments/<env>.tfvars")
    parser.add_argument("--orders", type=int, default=10_000, help="in a month (10000)")
    parser.add_argument("--check", action="store_true", help="fail if the budget is too small for that")
    arguments = parser.parse_args()
    lines = [*standing(), *used(arguments.orders)]
    total = sum(line.usd for line in lines)
    budget = float(terraform.setting(arguments.env, "monthly_budget_usd"))
    print(f"`{arguments.env}`, {arguments.orders} orders a month, list prices in USD without the free tier:\n")
    for line in lines:
        print(f"  {line.what:<34} {line.count:>22} {line.usd:>9.2f}")
    print(f"\n  {'in all':<34} {'':>22} {total:>9.2f}")
    print(f"  {'budget (monthly_budget_usd)':<34} {'':>22} {budget:>9.2f}")
    each = sum(line.usd for line in used(arguments.orders)) / max(arguments.orders, 1)
    print(f"\n  another order costs {100 * each:.3f} cents")
    if total > 0.8 * budget:
        what = f"that is more than 80 % of {arguments.env}'s budget, at which operators hear of it"
        if arguments.check:
            raise Problem(what, f"raise monthly_budget_usd in terraform/environments/{arguments.env}.tfvars")
        print(f"\n  {what}")


def standing() -> list[Line]:
    """What costs whether there are orders or not."""
    source = "".join(file.read_text() for file in sorted((ROOT / "terraform").glob("*.tf")))
    facts: dict[str, Any] = json.loads((ROOT / "terraform" / "monitor.json").read_text())
    values = {**_VALUES, "State": len(facts["states"])}
    metrics = sum(values[metric["dimension"]] if metric["dimension"] else 1 for metric in facts["metrics"].values())
    secrets = len(re.findall(r'resource "aws_secretsmanager_secret"', source))
    # One metric each, but an anomaly's band counts for three and a sum over functions for one a function. Each of
    # the dead-letter queues has two.
    others = function_names("front_door") + function_names("operations")
    queues = 2 * len(re.findall(r'source = "./modules/dead_letter_queue"', source))
    alarms = len(facts["alarms"]) + 2 + len(function_names()) - 1 + len(others) - 1 + queues
    return [
        Line("encryption key", "1", _KEY),
        Line("secrets", str(secrets), secrets * _SECRET),
        Line("metrics", str(metrics), metrics * _METRIC),
        Line("metrics in alarms", str(alarms), alarms * _ALARM_METRIC),
        Line("dashboard", "1", _DASHBOARD),
        Line(
            "the monitor's sweeps",
            f"{_SWEEPS}",
            _SWEEPS
            * (
                _INVOCATION
                + _SECONDS_EACH * _memory_gb("monitor") * _GB_SECOND
                + _SWEEP_READ_UNITS * _READ_UNIT
                + _SWEEP_WRITE_UNITS * _WRITE_UNIT
                + _SWEEP_LOG_KB / 1e6 * _LOG_GB
            ),
        ),
    ]


def used(orders: int) -> list[Line]:
    """What comes with the orders."""
    states: dict[str, Any] = json.loads((ROOT / "statemachine" / "order.asl.json").read_text())["States"]
    path = ["ValidateOrder"]
    while following := states[path[-1]].get("Next"):
        path.append(following)
    # Its steps, the front door, and the monitor on each change.
    invocations = len(path) + 1 + _MONITORED
    stored_gb = orders * _STORED_KB / 1e6
    memory = _memory_gb("charge")
    return [
        Line("state transitions", f"{len(path)} an order", orders * len(path) * _TRANSITION),
        Line(
            "invocations",
            f"{invocations} an order",
            orders * invocations * (_INVOCATION + _SECONDS_EACH * memory * _GB_SECOND),
        ),
        Line(
            "database requests",
            f"{_WRITE_UNITS} + {_READ_UNITS} an order",
            orders * (_WRITE_UNITS * _WRITE_UNIT + _READ_UNITS * _READ_UNIT),
        ),
        Line("database, stored and backed up", f"{stored_gb:.2f} GB", stored_gb * (_STORAGE_GB + _BACKUP_GB)),
        Line("logs", f"{orders * _LOG_KB / 1e6:.2f} GB", orders * _LOG_KB / 1e6 * _LOG_GB),
        Line("mail, HTTP, traces", "1 + 2 + 1 an order", orders * (_MAIL + 2 * _REQUEST + _TRACE)),
    ]


def _memory_gb(function: str) -> float:
    rows: dict[str, dict[str, Any]] = json.loads((ROOT / "terraform" / "functions.json").read_text())
    return float(rows[function]["memory_mb"]) / 1024


if __name__ == "__main__":
    run_tool(main)
