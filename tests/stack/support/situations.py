"""Orders in situations that no fault of a provider leads to, and that the monitor and people have to deal with."""

from __future__ import annotations

import json
import uuid

import aws
from common import REGION
from support.shop import REVIEWED, Shop
from support.tables import Tables, ago_ms
from support.waiting import eventually

# When a claim or a decision is from long ago.
_EVER = 0


class Situations:
    """Each method plants one and answers the order's id."""

    def __init__(self, shop: Shop, tables: Tables):
        self._shop = shop
        self._tables = tables
        self._workflow = aws.client("stepfunctions", shop.settings, REGION)
        self._functions = aws.client("lambda", shop.settings, REGION)
        self._machine: str = shop.endpoints["state_machine_arn"]

    def waiting(self) -> str:
        """In review, with its execution waiting for a person."""
        order = self._shop.submit(REVIEWED)
        self._shop.becomes(order, {"status": "in_review"})
        eventually(lambda: self._tables.review_token(order), f"{order} waits with a token")
        return order

    def never_started(self) -> str:
        """Accepted long ago, and nobody started it."""
        order = f"check-{uuid.uuid4()}"
        self._tables.accept_unstarted(order, model=self._shop.completed())
        return order

    def approved_unheard(self) -> str:
        """Approved long ago, and whoever approved it died before waking the execution."""
        order = self.waiting()
        expression = "SET stage = :stage, review.decision = :decision, review.decided_at = :ever"
        self._tables.change_state(order, expression, stage="validated", decision="approved", ever=_EVER)
        return order

    def rejected_unheard(self) -> str:
        """The same with a rejection."""
        order = self.waiting()
        expression = "SET review.decision = :decision, review.decided_at = :ever"
        self._tables.change_state(order, expression, decision="rejected", ever=_EVER)
        return order

    def unheard_payment(self) -> str:
        """Its execution was stopped by hand while a payment was under way."""
        order = self.waiting()
        expression = (
            "SET stage = :stage, #authorize = :claim, validated_at = :ever, "
            "review.decision = :decision, review.decided_at = :ever"
        )
        claim = {"owner": "nobody", "since": _EVER, "until": _EVER}
        self._tables.change_state(order, expression, stage="validated", claim=claim, decision="approved", ever=_EVER)
        self.stop(order)
        return order

    def stop(self, order: str) -> None:
        """As somebody does in AWS's console, and nobody is at work on it any more."""
        self._workflow.stop_execution(
            executionArn=f"{self._machine.replace(':stateMachine:', ':execution:')}:{order}-1"
        )
        self._shop.becomes(order, {"workflow": {"status": "ABORTED"}})

    def stopped_before_capture(self) -> str:
        """Its money is held and its label bought; somebody stopped its execution before the money was taken."""
        order = self._stopped_after_approval()
        self._run(order, "charge", "authorize")
        self._run(order, "ship", "book")
        return order

    def _stopped_after_approval(self) -> str:
        order = self.waiting()
        # While it waits: the local engine goes on with a task that is retried when its execution is stopped.
        self.stop(order)
        expression = "SET stage = :stage, validated_at = :now, review.decision = :decision, review.decided_at = :now"
        self._tables.change_state(order, expression, stage="validated", decision="approved", now=ago_ms(days=0))
        return order

    def _run(self, order: str, step: str, action: str) -> None:
        """As its execution would."""
        task = {"action": action, "order_id": order, "attempt": 1, "execution": f"{order}-1"}
        answer = self._functions.invoke(FunctionName=f"orders-local-{step}", Payload=json.dumps(task))
        assert "FunctionError" not in answer, answer["Payload"].read().decode()

    def payer_erased(self) -> str:
        """Approved, but nobody knows any more who is to pay: a fault of ours."""
        order = self.waiting()
        self._tables.erase_personal_data(order)
        self._shop.orderctl("approve", order, "--reason", "a check of the monitor")
        self._shop.becomes(order, {"workflow": {"status": "FAILED"}})
        return order

    def overdue(self) -> str:
        """In a step for longer than its limit, with its execution at work."""
        order = self.waiting()
        self._tables.change_state(order, "SET stage = :stage, validated_at = :ever", stage="validated", ever=_EVER)
        return order

    def let_go_on(self, order: str) -> None:
        """Wakes the execution of an order that is overdue."""
        self._tables.change_state(order, "SET review.decision = :decision", decision="approved")
        self._workflow.send_task_success(taskToken=self._tables.review_token(order), output="{}")
        self._shop.becomes(order, {"status": "completed"})

    def forgotten_review(self) -> str:
        """Waiting for a person since long ago."""
        order = self.waiting()
        self._tables.change_state(order, "SET review.#since = :ever", ever=_EVER)
        return order

    def lapsing_hold(self) -> str:
        """Its money has been held for four days."""
        order = self.waiting()
        held = {"outcome": {"held": {"payment": "pi_nobody_knows"}}, "at": ago_ms(days=4)}
        self._tables.change_state(order, "SET stage = :stage, #authorize = :held", stage="authorized", held=held)
        return order

    def unknown_outcome(self) -> str:
        """Its execution was stopped during a payment, and the provider does not tell what became of that."""
        order = self.unheard_payment()
        self._shop.plant_fault(order, provider="payment", operation="find", mode="error", status=503, times=20)
        return order

    def lapsed_behind_our_back(self) -> str:
        """Somebody let go of its money in the provider's dashboard, while nobody was at work on it."""
        order = self._stopped_after_approval()
        self._run(order, "charge", "authorize")
        self._shop.lapse_hold(order)
        return order

    def used_label(self) -> str:
        """Its payment lapsed, and the carrier does not void its label any more: its execution has ended with that."""
        document = self._shop.document(1)
        order: str = document["order_id"]
        self._shop.plant_fault(order, provider="payment", operation="capture", mode="decline", times=1)
        self._shop.plant_fault(order, operation="cancel", mode="refuse_for_good")
        self._shop.submit_document(document)
        shipment = {"status": "cannot_be_cancelled"}
        wanted = {"status": "needs_attention", "shipment": shipment, "workflow": {"status": "FAILED"}}
        self._shop.becomes(order, wanted)
        return order

    def message_given_up(self) -> str:
        """Paid and shipped, and the message to the customer was given up."""
        order = self._shop.completed()
        self._tables.change_state(order, "SET stage = :stage REMOVE notify, closed_at", stage="captured")
        return order
