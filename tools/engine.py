"""The local stack's engine: ministack, with what it lacks of Step Functions and we use.

It has no RedriveExecution, and goes on with a task after StopExecution. Both are as AWS documents them here:
<https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html>. Its TestState knows no JSONata
(one_state.py). A laptop's alone: nothing that is
deployed knows of this file. Of the states that a definition may have, a redrive knows those of ours: Task, Succeed
and Fail.

engine.py    in the place of `python -m ministack`, with its environment; ORDERS_REQUESTS_FILE is where our requests
             are kept (recording.py)
"""

from __future__ import annotations

import contextlib
import contextvars
import copy
import json
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ministack.app
from ministack.services import eventbridge
from ministack.services import stepfunctions as engine

import one_state
from recording import Recorder

_REDRIVABLE_FOR_S = 14 * 24 * 3600
_MOST_EVENTS = 24_999
# A token answers the same again for so long, and only the last ones do.
_TOKENS_S, _TOKENS = 15 * 60, 10

Execution = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]


class Stopped(BaseException):
    """The thread's execution was stopped, and perhaps redriven since: it is another thread's now. No Exception, so
    that the engine does not take it for a failure of the execution."""


@dataclass(frozen=True)
class Position:
    """Where an execution is: what it takes to enter that state again."""

    state: str
    entered_with: Any
    variables: dict[str, Any]


@dataclass
class Drive:
    """What is known of an execution beyond what the engine keeps."""

    definition: dict[str, Any]
    # Counted up when it is stopped or redriven: whoever began under another number has no more say.
    run: int = 0
    position: Position | None = None
    redriven: int = 0
    redriven_at: str | None = None
    # When each client token was used, and the answer that it got.
    tokens: dict[str, tuple[float, Answer]] | None = None


_drives: dict[str, Drive] = {}
# Of which execution the thread is at work, and under which number.
_at_work: contextvars.ContextVar[tuple[str, int] | None] = contextvars.ContextVar("at_work", default=None)
_lock = threading.RLock()


def main() -> None:
    """Puts ours over the engine's own, and runs it."""
    for name, ours in REPLACED.items():
        setattr(engine, name, ours)
    eventbridge._put_events = _put_events
    if kept := os.environ.get("ORDERS_REQUESTS_FILE"):
        ministack.app.app = Recorder(ministack.app.app, Path(kept))
    ministack.app.main()


_their_put_events = eventbridge._put_events


async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Answer:
    """A call of Step Functions' API."""
    action = headers.get("x-amz-target", "").rpartition(".")[2]
    if action in ("RedriveExecution", "TestState"):
        try:
            asked = json.loads(body) if body else {}
        except json.JSONDecodeError:
            return _refused("SerializationException", "Invalid JSON")
        return _answer(redrive(asked) if action == "RedriveExecution" else engine.json_response(one_state.tried(asked)))
    answer: Answer = await _theirs["handle_request"](method, path, headers, body, query)
    return answer


# --- redriving ----------------------------------------------------------------------------------


