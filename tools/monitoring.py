"""The monitor on the stack of the end-to-end tests: what it mends, what it tells, and what people then do.

    monitoring.py

Situations are planted where no fault of a provider leads to them: an order that was never started, a decision
whose execution was never told, a payment that nobody knows of. Then the schedule's sweep is called, and what
became of each order is looked at; and every alarm's metric is found in the monitor's log under exactly the
namespace, name, unit and dimensions that the alarm has.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import uuid
from contextlib import contextmanager

import aws
from common import REGION, ROOT, TARGET, Problem, Stack, aws_environment, run_tool, say, stack_named
from shop import REVIEWED, Shop

_PATIENCE_S = 30
_MONITOR = "orders-local-monitor"
_SCHEDULE = "orders-local-monitor-schedule"


class Planted:
    """Orders in situations that the monitor has to see, and its sweep."""

    def __init__(self, stack: Stack):
        self.shop = Shop(stack)
        settings = aws_environment(stack)
        self.tables = aws.client("dynamodb", settings, REGION)
        self.functions = aws.client("lambda", settings, REGION)
        self.workflow = aws.client("stepfunctions", settings, REGION)
        self.logs = aws.client("logs", settings, REGION)
        self.table = self.shop.endpoints["orders_table"]
        self.machine = self.shop.endpoints["state_machine_arn"]
        self.events = aws.client("events", settings, REGION)
        self.began_ms = int(time.time() * 1000)

    @contextmanager
    def unscheduled(self):
        """Sweeps are the check's own, so that it knows what each of them did."""
        self.events.disable_rule(Name=_SCHEDULE)
        try:
            yield
        finally:
            self.events.enable_rule(Name=_SCHEDULE)

    # --- orders

    def completed(self) -> str:
        order = self.shop.submit(1)
        self._until(order, lambda view: view["workflow"]["status"] == "SUCCEEDED")
        return order

    def waiting(self) -> str:
        """In review, with its execution waiting for a person."""
        order = self.shop.submit(REVIEWED)
        self._until(order, lambda view: view["status"] == "in_review")
        # The token is noted a moment later.
        self._wait(lambda: self.item(order, "review"), f"{order} waits with a token")
        return order

    def decided_unheard(self, decision: str) -> str:
        """Decided a while ago, and whoever decided died before waking the execution."""
        order = self.waiting()
        stage = "SET stage = :validated, " if decision == "approved" else "SET "
        values = {":decision": {"S": decision}, ":at": {"N": "0"}}
        if decision == "approved":
            values[":validated"] = {"S": "validated"}
        self._change(order, "state", f"{stage}review.decision = :decision, review.decided_at = :at", values)
        return order

    def unheard_payment(self) -> str:
        """Its execution was stopped by hand while a payment was under way."""
        order = self.waiting()
        claim = {"M": {"owner": {"S": "nobody"}, "since": {"N": "0"}, "until": {"N": "0"}}}
        values = {":validated": {"S": "validated"}, ":claim": claim, ":at": {"N": "0"}, ":approved": {"S": "approved"}}
        set_ = "SET stage = :validated, #authorize = :claim, validated_at = :at, review.decision = :approved, review.decided_at = :at"
        self._change(order, "state", set_, values)
        self.workflow.stop_execution(executionArn=self._execution(order))
        self._until(order, lambda view: view["workflow"]["status"] == "ABORTED")
        return order

    def never_started(self) -> str:
        """Accepted a while ago, and nobody started it."""
        order, model = f"check-{uuid.uuid4()}", self.completed()
        for name in ("order", "personal", "state", "watch"):
            item = self.item(model, name)
            if name == "state":
                keep = ("item", "version", "attempt", "customer_id", "total")
                item = {key: item[key] for key in keep} | {"stage": {"S": "received"}, "received_at": {"N": "1700000000000"}, "reserved_lines": {"N": "0"}}
            if name == "watch":
                item = {**item, "status": {"S": "received"}, "place": {"S": "ValidateOrder"}, "counted": {"M": {}}}
                item.pop("execution", None)
            self.tables.put_item(TableName=self.table, Item={**item, "order_id": {"S": order}})
        return order

    def erased(self) -> str:
        """Approved, but nobody knows any more who is to pay: a fault of ours."""
        order = self.waiting()
        self.tables.delete_item(TableName=self.table, Key=self._key(order, "personal"))
        self.shop.orderctl("approve", order, "--reason", "a check of the monitor")
        self._until(order, lambda view: view["workflow"]["status"] == "FAILED")
        return order

    def overdue(self) -> str:
        """In a step for longer than its limit, with its execution at work."""
        order = self.waiting()
        self._change(order, "state", "SET stage = :validated, validated_at = :at", {":validated": {"S": "validated"}, ":at": {"N": "0"}})
        return order

    def take_back_message(self, order: str) -> None:
        """As if the message to the customer had been given up."""
        self._change(order, "state", "SET stage = :captured REMOVE notify, closed_at", {":captured": {"S": "captured"}})

    def _fault(self, **fault) -> None:
        self.shop.http("POST", f"{self.shop.endpoints['sandbox']}/_sandbox/faults", {"provider": "carrier", "operation": "book", **fault})

    # --- the monitor

    def due(self, *orders: str) -> None:
        """So that the next sweep looks at them first, whatever it was going to do."""
        for order in orders:
            values = {":now": {"N": "0"}, ":shard": {"S": "0"}}
            self._change(order, "watch", "SET due_at = :now, open_shard = if_not_exists(open_shard, :shard)", values)

    def sweep(self) -> bool:
        """Answers whether it came to its end; then what it has logged can be read."""
        before = self._sweeps()
        answer = self.functions.invoke(FunctionName=_MONITOR, Payload=json.dumps({"detail-type": "Scheduled Event"}))
        answer["Payload"].read()
        if "FunctionError" in answer:
            return False
        self._wait(lambda: self._sweeps() > before, "the sweep is in the log")
        return True

    def _sweeps(self) -> int:
        return sum("Sweeps" in line for line in self.lines())

    def told(self, place: str) -> list[str]:
        """What operators were told of where orders stand in this state, the oldest first."""
        causes = [line["cause"].split("#") for line in self.lines() if line.get("message") == "operators told"]
        return [trouble for trouble, where, _ in causes if where == place]

    def lines(self) -> list[dict]:
        """What the monitor has logged since this began."""
        pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{_MONITOR}")
        texts = [line["message"] for page in pages for line in page["events"] if line["timestamp"] >= self.began_ms]
        return [json.loads(text) for text in texts if text.startswith("{")]

    def watch(self, order: str) -> dict:
        return self.item(order, "watch")

    def item(self, order: str, name: str) -> dict:
        return self.tables.get_item(TableName=self.table, Key=self._key(order, name), ConsistentRead=True).get("Item", {})

    def _key(self, order: str, name: str) -> dict:
        return {"order_id": {"S": order}, "item": {"S": name}}

    def _change(self, order: str, name: str, expression: str, values: dict) -> None:
        names = {f"#{word}": word for word in re.findall(r"#(\w+)", expression)}
        more = {"ExpressionAttributeNames": names} if names else {}
        self.tables.update_item(
            TableName=self.table, Key=self._key(order, name), UpdateExpression=expression, ExpressionAttributeValues=values, **more
        )

    def _execution(self, order: str) -> str:
        return f"{self.machine.replace(':stateMachine:', ':execution:')}:{order}-1"

    def forget_notices(self) -> None:
        """As if operators had been told of nothing yet, whatever ran on this stack before."""
        values = {":monitor": {"S": "-monitor"}}
        found = self.tables.query(TableName=self.table, KeyConditionExpression="order_id = :monitor", ExpressionAttributeValues=values)
        for item in found["Items"]:
            self.tables.delete_item(TableName=self.table, Key={"order_id": item["order_id"], "item": item["item"]})

    def _until(self, order: str, wanted) -> dict:
        view = self.shop.becomes(order, wanted, _PATIENCE_S)
        if not view:
            raise Problem(f"{order} does not become what it should", "see target/e2e/logs")
        return view

    def _wait(self, wanted, what: str):
        until = time.monotonic() + _PATIENCE_S
        while not (found := wanted()):
            if time.monotonic() > until:
                raise Problem(f"not so: {what}", "see target/e2e/logs")
            time.sleep(0.1)
        return found


