"""What the laptop's engine knows beyond ministack, against what AWS documents of it, without a stack.

https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html and RedriveExecution of the API reference.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ministack.services import eventbridge
from ministack.services import stepfunctions as theirs

import engine as ours
from support.waiting import eventually

Told = dict[str, Any]

_ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
_DEFINITION = {
    "QueryLanguage": "JSONata",
    "StartAt": "First",
    "States": {
        "First": {
            "Type": "Task",
            "Resource": f"{_ARN}first",
            "Assign": {"kept": "{% $states.result.kept %}"},
            "Output": {"from": "first"},
            "Next": "Second",
        },
        "Second": {
            "Type": "Task",
            "Resource": f"{_ARN}second",
            "Arguments": {"kept": "{% $kept %}", "given": "{% $states.input.from %}"},
            "Retry": [{"ErrorEquals": ["Again"], "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 2}],
            "Catch": [{"ErrorEquals": ["Caught"], "Output": {}, "Next": "Failed"}],
            "End": True,
        },
        "Failed": {"Type": "Fail", "Error": "{% $kept %}"},
    },
}


class Machine:
    """A state machine whose functions answer as the test says."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        # The error of each call of `second`, in their order; without one it succeeds.
        self.errors: list[str] = []
        self.events: list[Told] = []
        self.goes_on = threading.Event()
        self.goes_on.set()
        named = {
            "name": f"machine-{uuid.uuid4()}",
            "definition": json.dumps(_DEFINITION),
            "roleArn": "arn:aws:iam::0:role/r",
        }
        self._arn = self.ask("CreateStateMachine", named)["stateMachineArn"]

    def invoke(self, resource: str, given: Any) -> Any:
        name = resource.rpartition(":")[2]
        self.calls.append((name, given))
        self.goes_on.wait(10)
        if name == "second" and self.errors and (error := self.errors.pop(0)):
            raise theirs._ExecutionError(error, "a test")
        return {"kept": "what was assigned"}

    def ask(self, action: str, asked: Told, status: int = 200) -> Told:
        import asyncio

        headers = {"x-amz-target": f"AWSStepFunctions.{action}"}
        answer = asyncio.run(theirs.handle_request("POST", "/", headers, json.dumps(asked).encode(), {}))
        assert answer[0] == status, answer[2]
        told: Told = json.loads(answer[2])
        return told

    def start(self) -> str:
        arn: str = self.ask("StartExecution", {"stateMachineArn": self._arn, "input": "{}"})["executionArn"]
        return arn

    def describe(self, arn: str) -> Told:
        return self.ask("DescribeExecution", {"executionArn": arn})

    def becomes(self, arn: str, status: str) -> Told:
        eventually(lambda: self.describe(arn)["status"] == status, f"the execution is {status}")
        return self.describe(arn)

    def redrive(self, arn: str, status: int = 200, **more: str) -> Told:
        return self.ask("RedriveExecution", {"executionArn": arn, **more}, status)

    def history(self, arn: str) -> list[Told]:
        events: list[Told] = self.ask("GetExecutionHistory", {"executionArn": arn, "maxResults": 1000})["events"]
        return events

    def called(self, name: str) -> list[Any]:
        return [given for called, given in self.calls if called == name]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    monkeypatch.setattr(theirs, "_SFN_WAIT_SCALE", 0.05)
    for name, value in ours.REPLACED.items():
        monkeypatch.setattr(theirs, name, value)
    machine = Machine()
    monkeypatch.setattr(theirs, "_invoke_resource", machine.invoke)
    monkeypatch.setattr(eventbridge, "_put_events", ours._put_events)
    monkeypatch.setattr(ours, "_their_put_events", lambda asked, **_: machine.events.extend(asked["Entries"]))
    yield machine
    machine.goes_on.set()


def test_a_failed_execution_goes_on_in_the_state_that_failed_with_the_same_input(machine: Machine) -> None:
    machine.errors = ["Broken"]
    arn = machine.start()
    failed = machine.becomes(arn, "FAILED")
    assert (failed["redriveStatus"], failed["redriveCount"]) == ("REDRIVABLE", 0)
    machine.redrive(arn)
    succeeded = machine.becomes(arn, "SUCCEEDED")
    assert (succeeded["redriveCount"], succeeded["executionArn"]) == (1, arn)
    assert succeeded["redriveDate"] > succeeded["startDate"]
    assert len(machine.called("first")) == 1, "what succeeded is not run again"
    assert machine.called("second") == [{"kept": "what was assigned", "given": "first"}] * 2


def test_the_history_goes_on(machine: Machine) -> None:
    machine.errors = ["Broken"]
    arn = machine.start()
    machine.becomes(arn, "FAILED")
    before = machine.history(arn)
    machine.redrive(arn)
    machine.becomes(arn, "SUCCEEDED")
    after = machine.history(arn)
    assert after[: len(before)] == before
    redriven = after[len(before)]
    assert (redriven["type"], redriven["executionRedrivenEventDetails"]) == ("ExecutionRedriven", {"redriveCount": 1})
    assert [event["id"] for event in after] == list(range(1, len(after) + 1))


