"""The rarer incidents: each is planted, seen by the monitor, and listed for whoever asks for it."""

from __future__ import annotations

import pytest

from support.monitor import Monitor
from support.situations import Situations
from support.waiting import eventually

pytestmark = pytest.mark.usefixtures("unscheduled")


def is_seen_and_listed(monitor: Monitor, order: str, problem: str) -> None:
    eventually(lambda: monitor.sees(order, problem), f"{order} has an incident: {problem}")
    assert order in monitor.listed(problem)


def test_a_review_that_nobody_decides_is_seen_and_listed(situations: Situations, monitor: Monitor) -> None:
    is_seen_and_listed(monitor, situations.forgotten_review(), "review_overdue")


def test_a_hold_that_is_about_to_lapse_is_seen_and_listed(situations: Situations, monitor: Monitor) -> None:
    is_seen_and_listed(monitor, situations.lapsing_hold(), "hold_lapsing")


def test_an_outcome_that_the_provider_does_not_tell_is_seen_and_listed(
    situations: Situations, monitor: Monitor
) -> None:
    is_seen_and_listed(monitor, situations.unknown_outcome(), "outcome_unknown")


def test_money_that_is_let_go_of_behind_our_back_is_seen_and_listed(situations: Situations, monitor: Monitor) -> None:
    is_seen_and_listed(monitor, situations.lapsed_behind_our_back(), "provider_differs")