class Check(Planted):
    """What becomes of them."""

    def all(self) -> None:
        self.shop.article()
        with self.unscheduled():
            self.mends()
            self.tells()
            self.tells_a_retry()
            self.sees_the_rarer_troubles()
            self.people_act()
            self.alarms_have_metrics()

    def mends(self) -> None:
        started, approved = self.never_started(), self.decided_unheard("approved")
        rejected, unheard = self.decided_unheard("rejected"), self.unheard_payment()
        self.due(started, approved, rejected, unheard)
        self._expect(self.sweep(), "the sweep comes to its end")
        self._until(started, lambda view: view["status"] == "completed")
        self._until(approved, lambda view: view["status"] == "completed")
        self._until(rejected, lambda view: view["status"] == "rejected")
        view = self._until(unheard, lambda view: view["payment"]["status"] == "none")
        self._expect(view["status"] == "needs_attention", "a stopped order is left to a person")
        for order, repair in ((started, "started"), (approved, "woken"), (rejected, "woken"), (unheard, "resolved")):
            view = self._until(order, lambda view: True)
            done = [entry["event"] for entry in view["timeline"] if entry["step"] == "monitor"]
            self._expect(repair in done, f"{repair} is on the timeline of {order}: {done}")
        say("mended: an order never started, two decisions never told, a payment that nobody knew of")

    def tells(self) -> None:
        self.forget_notices()
        earlier = len(self.told("ChargePayment"))
        # One that is told of now, and one that nobody was told of yet.
        overdue, self.unheard = self.overdue(), self.unheard_payment()
        for _ in range(2):
            self.due(overdue, self.unheard)
            self.sweep()
            troubles = list(self.watch(overdue)["troubles"]["M"])
            self._expect(troubles == ["overdue"], f"it is overdue: {troubles}")
            told = sorted(self.told("ChargePayment")[earlier:])
            self._expect(told == ["overdue", "unfinished"], f"operators are told of both, and once: {told}")
        listed = self._orderctl("orders", "--trouble", "any")
        self._expect(overdue in listed and self.unheard in listed, f"both are listed: {listed}")
        say("told: what is overdue and what is unfinished, once each, with the next action")
        # Out of the way of the other checks.
        self._change(overdue, "state", "SET review.decision = :yes", {":yes": {"S": "approved"}})
        token = self.item(overdue, "review")["task_token"]["S"]
        self.workflow.send_task_success(taskToken=token, output="{}")
        self._until(overdue, lambda view: view["status"] == "completed")

    def tells_a_retry(self) -> None:
        order = self.waiting()
        self._fault(order_id=order, mode="error", status=503, times=12)
        self._orderctl("approve", order, "--reason", "a check of the monitor")

        def retrying() -> str | None:
            self.due(order)
            self.sweep()
            line = next((line for line in self._orderctl("orders").splitlines() if line.startswith(order)), "")
            return line if " of 16, next within " in line else None

        line = self._wait(retrying, f"{order} is told to wait for its next try")
        self._expect("ShipOrder" in line and "CarrierUnavailable" in line, f"where and why: {line}")
        self._until(order, lambda view: view["status"] == "completed")
        refused = self.waiting()
        self._fault(order_id=refused, mode="decline", times=1)
        self._orderctl("approve", refused, "--reason", "a check of the monitor")
        self._until(refused, lambda view: view["status"] == "failed" and view["workflow"]["status"] == "FAILED")
        say(f"told: a task that waits for its next try: {' '.join(line.split()[1:])}")

    def sees_the_rarer_troubles(self) -> None:
        sandbox = self.shop.endpoints["sandbox"]
        forgotten = self.waiting()
        self._change(forgotten, "state", "SET review.#since = :at", {":at": {"N": "0"}})
        lapsing, four_days_ago = self.waiting(), str(int((time.time() - 4 * 24 * 3600) * 1000))
        outcome = {"M": {"held": {"M": {"payment": {"S": "pi_nobody_knows"}}}}}
        held = {"M": {"outcome": outcome, "at": {"N": four_days_ago}}}
        self._change(lapsing, "state", "SET stage = :authorized, #authorize = :held", {":authorized": {"S": "authorized"}, ":held": held})
        # The provider does not tell what became of it.
        unknown = self.unheard_payment()
        self._fault(provider="payment", operation="find", order_id=unknown, mode="error", status=503, times=20)
        # Somebody lets go of the money in the provider's dashboard, while nobody is at work on the order.
        differs = self.waiting()
        self._fault(order_id=differs, mode="error", status=503, times=100)
        self._orderctl("approve", differs, "--reason", "a check of the monitor")
        self._until(differs, lambda view: view["payment"]["status"] == "authorized")
        self.workflow.stop_execution(executionArn=self._execution(differs))
        self._until(differs, lambda view: view["workflow"]["status"] == "ABORTED")
        self.shop.http("POST", f"{sandbox}/_sandbox/lapse?order_id={differs}")

        def has(order: str, trouble: str) -> bool:
            self.due(order)
            self.sweep()
            return trouble in self.watch(order).get("troubles", {}).get("M", {})

        for order, trouble in ((forgotten, "review_overdue"), (lapsing, "hold_lapsing"), (unknown, "outcome_unknown"), (differs, "provider_differs")):
            self._wait(lambda order=order, trouble=trouble: has(order, trouble), f"{order}: {trouble}")
            self._expect(order in self._orderctl("orders", "--trouble", trouble), f"and it is listed: {trouble}")
        say("seen: a review that nobody decided, a hold about to lapse, an outcome that nobody tells, money let go of behind our back")

    def people_act(self) -> None:
        # This engine has no RedriveExecution, and says so.
        refused = self._refused("redrive", self.unheard)
        self._expect("Redrive" in refused or "redriv" in refused, f"a redrive is refused with a reason: {refused}")
        failed = self.erased()
        refused = self._refused("reprocess", failed)
        self._expect("erased" in refused, f"nobody knows who is to pay: {refused}")
        rejected = self.waiting()
        self._orderctl("reject", rejected, "--reason", "a check of the monitor")
        self._until(rejected, lambda view: view["workflow"]["status"] == "FAILED")
        self._orderctl("reprocess", rejected, "--reason", "the reviewer was wrong")
        self._until(rejected, lambda view: view["workflow"]["attempt"] == 2 and view["status"] == "in_review")
        self._orderctl("approve", rejected, "--reason", "it is fine")
        view = self._until(rejected, lambda view: view["status"] == "completed")
        events = [entry["event"] for entry in view["timeline"]]
        wanted = ["received", "rejected", "reprocess_requested", "approved", "captured"]
        self._expect(all(event in events for event in wanted), f"both attempts are on the timeline: {events}")
        refused = self._refused("reprocess", rejected)
        self._expect("paid and shipped" in refused, f"what is paid is not paid again: {refused}")
        cancelled = self.waiting()
        self._orderctl("cancel", cancelled, "--reason", "the customer called")
        view = self._until(cancelled, lambda view: view["status"] == "cancelled")
        who = [entry["detail"] for entry in view["timeline"] if entry["event"] == "cancelled" and entry["step"] == "operator"]
        self._expect(who and "the customer called" in who[0], f"who and why is on the order: {who}")
        unsent = self.unsent()
        self._orderctl("resend", unsent, "--reason", "the mail service is back")
        view = self._until(unsent, lambda view: view["notification"]["status"] == "sent")
        refused = self._refused("resend", unsent)
        self._expect("no message" in refused, f"and is not sent twice: {refused}")
        self.due(unsent)
        self.sweep()
        self._expect("due_at" not in self.watch(unsent), "it is over")
        say("people acted: reprocess, approve, reject, cancel, resend; redrive, and what must not be, refused with the reason")

    def unsent(self) -> str:
        """Paid and shipped; the message was given up."""
        order = self.completed()
        self.take_back_message(order)
        self.due(order)
        self.sweep()
        self._expect(list(self.watch(order)["troubles"]["M"]) == ["message_not_sent"], "a message is missing")
        return order

    def alarms_have_metrics(self) -> None:
        facts = json.loads((ROOT / "terraform/monitor.json").read_text())
        emitted = set()
        # A step that failed for a dependency's sake is planted by the sample orders, for ours by `erased`.
        for line in self.lines_ever():
            for declared in line.get("_aws", {}).get("CloudWatchMetrics", []):
                for dimensions in declared["Dimensions"]:
                    values = tuple(sorted((name, line[name]) for name in dimensions))
                    for metric in declared["Metrics"]:
                        self._expect(isinstance(line[metric["Name"]], int), f"{metric['Name']} has a value")
                        emitted.add((declared["Namespace"], metric["Name"], metric["Unit"], values))
        cloudwatch = aws.client("cloudwatch", aws_environment(self.shop.stack), REGION)
        pages = cloudwatch.get_paginator("describe_alarms").paginate()
        looked = 0
        for alarm in (alarm for page in pages for alarm in page["MetricAlarms"]):
            stats = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
            for metric in stats or [alarm]:
                if metric.get("Namespace") != facts["namespace"]:
                    continue
                name = metric["MetricName"]
                dimensions = tuple(sorted((one["Name"], one["Value"]) for one in metric["Dimensions"]))
                wanted = (facts["namespace"], name, facts["metrics"][name]["unit"], dimensions)
                self._expect(wanted in emitted, f"{alarm['AlarmName']} looks at a metric that was emitted: {wanted}")
                looked += 1
        # This engine forgets what NoOrders is computed from; its metric is among the ones below.
        self._expect(looked == 6, f"each alarm on one of our metrics was looked at: {looked}")
        missing = set(facts["metrics"]) - {name for _, name, _, _ in emitted}
        self._expect(not missing, f"every metric was emitted: {missing}")
        say(f"metrics: {len(facts['metrics'])} emitted, and the {looked} that alarms look at under exactly their names and dimensions")

    def lines_ever(self) -> list[dict]:
        self.began_ms = 0
        return self.lines()

    # --- the command line

    def _run(self, *arguments: str) -> subprocess.CompletedProcess:
        stack = self.shop.stack
        environment = {**os.environ, **aws_environment(stack), "ORDERS_ENDPOINTS": str(stack.endpoints_file)}
        return subprocess.run([TARGET / "debug/orderctl", *arguments], env=environment, capture_output=True, text=True, check=False)

    def _orderctl(self, *arguments: str) -> str:
        done = self._run(*arguments)
        self._expect(done.returncode == 0, f"orderctl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def _refused(self, action: str, order: str) -> str:
        done = self._run(action, order, "--reason", "a check of the monitor")
        self._expect(done.returncode != 0, f"{action} {order} is refused")
        return done.stderr

    def _expect(self, true, what: str) -> None:
        if not true:
            raise Problem(f"not so: {what}", "see target/e2e/logs, and make logs")


def main() -> None:
    Check(stack_named("e2e")).all()


if __name__ == "__main__":
    run_tool(main)
