"""Go or no-go: a rollout asks the alarms, and goes back on its own. What a step does is `test_deployment`'s."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import aws
import rollout
from common import REGION, Problem
from support.shop import Shop

_ALARM = "orders-local-SystemFailures"

Raise = Callable[[], None]


@pytest.fixture
def raise_alarm(shop: Shop) -> Raise:
    cloudwatch = aws.client("cloudwatch", shop.settings, REGION)

    def raise_alarm() -> None:
        cloudwatch.set_alarm_state(AlarmName=_ALARM, StateValue="ALARM", StateReason="a test")

    return raise_alarm


@pytest.fixture
def alarms(shop: Shop) -> rollout.Alarms:
    """With none of them raised."""
    cloudwatch = aws.client("cloudwatch", shop.settings, REGION)
    alarms = rollout.Alarms(cloudwatch, "orders-local-")
    for name in {_ALARM, *alarms.raised()}:
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="a test")
    return alarms


class Steps:
    """What a rollout asks for, and an alarm in the middle of it."""

    def __init__(self, after: str = "", raised: Raise | None = None):
        self.done: list[str] = []
        self._after, self._raise = after, raised

    def __call__(self, command: str, *more: str) -> None:
        self.done.append(" ".join([command, *more]))
        if self._raise and self.done[-1] == self._after:
            self._raise()


def test_without_an_alarm_all_orders_go_to_the_new_version(alarms: rollout.Alarms) -> None:
    steps = Steps()
    rollout.roll_out("local", alarms, steps, 0)
    assert steps.done == ["deploy --canary", "deploy"]


@pytest.mark.parametrize("after", ["deploy --canary", "deploy"])
def test_an_alarm_takes_new_orders_back(alarms: rollout.Alarms, raise_alarm: Raise, after: str) -> None:
    steps = Steps(after, raise_alarm)
    with pytest.raises(Problem, match=f"rolled back because of {_ALARM}"):
        rollout.roll_out("local", alarms, steps, 0)
    assert steps.done[-2:] == [after, "rollback"]


class Failing(Steps):
    """One of the steps breaks off."""

    def __init__(self, at: str, how: type[BaseException]):
        super().__init__()
        self._at, self._how = at, how

    def __call__(self, command: str, *more: str) -> None:
        super().__call__(command, *more)
        if self.done[-1] == self._at:
            raise self._how("a test", "nothing")


@pytest.mark.parametrize("how", [Problem, KeyboardInterrupt])
@pytest.mark.parametrize("at", ["deploy --canary", "deploy"])
def test_a_rollout_that_breaks_off_goes_back(alarms: rollout.Alarms, at: str, how: type[BaseException]) -> None:
    steps = Failing(at, how)
    with pytest.raises(how):
        rollout.roll_out("local", alarms, steps, 0)
    assert steps.done[-2:] == [at, "rollback --unfinished"]


@pytest.mark.parametrize(("after", "back"), [("deploy --canary", "rollback --unfinished"), ("deploy", "rollback")])
def test_alarms_that_cannot_be_read_take_new_orders_back(
    alarms: rollout.Alarms, monkeypatch: pytest.MonkeyPatch, after: str, back: str
) -> None:
    def break_off() -> None:
        monkeypatch.setattr(alarms, "raised", lambda: 1 / 0)

    steps = Steps(after, break_off)
    with pytest.raises(ZeroDivisionError):
        rollout.roll_out("local", alarms, steps, 0)
    assert steps.done[-2:] == [after, back]


def test_nothing_is_deployed_while_an_alarm_is_raised(alarms: rollout.Alarms, raise_alarm: Raise) -> None:
    raise_alarm()
    steps = Steps()
    with pytest.raises(Problem, match="no-go") as refused:
        rollout.roll_out("local", alarms, steps, 0)
    assert steps.done == []
    assert "docs/RUNBOOK.md" in str(refused.value), "it says what the alarm says"