def redrive(asked: dict[str, Any]) -> Answer:
    """Enters the state again in which an execution has ended."""
    arn = asked.get("executionArn", "")
    if not isinstance(arn, str) or ":execution:" not in arn:
        return _refused("InvalidArn", f"Invalid Arn: '{arn}'")
    with _lock:
        execution, drive = engine._executions.get(arn), _drives.get(arn)
        if execution is None or drive is None:
            return _refused("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        token = asked.get("clientToken")
        tokens = {known: used for known, used in (drive.tokens or {}).items() if used[0] > time.time() - _TOKENS_S}
        if token in tokens:
            return tokens[token][1]
        if reason := why_not(execution):
            return _refused("ExecutionNotRedrivable", reason)
        drive.run += 1
        drive.redriven += 1
        drive.redriven_at = engine.now_iso()
        execution.update(status="RUNNING", stopDate=None, output=None, error=None, cause=None)
        engine._add_event(
            execution, "ExecutionRedriven", {"executionRedrivenEventDetails": {"redriveCount": drive.redriven}}
        )
        answer: Answer = engine.json_response({"redriveDate": drive.redriven_at})
        if token:
            tokens[token] = (time.time(), answer)
            drive.tokens = dict(list(tokens.items())[-_TOKENS:])
        engine._emit_execution_status_event(execution)
        threading.Thread(target=contextvars.copy_context().run, args=(_go_on, arn, drive.run), daemon=True).start()
        return answer


def why_not(execution: Execution) -> str | None:
    """Why an execution cannot be redriven, in AWS's words; `None` if it can be."""
    status = execution["status"]
    if status in ("RUNNING", "SUCCEEDED"):
        return f"Execution is {status} and cannot be redriven"
    if len(execution["events"]) >= _MOST_EVENTS:
        return "Execution history event limit exceeded"
    if engine._iso_to_epoch_ms(execution["stopDate"]) / 1000 < time.time() - _REDRIVABLE_FOR_S:
        return "Execution redrivable period exceeded"
    return None


def _go_on(arn: str, run: int) -> None:
    """From the state in which it has ended, to its end."""
    execution, drive = engine._executions[arn], _drives[arn]
    _at_work.set((arn, run))
    machine = engine._state_machines.get(execution["stateMachineArn"]) or {"name": ""}
    states = drive.definition["States"]
    position = drive.position or Position(drive.definition["StartAt"], json.loads(execution["input"]), {})
    name: str | None = position.state
    given = position.entered_with
    context = {
        "QueryLanguage": drive.definition.get("QueryLanguage", "JSONPath"),
        "Execution": {
            "Id": arn,
            "Input": json.loads(execution["input"]),
            "Name": execution["name"],
            "StartTime": execution["startDate"],
            "RedriveCount": drive.redriven,
            "RedriveTime": drive.redriven_at,
        },
        "StateMachine": {"Id": execution["stateMachineArn"], "Name": machine["name"]},
        "variables": copy.deepcopy(position.variables),
    }
    try:
        while name and execution["status"] == "RUNNING":
            state = states[name]
            kind = state["Type"]
            context["State"] = {"Name": name, "EnteredTime": engine.now_iso(), "RetryCount": 0}
            entered = {"stateEnteredEventDetails": {"name": name, "input": json.dumps(given)}}
            engine._add_event(execution, f"{kind}StateEntered", entered)
            if kind == "Fail":
                raise engine._ExecutionError(*engine._fail_state_error(state, given, context))
            if kind == "Task":
                given, following = engine._execute_task(state, given, execution, context)
            elif kind == "Succeed":
                given, following = engine._apply_output_path(state, given, context), None
            else:
                raise engine._ExecutionError("States.Runtime", f"a redrive enters no state of type {kind} here")
            exited = {"stateExitedEventDetails": {"name": name, "output": json.dumps(given)}}
            engine._add_event(execution, f"{kind}StateExited", exited)
            name = following
        if execution["status"] == "RUNNING":
            execution.update(status="SUCCEEDED", output=json.dumps(given), stopDate=engine.now_iso())
            succeeded = {"executionSucceededEventDetails": {"output": execution["output"]}}
            engine._add_event(execution, "ExecutionSucceeded", succeeded)
            engine._emit_execution_status_event(execution)
    except engine._ExecutionError as error:
        engine._fail_execution(execution, error.error, error.cause)
    except Stopped:
        pass


# --- in the place of the engine's own -----------------------------------------------------------


def _run_execution(arn: str) -> None:
    execution = engine._executions.get(arn)
    machine = execution and engine._state_machines.get(execution["stateMachineArn"])
    if machine:
        _drives[arn] = Drive(json.loads(machine["definition"]))
        _at_work.set((arn, 0))
    with contextlib.suppress(Stopped):
        _theirs["_run_execution"](arn)


def _fail_state_error(state: dict[str, Any], given: Any, context: dict[str, Any]) -> Any:
    """Of the one state of ours that ends an execution and is no task."""
    if mine := _at_work.get():
        _drives[mine[0]].position = _position(given, context)
    return _theirs["_fail_state_error"](state, given, context)


def _position(given: Any, context: dict[str, Any]) -> Position:
    return Position(context["State"]["Name"], given, copy.deepcopy(context["variables"]))


def _execute_task(state: dict[str, Any], given: Any, execution: Execution | None, context: dict[str, Any]) -> Any:
    drive = _drives.get(execution["executionArn"]) if execution else None
    if drive is not None:
        drive.position = _position(given, context)
    done = _theirs["_execute_task"](state, given, execution, context)
    if drive is not None:
        _require_say()
    return done


def _scaled_sleep(seconds: float) -> None:
    """Also before a retry, of which there is none once the execution was stopped."""
    _theirs["_scaled_sleep"](seconds)
    _require_say()


def _require_say() -> None:
    if (mine := _at_work.get()) is None:
        return
    arn, run = mine
    with _lock:
        drive, execution = _drives.get(arn), engine._executions.get(arn)
        if drive is None or execution is None or drive.run != run or execution["status"] != "RUNNING":
            raise Stopped


def _stop_execution(asked: dict[str, Any]) -> Answer:
    with _lock:
        answer: Answer = _theirs["_stop_execution"](asked)
        if (drive := _drives.get(asked.get("executionArn", ""))) and answer[0] == 200:
            drive.run += 1
    return answer


def _describe_execution(asked: dict[str, Any]) -> Answer:
    status, headers, body = _theirs["_describe_execution"](asked)
    drive = _drives.get(asked.get("executionArn", ""))
    if status != 200 or drive is None:
        return status, headers, body
    return engine.json_response({**json.loads(body), **_redrives(asked["executionArn"], drive)})


def _redrives(arn: str, drive: Drive) -> dict[str, Any]:
    reason = why_not(engine._executions[arn])
    told = {"redriveCount": drive.redriven, "redriveStatus": "NOT_REDRIVABLE" if reason else "REDRIVABLE"}
    if reason:
        told["redriveStatusReason"] = reason
    if drive.redriven_at:
        told["redriveDate"] = drive.redriven_at
    return told


def _put_events(asked: dict[str, Any], **more: Any) -> Any:
    """What a status event says of redrives is put right on its way to the bus."""
    for entry in asked["Entries"]:
        if entry.get("Source") == "aws.states":
            detail = json.loads(entry["Detail"])
            arn = detail["executionArn"]
            told = _redrives(arn, _drives[arn]) if arn in _drives else {}
            if "redriveDate" in told:
                # Sent as a number, though it is documented as a string.
                told["redriveDate"] = engine._iso_to_epoch_ms(told["redriveDate"])
            entry["Detail"] = json.dumps({**detail, **told})
    return _their_put_events(asked, **more)


REPLACED = {
    "_run_execution": _run_execution,
    "_execute_task": _execute_task,
    "_scaled_sleep": _scaled_sleep,
    "_fail_state_error": _fail_state_error,
    "_stop_execution": _stop_execution,
    "_describe_execution": _describe_execution,
    "handle_request": handle_request,
}
# What is replaced and called nevertheless.
_theirs = {name: getattr(engine, name) for name in REPLACED}


def _answer(response: Answer) -> Answer:
    answer: Answer = engine._finalize_response(response)
    return answer


def _refused(code: str, message: str) -> Answer:
    answer: Answer = engine.error_response_json(code, message, 400)
    return answer


if __name__ == "__main__":
    main()
