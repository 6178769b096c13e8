"""Metrics and alarms: an alarm looks at exactly what the monitor emits, by namespace, name, unit and dimensions."""

from __future__ import annotations

import json
from typing import Any

import pytest

import aws
from common import REGION, ROOT, aws_environment
from support.monitor import Line, Monitor
from support.shop import Shop

pytestmark = pytest.mark.usefixtures("unscheduled")

Facts = dict[str, Any]
# Namespace, name, unit and dimensions.
Metric = tuple[str, str, str, tuple[tuple[str, str], ...]]


@pytest.fixture(scope="module")
def facts() -> Facts:
    """What Terraform knows of them."""
    facts: Facts = json.loads((ROOT / "terraform/monitor.json").read_text())
    return facts


@pytest.fixture(scope="module")
def emitting(monitor: Monitor, payer_erased: str) -> list[Line]:
    """The lines with metrics. A step that failed for a dependency's sake is planted by the sample orders, for ours
    by `payer_erased`."""
    monitor.sweep(payer_erased)
    return [line for line in monitor.lines() if "_aws" in line]


@pytest.fixture(scope="module")
def emitted(emitting: list[Line]) -> set[Metric]:
    return {
        (
            declared["Namespace"],
            metric["Name"],
            metric["Unit"],
            tuple(sorted((name, line[name]) for name in dimensions)),
        )
        for line in emitting
        for declared in line["_aws"]["CloudWatchMetrics"]
        for dimensions in declared["Dimensions"]
        for metric in declared["Metrics"]
    }


@pytest.fixture(scope="module")
def watched(shop: Shop, facts: Facts) -> list[tuple[str, Metric]]:
    """Each alarm that looks at one of our metrics, and which."""
    cloudwatch = aws.client("cloudwatch", aws_environment(shop.stack), REGION)
    pages = cloudwatch.get_paginator("describe_alarms").paginate()
    found = []
    for alarm in (alarm for page in pages for alarm in page["MetricAlarms"]):
        stats = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
        for metric in stats or [alarm]:
            if metric.get("Namespace") == facts["namespace"]:
                name = metric["MetricName"]
                dimensions = tuple(sorted((one["Name"], one["Value"]) for one in metric["Dimensions"]))
                unit = facts["metrics"][name]["unit"]
                found.append((alarm["AlarmName"], (facts["namespace"], name, unit, dimensions)))
    return found


def test_every_metric_is_emitted(facts: Facts, emitted: set[Metric]) -> None:
    missing = set(facts["metrics"]) - {name for _, name, _, _ in emitted}
    assert not missing


def test_every_metric_has_a_value(emitting: list[Line]) -> None:
    without = {
        metric["Name"]
        for line in emitting
        for declared in line["_aws"]["CloudWatchMetrics"]
        for metric in declared["Metrics"]
        if not isinstance(line[metric["Name"]], int)
    }
    assert not without


def test_alarms_look_at_what_is_emitted(watched: list[tuple[str, Metric]], emitted: set[Metric]) -> None:
    blind = [(alarm, metric) for alarm, metric in watched if metric not in emitted]
    assert not blind, f"alarms on metrics that are not emitted: {blind}"


def test_each_alarm_on_our_metrics_is_looked_at(facts: Facts, watched: list[tuple[str, Metric]]) -> None:
    ours = {name for name, alarm in facts["alarms"].items() if alarm["metric"]}
    # This engine forgets what NoOrders is computed from; its metric is among the ones above.
    assert {name.rpartition("-")[2] for name, _ in watched} == ours - {"NoOrders"}
