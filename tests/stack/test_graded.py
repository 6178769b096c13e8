"""The laptop's Step Functions, graded: what AWS documents of it and our process relies on, case by case.

Each case is ours, from the Step Functions Developer Guide and the API Reference; the section is named with it. What the
engine does otherwise is listed in docs/LOCAL.md, with what that means for us, and expected here: a case that begins
to agree fails until it is taken off the list. `make engine` prints them all.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from common import ROOT
from support.engine import PASSED, Engine, Raised, Tokens, always, catch, fails, retry, task, waiting
from support.waiting import eventually

Case = Callable[[Engine], None]
_CASES: dict[str, Case] = {}
_LISTED = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)
MISSES = frozenset(_LISTED.findall((ROOT / "docs" / "LOCAL.md").read_text()))


def case(check: Case) -> Case:
    _CASES[check.__name__] = check
    return check


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine(monkeypatch)
    engine.functions = {"works": lambda given: given, "broken": always("Broken")}
    return engine


# --- retries: "Handling errors in Step Functions workflows", Retrying after an error -------------


@case
def retries_default_to_three_after_one_two_and_four_seconds(engine: Engine) -> None:
    ended = engine.run({"A": task("broken", Retry=[retry(["Broken"])])})
    assert (ended.status, engine.waits, len(engine.invoked)) == ("FAILED", [1, 2, 4], 4)


@case
def no_attempts_are_no_retries(engine: Engine) -> None:
    engine.run({"A": task("broken", Retry=[retry(["Broken"], MaxAttempts=0), retry(["States.ALL"])])})
    assert len(engine.invoked) == 1


@case
def the_first_retrier_that_matches_is_the_one(engine: Engine) -> None:
    first = retry(["Broken"], IntervalSeconds=7, MaxAttempts=1)
    engine.run({"A": task("broken", Retry=[first, retry(["States.ALL"], MaxAttempts=5)])})
    assert engine.waits == [7]


@case
def each_retrier_counts_for_itself(engine: Engine) -> None:
    engine.functions["fails"] = fails("One", "Two", "One", "Two")
    rules = [retry(["One"], IntervalSeconds=3, MaxAttempts=2), retry(["Two"], IntervalSeconds=5, MaxAttempts=2)]
    ended = engine.run({"A": task("fails", Retry=rules)})
    assert (ended.status, engine.waits) == ("SUCCEEDED", [3, 5, 6, 10])


@case
def delays_stop_growing_at_max_delay(engine: Engine) -> None:
    engine.run({"A": task("broken", Retry=[retry(["Broken"], MaxDelaySeconds=3, MaxAttempts=4)])})
    assert engine.waits == [1, 2, 3, 3]


@case
def delays_grow_beyond_a_minute(engine: Engine) -> None:
    engine.run({"A": task("broken", Retry=[retry(["Broken"], IntervalSeconds=50, MaxAttempts=2)])})
    assert engine.waits == [50, 100]


@case
def full_jitter_is_anything_up_to_the_delay(engine: Engine) -> None:
    rule = retry(["Broken"], IntervalSeconds=8, BackoffRate=1, MaxAttempts=20, JitterStrategy="FULL")
    engine.run({"A": task("broken", Retry=[rule])})
    assert len(engine.waits) == 20
    assert all(0 <= wait <= 8 for wait in engine.waits)
    assert len(set(engine.waits)) > 1


@case
def a_task_knows_how_often_it_was_retried(engine: Engine) -> None:
    engine.functions["fails"] = fails("Broken", "Broken")
    arguments = {"FunctionName": "fails", "Payload": "{% $states.context.State.RetryCount %}"}
    engine.run({"A": task(Arguments=arguments, Retry=[retry(["Broken"])])})
    assert [given for _, given in engine.invoked] == [0, 1, 2]


# --- catches: as above, Fallback states -----------------------------------------------------------


@case
def retries_come_before_catches(engine: Engine) -> None:
    state = task("broken", Retry=[retry(["Broken"], MaxAttempts=2)], Catch=[catch(["Broken"], "B")])
    ended = engine.run({"A": state, "B": PASSED})
    assert (ended.status, len(engine.invoked)) == ("SUCCEEDED", 3)


@case
def catches_are_tried_in_their_order(engine: Engine) -> None:
    rules = [catch(["Broken"], "B"), catch(["States.ALL"], "C")]
    ended = engine.run({"A": task("broken", Catch=rules), "B": PASSED, "C": PASSED})
    assert [event["stateEnteredEventDetails"]["name"] for event in ended.history if "Entered" in event["type"]] == [
        "A",
        "B",
    ]


@case
def what_is_caught_is_told_by_error_and_cause(engine: Engine) -> None:
    told = {"error": "{% $states.errorOutput.Error %}", "cause": "{% $parse($states.errorOutput.Cause).errorMessage %}"}
    ended = engine.run({"A": task("broken", Catch=[catch(["States.ALL"], "B", Output=told)]), "B": PASSED})
    assert ended.output == {"error": "Broken", "cause": "as planned"}


@case
def what_is_caught_is_the_output_unless_there_is_another(engine: Engine) -> None:
    ended = engine.run({"A": task("broken", Catch=[catch(["States.ALL"], "B")]), "B": PASSED}, {"given": 1})
    assert set(ended.output) == {"Error", "Cause"}


@case
def what_is_caught_can_be_assigned(engine: Engine) -> None:
    rule = catch(["States.ALL"], "B", Assign={"kept": "{% $states.errorOutput.Error %}"})
    ended = engine.run({"A": task("broken", Catch=[rule]), "B": task(Output="{% $kept %}")})
    assert ended.output == "Broken"


@case
def an_error_that_nothing_catches_is_the_executions(engine: Engine) -> None:
    ended = engine.run({"A": task("broken", Catch=[catch(["Other"], "B")]), "B": PASSED})
    assert (ended.status, ended.error) == ("FAILED", "Broken")


@case
def task_failed_is_every_error_but_a_timeout(engine: Engine) -> None:
    engine.functions["late"] = always("States.Timeout")
    rule = [catch(["States.TaskFailed"], "B")]
    assert engine.run({"A": task("broken", Catch=rule), "B": PASSED}).status == "SUCCEEDED"
    assert engine.run({"A": task("late", Catch=rule), "B": PASSED}).error == "States.Timeout"


@case
def all_is_not_an_error_of_the_definition(engine: Engine) -> None:
    """It cannot catch States.Runtime, nor States.DataLimitExceeded."""
    engine.functions["broken"] = always("States.Runtime")
    assert engine.run({"A": task("broken", Catch=[catch(["States.ALL"], "B")]), "B": PASSED}).status == "FAILED"


@case
def all_stands_alone_and_last(engine: Engine) -> None:
    states = {"A": task(Catch=[catch(["States.ALL"], "B"), catch(["Broken"], "B")]), "B": PASSED}
    definition = {"QueryLanguage": "JSONata", "StartAt": "A", "States": states}
    asked = {"name": "wrong", "definition": json.dumps(definition), "roleArn": "arn:aws:iam::0:role/r"}
    assert "InvalidDefinition" in engine.ask("CreateStateMachine", asked, 400)["__type"]


# --- time: "Task workflow state", Task state timeouts and heartbeat intervals ---------------------


@case
def a_task_that_is_late_is_a_timeout(engine: Engine) -> None:
    engine.functions["late"] = lambda _: time.sleep(2)
    ended = engine.run({"A": task("late", TimeoutSeconds=1, Catch=[catch(["States.Timeout"], "B")]), "B": PASSED})
    assert ended.status == "SUCCEEDED"


@case
def a_late_task_is_told_as_timed_out(engine: Engine) -> None:
    engine.functions["late"] = lambda _: time.sleep(2)
    ended = engine.run({"A": task("late", TimeoutSeconds=1)})
    assert "TaskTimedOut" in ended.types


@case
def an_execution_that_is_late_is_timed_out(engine: Engine) -> None:
    engine.functions["late"] = lambda _: time.sleep(2)
    ended = engine.run({"A": task("late", Next="B"), "B": PASSED}, TimeoutSeconds=1)
    assert ended.status == "TIMED_OUT"


# --- task tokens: "Discover service integration patterns", Wait for a callback with task token ---


@case
def a_token_that_comes_back_ends_its_task(engine: Engine) -> None:
    tokens = engine.functions["works"] = Tokens()
    arn = engine.start({"A": waiting()})
    engine.ask("SendTaskSuccess", {"taskToken": tokens.next(), "output": json.dumps({"review": "approved"})})
    assert engine.end(arn).output == {"review": "approved"}


@case
def a_failure_comes_back_under_its_name(engine: Engine) -> None:
    tokens = engine.functions["works"] = Tokens()
    told = "{% $states.errorOutput %}"
    arn = engine.start({"A": waiting(Catch=[catch(["ReviewRejected"], "B", Output=told)]), "B": PASSED})
    engine.ask("SendTaskFailure", {"taskToken": tokens.next(), "error": "ReviewRejected", "cause": "no"})
    assert engine.end(arn).output == {"Error": "ReviewRejected", "Cause": "no"}


@case
def nobody_comes_back_and_that_is_a_timeout(engine: Engine) -> None:
    engine.functions["works"] = Tokens()
    ended = engine.run({"A": waiting(TimeoutSeconds=1, Catch=[catch(["States.Timeout"], "B")]), "B": PASSED})
    assert ended.status == "SUCCEEDED"


@case
def each_try_has_a_token_of_its_own(engine: Engine) -> None:
    tokens = engine.functions["works"] = Tokens()
    arn = engine.start({"A": waiting(Retry=[retry(["Again"], MaxAttempts=1)])})
    engine.ask("SendTaskFailure", {"taskToken": tokens.next(), "error": "Again"})
    engine.ask("SendTaskSuccess", {"taskToken": tokens.next(), "output": "1"})
    engine.end(arn)
    assert len(set(tokens.handed)) == 2


@case
def a_function_that_fails_fails_the_task_that_would_wait(engine: Engine) -> None:
    state = waiting("broken", TimeoutSeconds=1, Catch=[catch(["Broken"], "B")])
    assert engine.run({"A": state, "B": PASSED}).status == "SUCCEEDED"


@case
def a_token_that_was_used_is_a_task_timed_out(engine: Engine) -> None:
    tokens = engine.functions["works"] = Tokens()
    arn = engine.start({"A": waiting()})
    engine.ask("SendTaskSuccess", {"taskToken": tokens.next(), "output": "1"})
    engine.end(arn)
    refused = engine.ask("SendTaskSuccess", {"taskToken": tokens.handed[0], "output": "1"}, 400)
    assert "TaskTimedOut" in refused["__type"]


@case
def a_token_that_is_none_is_refused(engine: Engine) -> None:
    refused = engine.ask("SendTaskSuccess", {"taskToken": "none", "output": "1"}, 400)
    assert "InvalidToken" in refused["__type"]


@case
def without_a_heartbeat_a_task_is_lost(engine: Engine) -> None:
    engine.functions["works"] = Tokens()
    state = waiting(HeartbeatSeconds=1, TimeoutSeconds=3, Catch=[catch(["States.HeartbeatTimeout"], "B")])
    assert engine.run({"A": state, "B": PASSED}).status == "SUCCEEDED"


# --- JSONata: "Transforming data with JSONata in Step Functions" ----------------------------------


@case
def what_is_not_there_is_a_query_evaluation_error(engine: Engine) -> None:
    ended = engine.run({"A": task(Output="{% $states.input.nothing %}")})
    assert (ended.status, ended.error) == ("FAILED", "States.QueryEvaluationError")


@case
def a_query_that_fails_can_be_caught(engine: Engine) -> None:
    state = task(Output="{% $states.input.nothing %}", Catch=[catch(["States.QueryEvaluationError"], "B")])
    assert engine.run({"A": state, "B": PASSED}).status == "SUCCEEDED"


@case
def without_output_a_tasks_result_is_its_output(engine: Engine) -> None:
    state = task()
    del state["Output"]
    assert engine.run({"A": state}, {"given": 1}).output["Payload"] == {"given": 1}


@case
def the_context_names_the_execution(engine: Engine) -> None:
    arguments = {"FunctionName": "works", "Payload": "{% $states.context.Execution.Name %}"}
    ended = engine.run({"A": task(Arguments=arguments)})
    assert ended.output == ended.arn.rpartition(":")[2]


@case
def a_fail_state_takes_its_error_from_a_query(engine: Engine) -> None:
    states = {"A": task(Assign={"kept": "Planned"}, Next="B"), "B": {"Type": "Fail", "Error": "{% $kept %}"}}
    assert engine.run(states).error == "Planned"


# --- variables: "Passing data between states with variables" --------------------------------------


@case
def what_is_assigned_is_there_in_the_states_that_follow(engine: Engine) -> None:
    states = {
        "A": task(Assign={"kept": "{% $states.result.Payload.given %}"}, Next="B"),
        "B": task(Output="{% $kept %}"),
    }
    assert engine.run(states, {"given": 7}).output == 7


@case
def assignments_see_what_was_before_them(engine: Engine) -> None:
    states = {
        "A": task(Assign={"x": 1, "y": 2}, Next="B"),
        "B": task(Assign={"x": "{% $y %}", "y": "{% $x %}"}, Output="{% $x %}", Next="C"),
        "C": task(Output="{% [$states.input, $x, $y] %}"),
    }
    assert engine.run(states).output == [1, 2, 1]


@case
def a_try_that_failed_has_assigned_nothing(engine: Engine) -> None:
    states = {
        "A": task(Assign={"kept": "before"}, Next="B"),
        "B": task("broken", Assign={"kept": "after"}, Catch=[catch(["States.ALL"], "C")]),
        "C": task(Output="{% $kept %}"),
    }
    assert engine.run(states).output == "before"


# --- history: GetExecutionHistory of the API Reference --------------------------------------------


@case
def a_task_leaves_these_events(engine: Engine) -> None:
    assert engine.run({"A": task()}).types == [
        "ExecutionStarted",
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ]


@case
def a_retry_enters_no_state_again(engine: Engine) -> None:
    engine.functions["fails"] = fails("Broken")
    types = engine.run({"A": task("fails", Retry=[retry(["Broken"])])}).types
    counts = [types.count(kind) for kind in ("TaskStateEntered", "TaskScheduled", "TaskFailed", "TaskSucceeded")]
    assert counts == [1, 2, 1, 1]


@case
def a_failed_try_is_told_with_error_and_cause(engine: Engine) -> None:
    history = engine.run({"A": task("broken")}).history
    told = next(event["taskFailedEventDetails"] for event in history if event["type"] == "TaskFailed")
    assert (told["error"], json.loads(told["cause"])["errorMessage"]) == ("Broken", "as planned")


@case
def a_catch_leaves_the_state_that_it_is_of(engine: Engine) -> None:
    history = engine.run({"A": task("broken", Catch=[catch(["Broken"], "B")]), "B": PASSED}).history
    left = [event["stateExitedEventDetails"]["name"] for event in history if event["type"].endswith("StateExited")]
    assert left == ["A", "B"]


@case
def events_are_numbered_and_name_the_one_before(engine: Engine) -> None:
    history = engine.run({"A": task()}).history
    assert [event["id"] for event in history] == list(range(1, len(history) + 1))
    assert [event["previousEventId"] for event in history] == list(range(len(history)))


# --- starting and stopping: StartExecution and StopExecution of the API Reference ----------------


@case
def the_same_start_of_what_runs_is_the_same_execution(engine: Engine) -> None:
    engine.functions["works"] = Tokens()
    asked = {"stateMachineArn": engine.machine({"A": waiting()}), "name": "once", "input": "{}"}
    first = engine.ask("StartExecution", asked)["executionArn"]
    assert engine.ask("StartExecution", asked)["executionArn"] == first


@case
def another_input_under_the_name_of_what_runs_is_refused(engine: Engine) -> None:
    engine.functions["works"] = Tokens()
    asked = {"stateMachineArn": engine.machine({"A": waiting()}), "name": "twice", "input": "{}"}
    engine.ask("StartExecution", asked)
    assert "ExecutionAlreadyExists" in engine.ask("StartExecution", {**asked, "input": "[]"}, 400)["__type"]


@case
def a_name_is_used_up_once_its_execution_is_over(engine: Engine) -> None:
    asked = {"stateMachineArn": engine.machine({"A": task()}), "name": "over", "input": "{}"}
    engine.end(engine.ask("StartExecution", asked)["executionArn"])
    assert "ExecutionAlreadyExists" in engine.ask("StartExecution", asked, 400)["__type"]


@case
def an_input_that_is_no_json_is_refused(engine: Engine) -> None:
    asked = {"stateMachineArn": engine.machine({"A": task()}), "input": "{"}
    assert "InvalidExecutionInput" in engine.ask("StartExecution", asked, 400)["__type"]


@case
def a_name_is_at_most_eighty_characters_of_some(engine: Engine) -> None:
    machine = engine.machine({"A": task()})
    for name in ("a" * 81, "a b", 'a"b'):
        asked = {"stateMachineArn": machine, "name": name, "input": "{}"}
        assert "InvalidName" in engine.ask("StartExecution", asked, 400)["__type"]


@case
def what_is_stopped_is_aborted_under_the_given_error(engine: Engine) -> None:
    engine.functions["works"] = Tokens()
    arn = engine.start({"A": waiting()})
    eventually(lambda: engine.invoked, "it waits")
    engine.ask("StopExecution", {"executionArn": arn, "error": "Destroyed", "cause": "by hand"})
    ended = engine.end(arn)
    assert (ended.status, ended.error, ended.types[-1]) == ("ABORTED", "Destroyed", "ExecutionAborted")


@case
def a_result_above_256_kilobytes_is_refused(engine: Engine) -> None:
    engine.functions["works"] = lambda _: "x" * 300_000
    assert engine.run({"A": task()}).error == "States.DataLimitExceeded"


# --- status: "Automating Step Functions event delivery with EventBridge" --------------------------


@case
def each_status_is_an_event_with_times_in_milliseconds(engine: Engine) -> None:
    ended = engine.run({"A": task("broken")}, {"given": 1})

    def told() -> list[dict[str, Any]]:
        # Of the case before the last one may come only now.
        details = [json.loads(event["Detail"]) for event in engine.events]
        return [detail for detail in details if detail["executionArn"] == ended.arn]

    eventually(lambda: len(told()) == 2, "two events")
    details = told()
    assert [detail["status"] for detail in details] == ["RUNNING", "FAILED"]
    assert details[0]["stopDate"] is None
    assert details[1]["stopDate"] >= details[1]["startDate"] > 10**12
    assert (details[1]["error"], json.loads(details[1]["input"])) == ("Broken", {"given": 1})


@case
def what_a_function_raises_is_the_errors_name(engine: Engine) -> None:
    def raises(_: object) -> None:
        raise Raised("PaymentDeclined", "no")

    engine.functions["raises"] = raises
    assert engine.run({"A": task("raises")}).error == "PaymentDeclined"


@pytest.mark.parametrize("name", _CASES)
def test_the_engine_is_as_aws_documents(engine: Engine, name: str, request: pytest.FixtureRequest) -> None:
    if name in MISSES:
        request.applymarker(pytest.mark.xfail(strict=True, reason="docs/LOCAL.md", raises=(AssertionError, KeyError)))
    _CASES[name](engine)


def test_each_miss_is_of_a_case() -> None:
    assert set(_CASES) >= MISSES