def test_retries_count_anew(machine: Machine) -> None:
    machine.errors = ["Again"] * 3
    arn = machine.start()
    machine.becomes(arn, "FAILED")
    assert len(machine.called("second")) == 3
    machine.errors = ["Again"] * 2
    machine.redrive(arn)
    machine.becomes(arn, "SUCCEEDED")
    assert len(machine.called("second")) == 6


def test_a_fail_state_is_entered_again_and_fails_again(machine: Machine) -> None:
    machine.errors = ["Caught"]
    arn = machine.start()
    assert machine.becomes(arn, "FAILED")["error"] == "what was assigned"
    machine.redrive(arn)
    eventually(lambda: machine.describe(arn)["redriveCount"] == 1, "it is redriven")
    assert machine.becomes(arn, "FAILED")["error"] == "what was assigned"
    assert len(machine.called("second")) == 1


def test_a_stopped_execution_goes_on_once(machine: Machine) -> None:
    """Whoever was at work when it was stopped has no more say, also if it was redriven since."""
    machine.goes_on.clear()
    arn = machine.start()
    eventually(lambda: machine.called("first"), "it is at work")
    machine.ask("StopExecution", {"executionArn": arn})
    assert machine.becomes(arn, "ABORTED")["redriveStatus"] == "REDRIVABLE"
    machine.redrive(arn)
    eventually(lambda: len(machine.called("first")) == 2, "it goes on")
    machine.goes_on.set()
    machine.becomes(arn, "SUCCEEDED")
    assert len(machine.called("second")) == 1
    assert [event["type"] for event in machine.history(arn)].count("ExecutionSucceeded") == 1


def test_a_stopped_execution_is_tried_no_more(machine: Machine) -> None:
    machine.errors = ["Again"] * 2
    arn = machine.start()
    eventually(lambda: machine.called("second"), "it is tried")
    machine.ask("StopExecution", {"executionArn": arn})
    tried = len(machine.called("second"))
    with pytest.raises(AssertionError):
        eventually(lambda: len(machine.called("second")) > tried + 1, "it is tried again", patience_s=0.5)
    assert machine.describe(arn)["status"] == "ABORTED"


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED"])
def test_what_runs_or_went_well_is_not_redriven(machine: Machine, status: str) -> None:
    if status == "RUNNING":
        machine.goes_on.clear()
    arn = machine.start()
    told = machine.becomes(arn, status)
    why = f"Execution is {status} and cannot be redriven"
    assert (told["redriveStatus"], told["redriveStatusReason"]) == ("NOT_REDRIVABLE", why)
    refused = machine.redrive(arn, 400)
    assert (refused["__type"].rpartition("#")[2], refused["message"]) == ("ExecutionNotRedrivable", why)


def test_after_fourteen_days_nothing_is_redriven(machine: Machine) -> None:
    machine.errors = ["Broken"]
    arn = machine.start()
    machine.becomes(arn, "FAILED")
    long_ago = datetime.now(UTC) - timedelta(days=14, minutes=1)
    theirs._executions[arn]["stopDate"] = long_ago.isoformat()
    assert machine.redrive(arn, 400)["message"] == "Execution redrivable period exceeded"


def test_the_same_token_is_one_redrive(machine: Machine) -> None:
    machine.errors = ["Broken"]
    arn = machine.start()
    machine.becomes(arn, "FAILED")
    first = machine.redrive(arn, clientToken="once")
    assert machine.redrive(arn, clientToken="once") == first
    machine.becomes(arn, "SUCCEEDED")
    assert machine.redrive(arn, clientToken="once") == first
    assert machine.describe(arn)["redriveCount"] == 1


def test_an_execution_that_there_is_not_is_told(machine: Machine) -> None:
    arn = "arn:aws:states:us-east-1:000000000000:execution:nobody:nobody"
    assert "ExecutionDoesNotExist" in machine.redrive(arn, 400)["__type"]
    assert "InvalidArn" in machine.redrive("nobody", 400)["__type"]


def test_each_change_of_status_is_an_event_with_what_is_known_of_redrives(machine: Machine) -> None:
    machine.errors = ["Broken"]
    arn = machine.start()
    machine.becomes(arn, "FAILED")
    machine.redrive(arn)
    machine.becomes(arn, "SUCCEEDED")
    eventually(lambda: len(machine.events) == 4, "four events")
    details = [json.loads(event["Detail"]) for event in machine.events]
    told = [(detail["status"], detail["redriveCount"], detail["redriveStatus"]) for detail in details]
    assert told == [
        ("RUNNING", 0, "NOT_REDRIVABLE"),
        ("FAILED", 0, "REDRIVABLE"),
        ("RUNNING", 1, "NOT_REDRIVABLE"),
        ("SUCCEEDED", 1, "NOT_REDRIVABLE"),
    ]
    assert details[0]["redriveDate"] is None
    assert isinstance(details[2]["redriveDate"], int)
