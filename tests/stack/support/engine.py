"""The laptop's Step Functions without a stack: its functions are Python's, and it does not wait."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from ministack.services import eventbridge
from ministack.services import stepfunctions as theirs

import engine as ours
from support.waiting import eventually

Told = dict[str, Any]
State = dict[str, Any]
Function = Callable[[Any], Any]

_ENDED = ("SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT")


class Raised(Exception):
    """What a function raises; its name is the error's."""

    def __init__(self, name: str, message: str = "as planned"):
        super().__init__(message)
        self.name = name


@dataclass(frozen=True)
class Ended:
    """An execution that is over, as it is described, and its history."""

    arn: str
    described: Told
    history: list[Told]

    @property
    def status(self) -> str:
        status: str = self.described["status"]
        return status

    @property
    def output(self) -> Any:
        return json.loads(self.described["output"])

    @property
    def error(self) -> str:
        error: str = self.described["error"]
        return error

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.history]


class Engine:
    """ministack and our extension, in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # By name: what is invoked, and with what it was.
        self.functions: dict[str, Function] = {}
        self.invoked: list[tuple[str, Any]] = []
        # The waits before retries, in seconds.
        self.waits: list[float] = []
        self.events: list[Told] = []
        monkeypatch.setattr(theirs, "_SFN_WAIT_SCALE", 0)
        for name, value in ours.REPLACED.items():
            monkeypatch.setattr(theirs, name, value)
        monkeypatch.setattr(theirs, "_scaled_sleep", self._wait)
        monkeypatch.setattr(theirs, "_resolve_lambda_function_ref", lambda named, **_: named)
        monkeypatch.setattr(theirs, "_call_lambda", self._call)
        monkeypatch.setattr(eventbridge, "_put_events", ours._put_events)
        monkeypatch.setattr(ours, "_their_put_events", lambda asked, **_: self.events.extend(asked["Entries"]))

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        ours._scaled_sleep(0)

    def _call(self, name: str, given: Any) -> Any:
        self.invoked.append((name, given))
        try:
            return self.functions[name](given)
        except Raised as raised:
            cause = json.dumps({"errorType": raised.name, "errorMessage": str(raised)})
            raise theirs._ExecutionError(raised.name, cause) from None

    def ask(self, action: str, asked: Told, status: int = 200) -> Told:
        headers = {"x-amz-target": f"AWSStepFunctions.{action}"}
        answer = asyncio.run(theirs.handle_request("POST", "/", headers, json.dumps(asked).encode(), {}))
        assert answer[0] == status, answer[2]
        told: Told = json.loads(answer[2])
        return told

    def machine(self, states: dict[str, State], **more: Any) -> str:
        definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states, **more}
        named = {
            "name": f"machine-{uuid.uuid4()}",
            "definition": json.dumps(definition),
            "roleArn": "arn:aws:iam::0:role/r",
        }
        arn: str = self.ask("CreateStateMachine", named)["stateMachineArn"]
        return arn

    def start(self, states: dict[str, State], given: Any = None, **more: Any) -> str:
        asked = {"stateMachineArn": self.machine(states, **more), "input": json.dumps(given or {})}
        arn: str = self.ask("StartExecution", asked)["executionArn"]
        return arn

    def end(self, arn: str) -> Ended:
        eventually(lambda: self._described(arn)["status"] in _ENDED, "it ends")
        history = self.ask("GetExecutionHistory", {"executionArn": arn, "maxResults": 1000})["events"]
        return Ended(arn, self._described(arn), history)

    def run(self, states: dict[str, State], given: Any = None, **more: Any) -> Ended:
        return self.end(self.start(states, given, **more))

    def _described(self, arn: str) -> Told:
        return self.ask("DescribeExecution", {"executionArn": arn})


def task(function: str = "works", **more: Any) -> State:
    """A task that is the last state, unless it is told otherwise."""
    state: State = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": function, "Payload": "{% $states.input %}"},
        "Output": "{% $states.result.Payload %}",
        **more,
    }
    return state if "Next" in state else {**state, "End": True}


def waiting(function: str = "works", **more: Any) -> State:
    """A task that waits for its token."""
    arguments = {"FunctionName": function, "Payload": {"token": "{% $states.context.Task.Token %}"}}
    resource = "arn:aws:states:::lambda:invoke.waitForTaskToken"
    return task(function, **{"Resource": resource, "Arguments": arguments, "Output": "{% $states.result %}", **more})


def fails(*names: str) -> Function:
    """Raises these, one at a call, and then answers."""
    left = list(names)

    def function(_: Any) -> Any:
        if left:
            raise Raised(left.pop(0))
        return "done"

    return function


def always(name: str) -> Function:
    def function(_: Any) -> Any:
        raise Raised(name)

    return function


def retry(errors: Sequence[str], **more: Any) -> Told:
    return {"ErrorEquals": list(errors), **more}


def catch(errors: Sequence[str], following: str, **more: Any) -> Told:
    return {"ErrorEquals": list(errors), "Next": following, **more}


PASSED: State = {"Type": "Succeed"}


class Tokens:
    """A function that is handed tokens and keeps them."""

    def __init__(self) -> None:
        self.handed: list[str] = []
        self._came = threading.Semaphore(0)

    def __call__(self, given: Any) -> None:
        self.handed.append(given["token"])
        self._came.release()

    def next(self) -> str:
        assert self._came.acquire(timeout=10), "no token was handed out"
        return self.handed[-1]
