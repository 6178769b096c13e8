"""Each state of the process by itself, and each way out of it, by Step Functions' TestState.

Nothing is invoked: results and errors are mocked. By the laptop's engine, or with AWS=1 by AWS itself, as whoever this
shell is there (`states:TestState`; no role is needed for what is mocked). The ways out are those of the definition, so
none can be forgotten; what must become of each is said here.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest

import aws
import engine as ours
from common import ROOT
from support.engine import Engine, Raised

Told = dict[str, Any]

_FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:orders-prod-{}:1"
DEFINITION = re.sub(
    r"\$\{(\w+)_function_arn\}",
    lambda found: _FUNCTION.format(found[1]),
    (ROOT / "statemachine" / "order.asl.json").read_text(),
)
STATES: dict[str, Told] = json.loads(DEFINITION)["States"]
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}
GIVEN = {"schema_version": 1, "order_id": "ord-1", "attempt": 2}
FAILURE = {"error": "ShipmentRejected", "cause": "the carrier refuses the shipment"}
VARIABLES = {"order_id": "ord-1", "attempt": 2, "failure": FAILURE}
CONTEXT = {"Execution": {"Name": "ord-1-2"}, "Task": {"Token": "token"}}
# As the steps' own errors come.
CAUSE = json.dumps({"errorType": "Any", "errorMessage": "as planned"})


def tried(state: str, mock: Told, tries: int = 0, given: Any = None, variables: Any = None) -> Told:
    """One state, with what it is given and what its task answers."""
    asked: Told = {
        "definition": DEFINITION,
        "stateName": state,
        "input": json.dumps(GIVEN if given is None else given),
        "variables": json.dumps(VARIABLES if variables is None else variables),
        "context": json.dumps(CONTEXT),
        "inspectionLevel": "DEBUG",
        "stateConfiguration": {"retrierRetryCount": tries},
    }
    if STATES[state]["Type"] == "Task":
        asked["mock"] = {**mock, "fieldValidationMode": "NONE"}
    if os.environ.get("AWS"):
        assert not [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")], "that is not AWS"
        region = os.environ.get("AWS_REGION", "us-east-1")
        return aws.client("stepfunctions", dict(os.environ), region).test_state(**asked)
    headers = {"x-amz-target": "AWSStepFunctions.TestState"}
    answer = asyncio.run(ours.handle_request("POST", "/", headers, json.dumps(asked).encode(), {}))
    assert answer[0] == 200, answer[2]
    return json.loads(answer[2])


def failed(state: str, error: str, tries: int = 0, **more: Any) -> Told:
    return tried(state, {"errorOutput": {"error": error, "cause": CAUSE}}, tries, **more)


def answered(state: str, **more: Any) -> Told:
    result = {"StatusCode": 200, "Payload": {"amount": 1}}
    return tried(state, {"result": json.dumps(result)}, **more)


def _each_retry() -> Iterator[tuple[str, int, Told, str]]:
    for name, state in TASKS.items():
        for index, rule in enumerate(state["Retry"]):
            earlier = {error for before in state["Retry"][:index] for error in before["ErrorEquals"]}
            for error in rule["ErrorEquals"]:
                raised = "Lambda.Unknown" if error == "States.ALL" else error
                assert raised not in earlier, f"{name}: {error} is in two rules"
                yield name, index, rule, raised


RETRIES = list(_each_retry())


@pytest.mark.parametrize("state", TASKS)
def test_a_task_that_answers_leads_on(state: str) -> None:
    told = answered(state)
    assert (told["status"], told.get("nextState")) == ("SUCCEEDED", TASKS[state].get("Next"))
    payload = json.loads(told["inspectionData"]["afterArguments"])["Payload"]
    asked = {name: payload[name] for name in ("order_id", "attempt", "execution")}
    assert asked == {"order_id": "ord-1", "attempt": 2, "execution": "ord-1-2"}


def test_the_first_task_keeps_what_the_others_ask_by() -> None:
    told = answered("ValidateOrder", variables={})
    assert json.loads(told["inspectionData"]["variables"]) == {"order_id": "ord-1", "attempt": 2}
    told = answered("ValidateOrder", given={"order_id": "ord-1"}, variables={})
    assert json.loads(told["inspectionData"]["variables"])["attempt"] == 1


@pytest.mark.parametrize("given", [{}, [], "ord-1", {"order": 1}], ids=json.dumps)
def test_an_execution_without_an_order_is_one_of_invalid_input(given: Any) -> None:
    told = failed("ValidateOrder", "InvalidInput", given=given, variables={})
    assert (told["status"], told["nextState"]) == ("CAUGHT_ERROR", "CancelShipment")
    kept = json.loads(told["inspectionData"]["variables"])
    assert (kept["order_id"], kept["failure"]["error"]) == ("", "InvalidInput")


@pytest.mark.parametrize(("state", "index", "rule", "error"), RETRIES)
def test_each_error_is_retried_as_often_as_its_rule_says(state: str, index: int, rule: Told, error: str) -> None:
    attempts = rule.get("MaxAttempts", 3)
    for tries in sorted({0, 1, attempts - 1} & set(range(attempts))):
        told = failed(state, error, tries)
        details = told["inspectionData"]["errorDetails"]
        assert (told["status"], details["retryIndex"]) == ("RETRIABLE", index)
        longest = rule.get("IntervalSeconds", 1) * rule.get("BackoffRate", 2) ** tries
        longest = min(longest, rule.get("MaxDelaySeconds", longest))
        # Jitter may make it anything below that.
        least = 0 if rule.get("JitterStrategy") == "FULL" else int(longest)
        assert least <= details["retryBackoffIntervalSeconds"] <= longest
    assert failed(state, error, attempts)["status"] in ("CAUGHT_ERROR", "FAILED")


@pytest.mark.parametrize(("state", "rule", "error"), [(state, rule, error) for state, _, rule, error in RETRIES])
def test_what_is_retried_no_more_is_caught_or_is_an_undos_end(state: str, rule: Told, error: str) -> None:
    told = failed(state, error, rule.get("MaxAttempts", 3))
    if "Catch" not in TASKS[state]:
        assert (told["status"], told["error"]) == ("FAILED", error)
        return
    following, kept = _after(state, error)
    assert (told["status"], told["nextState"]) == ("CAUGHT_ERROR", following)
    assert json.loads(told["inspectionData"]["variables"]).get("failure", {}) == kept


def _after(state: str, error: str) -> tuple[str, Told]:
    """Where an error leads, and what is known of the failure there."""
    if (state, error) == ("ValidateOrder", "ReviewRequired"):
        return "ReviewOrder", FAILURE
    if state == "NotifyCustomer":
        return "OrderCompleted", FAILURE
    if state == "NotifyFailure":
        return "OrderFailed", FAILURE
    if (state, error) == ("ReviewOrder", "States.Timeout"):
        return "CancelShipment", {"error": "ReviewRejected", "cause": "nobody decided before the deadline"}
    return "CancelShipment", {"error": error, "cause": CAUSE}


def test_an_execution_of_nothing_ends_under_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first undo, which is asked about no order as well."""

    def asked(given: Any) -> None:
        assert given["order_id"] == ""
        raise Raised("InvalidInput")

    engine = Engine(monkeypatch)
    engine.functions = {_FUNCTION.format(step): asked for step in ("validate", "ship")}
    ended = engine.run(STATES, {})
    assert (ended.status, ended.error, len(engine.invoked)) == ("FAILED", "InvalidInput", 2)


def test_a_cause_is_cut_at_a_thousand_characters() -> None:
    long = tried("ShipOrder", {"errorOutput": {"error": "Internal", "cause": "x" * 5000}})
    assert len(json.loads(long["inspectionData"]["variables"])["failure"]["cause"]) == 1000


def test_the_end_of_a_failure_is_the_original_error() -> None:
    told = tried("OrderFailed", {})
    assert (told["status"], told["error"], told["cause"]) == ("FAILED", FAILURE["error"], FAILURE["cause"])


def test_an_order_whose_customer_was_not_told_is_complete() -> None:
    assert tried("OrderCompleted", {})["status"] == "SUCCEEDED"


def test_there_is_no_other_kind_of_state() -> None:
    assert {state["Type"] for state in STATES.values()} == {"Task", "Succeed", "Fail"}
    assert set(STATES) - set(TASKS) == {"OrderFailed", "OrderCompleted"}
