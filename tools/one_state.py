"""TestState for JSONata, which ministack's own does not know: one state by itself, with a mocked result.

As AWS documents it (TestState of the API Reference; Developer Guide, "Using TestState API to test a state"): variables,
context, the number of tries before, and what is retried, caught and assigned. Task, Succeed and Fail; nothing is
invoked, so a task needs a mock.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import stepfunctions as engine

Told = dict[str, Any]


def tried(asked: Told) -> Told:
    """The answer to a request that ministack would answer otherwise."""
    definition = json.loads(asked["definition"])
    state = definition["States"][asked["stateName"]] if "States" in definition else definition
    given = json.loads(asked.get("input", "{}"))
    context: Told = {
        "QueryLanguage": definition.get("QueryLanguage", "JSONPath"),
        **json.loads(asked.get("context", "{}")),
        "variables": json.loads(asked.get("variables", "{}")),
    }
    try:
        if state["Type"] == "Fail":
            error, cause = engine._fail_state_error(state, given, context)
            return {"status": "FAILED", "error": error, "cause": cause}
        if state["Type"] == "Succeed":
            return {"status": "SUCCEEDED", "output": json.dumps(given)}
        arguments = engine._apply_jsonata_arguments(state, given, context)
        if "errorOutput" in asked["mock"]:
            raise engine._ExecutionError(asked["mock"]["errorOutput"]["error"], asked["mock"]["errorOutput"]["cause"])
        result = json.loads(asked["mock"]["result"])
        output = engine._apply_jsonata_output(state, given, context, result=result, default=result)
        engine._apply_state_assign(state, given, context, result=result)
    except engine._ExecutionError as failure:
        tries = asked.get("stateConfiguration", {}).get("retrierRetryCount", 0)
        return _failed(state, given, context, failure, tries)
    inspected = {"afterArguments": json.dumps(arguments), "variables": json.dumps(context["variables"])}
    told = {"status": "SUCCEEDED", "output": json.dumps(output), "inspectionData": inspected}
    return {**told, **({"nextState": state["Next"]} if "Next" in state else {})}


def _failed(state: Told, given: Any, context: Told, failure: Any, tries: int) -> Told:
    told: Told = {"error": failure.error, "cause": failure.cause}
    rules = state.get("Retry", [])
    number = next((n for n, rule in enumerate(rules) if engine._error_matches(rule["ErrorEquals"], failure.error)), -1)
    if number >= 0 and tries < rules[number].get("MaxAttempts", 3):
        rule = rules[number]
        delay = rule.get("IntervalSeconds", 1) * rule.get("BackoffRate", 2) ** tries
        details = {
            "retryIndex": number,
            "retryBackoffIntervalSeconds": int(min(delay, rule.get("MaxDelaySeconds", delay))),
        }
        return {**told, "status": "RETRIABLE", "inspectionData": {"errorDetails": details}}
    for number, rule in enumerate(state.get("Catch", [])):
        if engine._error_matches(rule["ErrorEquals"], failure.error):
            error_output = {"Error": failure.error, "Cause": failure.cause}
            output = engine._apply_catcher(rule, given, context, context["QueryLanguage"], error_output)
            inspected = {"errorDetails": {"catchIndex": number}, "variables": json.dumps(context["variables"])}
            told |= {"status": "CAUGHT_ERROR", "nextState": rule["Next"], "output": json.dumps(output)}
            return {**told, "inspectionData": inspected}
    return {**told, "status": "FAILED"}
