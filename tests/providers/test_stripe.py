"""Stripe's own client pays at the sandbox. By `make check-providers` it does so in two versions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import stripe

import schemas
from providers.conftest import API_VERSION, Sandbox, client
from providers.exchanges import Exchanges

_SEARCH = "metadata['order_id']:'ord-1' AND metadata['attempt']:'1'"


def authorization(order_id: str = "ord-1", **more: Any) -> Any:
    """As the adapter asks for one."""
    return {
        "amount": 3098,
        "currency": "usd",
        "payment_method": "pm_card_visa",
        "payment_method_types": ["card"],
        "confirm": True,
        "capture_method": "manual",
        "metadata": {"order_id": order_id, "attempt": "1"},
        **more,
    }


def authorized(payments: stripe.StripeClient, order_id: str = "ord-1") -> str:
    return payments.v1.payment_intents.create(authorization(order_id)).id


def captured(payments: stripe.StripeClient, order_id: str = "ord-1") -> str:
    intent = authorized(payments, order_id)
    payments.v1.payment_intents.capture(intent)
    return intent


def test_a_payment_is_held_and_taken(payments: stripe.StripeClient, sandbox: Sandbox) -> None:
    held = payments.v1.payment_intents.create(authorization(), {"idempotency_key": "ord-1-1-authorize"})
    assert (held.status, held.amount_capturable, held.capture_method) == ("requires_capture", 3098, "manual")
    assert (held.metadata["order_id"], held.metadata["attempt"]) == ("ord-1", "1")
    taken = payments.v1.payment_intents.capture(held.id, {"amount_to_capture": 3000})
    assert (taken.status, taken.amount_received, taken.amount_capturable) == ("succeeded", 3000, 0)
    seen = payments.v1.payment_intents.retrieve(held.id)
    assert (seen.id, seen.status, seen.latest_charge) == (held.id, "succeeded", taken.latest_charge)
    assert [capture["amount"] for capture in sandbox.ledger()["captures"]] == [3000]


def test_a_payment_is_made_first_and_confirmed_later(payments: stripe.StripeClient, sandbox: Sandbox) -> None:
    unconfirmed: Any = authorization()
    del unconfirmed["confirm"]
    made = payments.v1.payment_intents.create(unconfirmed)
    assert (made.status, made.latest_charge) == ("requires_confirmation", None)
    assert sandbox.ledger()["authorizations"] == []
    with pytest.raises(stripe.InvalidRequestError) as refused:
        payments.v1.payment_intents.capture(made.id)
    assert refused.value.code == "payment_intent_unexpected_state"
    held = payments.v1.payment_intents.confirm(made.id)
    assert (held.id, held.status, held.amount_capturable) == (made.id, "requires_capture", 3098)
    assert [hold["amount"] for hold in sandbox.ledger()["authorizations"]] == [3098]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        payments.v1.payment_intents.confirm(made.id)
    assert refused.value.code == "payment_intent_unexpected_state"


def test_a_payment_without_a_method_gets_one_when_it_is_confirmed(payments: stripe.StripeClient) -> None:
    bare: Any = authorization()
    del bare["confirm"], bare["payment_method"]
    made = payments.v1.payment_intents.create(bare)
    assert (made.status, made.payment_method) == ("requires_payment_method", None)
    with pytest.raises(stripe.InvalidRequestError):
        payments.v1.payment_intents.confirm(made.id)
    with pytest.raises(stripe.CardError):
        payments.v1.payment_intents.confirm(made.id, {"payment_method": "pm_card_visa_chargeDeclined"})
    held = payments.v1.payment_intents.confirm(made.id, {"payment_method": "pm_card_mastercard"})
    assert (held.status, held.last_payment_error) == ("requires_capture", None)


def test_a_held_payment_is_cancelled(payments: stripe.StripeClient) -> None:
    intent = authorized(payments)
    canceled = payments.v1.payment_intents.cancel(intent, {"cancellation_reason": "abandoned"})
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "abandoned")
    assert canceled.canceled_at
    with pytest.raises(stripe.InvalidRequestError) as refused:
        payments.v1.payment_intents.capture(intent)
    assert refused.value.code == "payment_intent_unexpected_state"
    assert refused.value.error is not None
    assert refused.value.error.payment_intent is not None
    assert refused.value.error.payment_intent.status == "canceled"


def test_what_was_taken_is_given_back(payments: stripe.StripeClient) -> None:
    intent = captured(payments)
    some = payments.v1.refunds.create({"payment_intent": intent, "amount": 98, "reason": "requested_by_customer"})
    assert (some.status, some.amount, some.payment_intent) == ("succeeded", 98, intent)
    rest = payments.v1.refunds.create({"payment_intent": intent})
    assert rest.amount == 3000
    assert payments.v1.refunds.retrieve(rest.id).amount == 3000
    with pytest.raises(stripe.InvalidRequestError) as refused:
        payments.v1.refunds.create({"payment_intent": intent})
    assert refused.value.code == "charge_already_refunded"


def test_a_payment_is_taken_at_once_where_that_is_wanted(payments: stripe.StripeClient, sandbox: Sandbox) -> None:
    taken = payments.v1.payment_intents.create(authorization(capture_method="automatic"))
    assert (taken.status, taken.capture_method, taken.amount_received) == ("succeeded", "automatic", 3098)
    assert [capture["amount"] for capture in sandbox.ledger()["captures"]] == [3098]


def test_a_payment_of_the_checkouts_is_marked_as_an_orders(payments: stripe.StripeClient, sandbox: Sandbox) -> None:
    held = payments.v1.payment_intents.create(authorization(metadata={"cart": "7", "visit": "3"}))
    assert sandbox.ledger()["authorizations"][0]["order_id"] is None
    marked = payments.v1.payment_intents.update(held.id, {"metadata": {"order_id": "ord-1", "visit": ""}})
    assert marked.status == "requires_capture"
    assert (marked.metadata["cart"], marked.metadata["order_id"]) == ("7", "ord-1")
    assert "visit" not in marked.metadata
    assert sandbox.ledger()["authorizations"][0]["order_id"] == "ord-1"
    options: Any = {"idempotency_key": f"adopt-{held.id}"}
    payments.v1.payment_intents.update(held.id, {"metadata": {"order_id": "ord-1"}}, options)
    with pytest.raises(stripe.IdempotencyError):
        payments.v1.payment_intents.update(held.id, {"metadata": {"order_id": "ord-2"}}, options)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        payments.v1.payment_intents.update("pi_none", {"metadata": {"order_id": "ord-1"}})
    assert refused.value.http_status == 404


# --- customers and their methods --------------------------------------------------------------------------


def method(payments: stripe.StripeClient, card: str = "visa") -> str:
    return payments.v1.payment_methods.create({"type": "card", "card": {"token": f"tok_{card}"}}).id


def saved(payments: stripe.StripeClient, card: str = "visa") -> dict[str, str]:
    customer = payments.v1.customers.create({"email": "ada@example.com"}).id
    attached = payments.v1.payment_methods.attach(method(payments, card), {"customer": customer})
    assert attached.customer == customer
    return {"payment_method": attached.id, "customer": customer}


def test_a_method_works_once_unless_a_customer_has_saved_it(payments: stripe.StripeClient) -> None:
    single = method(payments)
    payments.v1.payment_intents.create(authorization(payment_method=single))
    for again in (
        lambda: payments.v1.payment_intents.create(authorization(payment_method=single)),
        lambda: payments.v1.payment_methods.attach(single, {"customer": saved(payments)["customer"]}),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            again()
        assert refused.value.code is None
        assert "may not be used again" in str(refused.value)
    card = saved(payments)
    for _ in range(2):
        held = payments.v1.payment_intents.create(authorization(**card, off_session=True))
        assert (held.status, held.customer) == ("requires_capture", card["customer"])


def test_a_declined_method_has_been_used(payments: stripe.StripeClient) -> None:
    single = method(payments, "chargeDeclinedInsufficientFunds")
    with pytest.raises(stripe.CardError):
        payments.v1.payment_intents.create(authorization(payment_method=single))
    with pytest.raises(stripe.InvalidRequestError):
        payments.v1.payment_intents.create(authorization(payment_method=single))


def test_a_method_is_its_customers_alone(payments: stripe.StripeClient) -> None:
    card, other = saved(payments), saved(payments)
    for wrong in (
        {"payment_method": card["payment_method"]},
        {"payment_method": card["payment_method"], "customer": other["customer"]},
        {"payment_method": method(payments), "customer": card["customer"]},
        {"payment_method": card["payment_method"], "customer": "cus_none"},
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            payments.v1.payment_intents.create(authorization(**wrong))
        assert refused.value.http_status == 400


def test_a_bank_asks_a_customer_who_is_there(payments: stripe.StripeClient, sandbox: Sandbox) -> None:
    asked = payments.v1.payment_intents.create(authorization(payment_method="pm_card_authenticationRequired"))
    assert asked.status == "requires_action"
    assert asked.next_action is not None
    sandbox.plant("authorize", "challenge")
    assert payments.v1.payment_intents.create(authorization()).status == "requires_action"
    card = saved(payments, "authenticationRequired")
    with pytest.raises(stripe.CardError) as declined:
        payments.v1.payment_intents.create(authorization(**card, off_session=True))
    assert declined.value.code == "authentication_required"
    assert payments.v1.payment_intents.cancel(asked.id).status == "canceled"
    assert sandbox.ledger()["authorizations"] == []


# --- finding again ----------------------------------------------------------------------------------------


def test_a_search_finds_by_our_own_ids(payments: stripe.StripeClient) -> None:
    intent = authorized(payments)
    authorized(payments, "ord-2")
    found = payments.v1.payment_intents.search({"query": _SEARCH})
    assert [one.id for one in found.data] == [intent]


def test_a_search_is_paged_to_its_end(payments: stripe.StripeClient) -> None:
    made = [authorized(payments) for _ in range(5)]
    found = payments.v1.payment_intents.search({"query": _SEARCH, "limit": 2})
    assert found.has_more
    assert _all(found) == made[::-1]


def test_a_list_of_payments_is_paged_to_its_end(payments: stripe.StripeClient) -> None:
    made = [authorized(payments, f"ord-{number}") for number in range(5)]
    listed = payments.v1.payment_intents.list({"limit": 2})
    assert (len(listed.data), listed.has_more) == (2, True)
    assert _all(listed) == made[::-1]
    before = payments.v1.payment_intents.list({"limit": 2, "ending_before": made[0]})
    assert [one.id for one in before.data] == [made[2], made[1]]


def test_a_list_of_payments_is_of_a_time_and_a_customer(payments: stripe.StripeClient) -> None:
    card = saved(payments)
    mine = payments.v1.payment_intents.create(authorization(**card))
    authorized(payments, "ord-2")
    assert [one.id for one in payments.v1.payment_intents.list({"customer": card["customer"]}).data] == [mine.id]
    at = mine.created
    filters: list[tuple[Any, bool]] = [
        ({"gte": at}, True),
        ({"gte": at, "lte": at}, True),
        (at, True),
        ({"gt": at + 60}, False),
        ({"lt": at}, False),
    ]
    for created, included in filters:
        listed = payments.v1.payment_intents.list({"created": created})
        assert (mine.id in [one.id for one in listed.data]) == included, created
    wrong: Any = {"created": {"since": at}}
    with pytest.raises(stripe.InvalidRequestError):
        payments.v1.payment_intents.list(wrong)


def test_what_is_hidden_is_not_found_for_as_long_as_it_is_young(
    payments: stripe.StripeClient, sandbox: Sandbox
) -> None:
    intent = authorized(payments)
    finds: list[Callable[[], Any]] = [
        lambda: payments.v1.payment_intents.list(),
        lambda: payments.v1.payment_intents.search({"query": _SEARCH}),
    ]
    for find in finds:
        sandbox.plant("find", "hide", delay_ms=60_000)
        assert find().data == []
        sandbox.plant("find", "hide", delay_ms=0)
        assert [one.id for one in find().data] == [intent]


def test_a_list_of_refunds_is_paged_to_its_end(payments: stripe.StripeClient) -> None:
    intent, other = captured(payments), captured(payments, "ord-2")
    made = [payments.v1.refunds.create({"payment_intent": intent, "amount": 1}).id for _ in range(12)]
    payments.v1.refunds.create({"payment_intent": other})
    listed = payments.v1.refunds.list({"payment_intent": intent})
    assert (len(listed.data), listed.has_more) == (10, True)
    assert _all(listed) == made[::-1]
    assert len(_all(payments.v1.refunds.list({"limit": 100}))) == 13


def test_refunds_are_listed_by_time_and_charge_and_with_their_payments(payments: stripe.StripeClient) -> None:
    intent, other = captured(payments), captured(payments, "ord-2")
    refund = payments.v1.refunds.create({"payment_intent": intent, "amount": 1})
    payments.v1.refunds.create({"payment_intent": other})
    assert refund.charge is not None
    assert _all(payments.v1.refunds.list({"charge": str(refund.charge)})) == [refund.id]
    assert len(_all(payments.v1.refunds.list({"created": {"gte": refund.created}}))) == 2
    assert _all(payments.v1.refunds.list({"created": {"gt": refund.created + 60}})) == []
    listed = payments.v1.refunds.list({"payment_intent": intent, "expand": ["data.payment_intent"]})
    expanded = listed.data[0].payment_intent
    assert isinstance(expanded, stripe.PaymentIntent)
    assert expanded.metadata["order_id"] == "ord-1"


def test_a_refund_fails_after_it_succeeded(payments: stripe.StripeClient, sandbox: Sandbox) -> None:
    intent = captured(payments)
    refund = payments.v1.refunds.create({"payment_intent": intent})
    assert refund.status == "succeeded"
    sandbox.happens("refund_failed")
    failed = payments.v1.refunds.retrieve(refund.id)
    assert (failed.status, failed.failure_reason) == ("failed", "expired_or_canceled_card")
    assert sandbox.ledger()["refunds"] == []
    assert payments.v1.refunds.create({"payment_intent": intent}).amount == 3098


def test_a_disputed_payment_is_not_refunded_until_that_is_won(payments: stripe.StripeClient, sandbox: Sandbox) -> None:
    intent = captured(payments)
    assert payments.v1.disputes.list().data == []
    sandbox.happens("dispute")
    listed = payments.v1.disputes.list({"payment_intent": intent, "expand": ["data.payment_intent"]})
    [dispute] = listed.data
    assert (dispute.status, dispute.amount, dispute.reason) == ("needs_response", 3098, "fraudulent")
    assert isinstance(dispute.payment_intent, stripe.PaymentIntent)
    assert dispute.evidence_details.due_by is not None
    with pytest.raises(stripe.InvalidRequestError) as refused:
        payments.v1.refunds.create({"payment_intent": intent})
    assert refused.value.code == "charge_disputed"
    sandbox.happens("dispute_won")
    assert payments.v1.disputes.list().data[0].status == "won"
    assert payments.v1.refunds.create({"payment_intent": intent}).status == "succeeded"


@pytest.mark.parametrize(("said", "status"), [("succeeded", "requires_capture"), ("failed", "requires_payment_method")])
def test_a_bank_may_take_its_time(payments: stripe.StripeClient, sandbox: Sandbox, said: str, status: str) -> None:
    sandbox.plant("authorize", "pending")
    intent = payments.v1.payment_intents.create(authorization())
    assert (intent.status, sandbox.ledger()["authorizations"]) == ("processing", [])
    for move in (payments.v1.payment_intents.capture, payments.v1.payment_intents.cancel):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            move(intent.id)
        assert refused.value.code == "payment_intent_unexpected_state"
    sandbox.post(f"settle?order_id=ord-1&status={said}")
    assert payments.v1.payment_intents.retrieve(intent.id).status == status


def test_a_restricted_key_may_what_it_says(sandbox: Sandbox, exchanges: Exchanges) -> None:
    reads = client(sandbox, exchanges, "rk_test_payment_intent_read")
    assert reads.v1.payment_intents.list().data == []
    calls: list[Callable[[], object]] = [
        lambda: reads.v1.payment_intents.create(authorization()),
        lambda: reads.v1.refunds.list(),
        lambda: reads.v1.disputes.list(),
    ]
    needed = ("rak_payment_intent_write", "rak_charge_read", "rak_dispute_read")
    for call, permission in zip(calls, needed, strict=True):
        with pytest.raises(stripe.PermissionError) as refused:
            call()
        assert (refused.value.http_status, refused.value.code) == (403, None)
        assert permission in str(refused.value)
    writes = client(sandbox, exchanges, "rk_test_payment_intent_write-charge_read")
    intent = authorized(writes)
    assert writes.v1.payment_intents.retrieve(intent).id == intent


def test_what_stripe_has_not_is_refused(payments: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        payments.v1.payment_intents.create(authorization(currency="xts"))
    assert refused.value.param == "currency"
    options: Any = {"stripe_version": "1999-01-01"}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        payments.v1.payment_intents.create(authorization(), options)
    assert "Invalid Stripe API version" in str(refused.value)


def test_too_many_requests_are_told_when_to_come_again(
    payments: stripe.StripeClient, sandbox: Sandbox, exchanges: Exchanges
) -> None:
    sandbox.plant("authorize", "error", status=429)
    with pytest.raises(stripe.RateLimitError) as refused:
        payments.v1.payment_intents.create(authorization())
    assert (refused.value.http_status, exchanges.last.json()["error"]["code"]) == (429, "rate_limit")
    assert exchanges.last.headers["retry-after"] == "1"


def _all(page: Any) -> list[str]:
    """The ids on all of its pages; no test waits for a list without an end."""
    ids: list[str] = []
    for one in page.auto_paging_iter():
        ids.append(one.id)
        assert len(ids) < 50, "the pages have no end"
    return ids


# --- the same again ---------------------------------------------------------------------------------------


def test_the_same_key_answers_the_same(payments: stripe.StripeClient, sandbox: Sandbox, exchanges: Exchanges) -> None:
    key: Any = {"idempotency_key": "ord-1-1-authorize"}
    first = payments.v1.payment_intents.create(authorization(), key)
    first_request = exchanges.last.headers["request-id"]
    again = payments.v1.payment_intents.create(authorization(), key)
    assert again.id == first.id
    assert exchanges.last.headers["idempotent-replayed"] == "true"
    assert exchanges.last.headers["original-request"] == first_request
    assert exchanges.last.headers["request-id"] != first_request
    assert len(sandbox.ledger()["authorizations"]) == 1


def test_the_same_key_for_something_else_is_an_error(payments: stripe.StripeClient) -> None:
    key: Any = {"idempotency_key": "ord-1-1-authorize"}
    payments.v1.payment_intents.create(authorization(), key)
    with pytest.raises(stripe.IdempotencyError) as refused:
        payments.v1.payment_intents.create(authorization(amount=1), key)
    assert refused.value.http_status == 400


# --- the client's exceptions ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "code", "decline_code"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
    ],
)
def test_a_decline_is_a_card_error(payments: stripe.StripeClient, method: str, code: str, decline_code: str) -> None:
    with pytest.raises(stripe.CardError) as declined:
        payments.v1.payment_intents.create(authorization(payment_method=method))
    error = declined.value
    assert (error.http_status, error.code) == (402, code)
    assert error.error is not None
    assert error.error.decline_code == decline_code
    assert error.request_id
    assert error.error.payment_intent is not None
    left = payments.v1.payment_intents.retrieve(error.error.payment_intent.id)
    assert left.status == "requires_payment_method"
    assert left.last_payment_error is not None
    assert left.last_payment_error.decline_code == decline_code


def test_what_is_not_there_is_an_invalid_request(payments: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        payments.v1.payment_intents.retrieve("pi_none")
    error = refused.value
    assert (error.http_status, error.code, error.param) == (404, "resource_missing", "intent")
    assert error.request_id
    with pytest.raises(stripe.InvalidRequestError) as refused:
        payments.v1.payment_intents.create(authorization(payment_method="pm_none"))
    error = refused.value
    assert (error.http_status, error.code, error.param) == (400, "resource_missing", "payment_method")


@pytest.mark.parametrize(
    ("wrong", "code", "param"),
    [
        ({"amount": None}, "parameter_missing", "amount"),
        ({"amount": "much"}, "parameter_invalid_integer", "amount"),
        ({"amounts": 1}, "parameter_unknown", "amounts"),
        ({"currency": "gold"}, None, "currency"),
    ],
)
def test_a_wrong_parameter_is_an_invalid_request(
    payments: stripe.StripeClient, wrong: dict[str, Any], code: str | None, param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        payments.v1.payment_intents.create(authorization(**wrong))
    error = refused.value
    assert (error.http_status, error.code, error.param) == (400, code, param)
    assert error.request_id


def test_a_wrong_key_is_an_authentication_error(sandbox: Sandbox, exchanges: Exchanges) -> None:
    with pytest.raises(stripe.AuthenticationError) as refused:
        client(sandbox, exchanges, "sk_live_local").v1.payment_intents.retrieve("pi_1")
    assert refused.value.http_status == 401
    assert refused.value.request_id


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, stripe.InvalidRequestError, None),
        (402, stripe.CardError, "processing_error"),
        (409, stripe.APIError, "idempotency_key_in_use"),
        (429, stripe.RateLimitError, "rate_limit"),
        (500, stripe.APIError, None),
        (503, stripe.APIError, None),
    ],
)
@pytest.mark.parametrize("operation", ["authorize", "find"])
def test_a_planted_fault_is_the_clients_exception(
    payments: stripe.StripeClient,
    sandbox: Sandbox,
    operation: str,
    status: int,
    kind: type[stripe.StripeError],
    code: str | None,
) -> None:
    sandbox.plant(operation, "error", status=status)
    calls: dict[str, Callable[[], object]] = {
        "authorize": lambda: payments.v1.payment_intents.create(authorization()),
        "find": lambda: payments.v1.payment_intents.search({"query": _SEARCH}),
    }
    with pytest.raises(stripe.StripeError) as failed:
        calls[operation]()
    assert type(failed.value) is kind
    assert failed.value.error is not None
    assert (failed.value.http_status, failed.value.error.code) == (status, code)
    assert failed.value.request_id


def test_a_fault_of_one_order_hits_whatever_is_found_of_it(payments: stripe.StripeClient, sandbox: Sandbox) -> None:
    intent, other = captured(payments), captured(payments, "ord-2")
    refund = payments.v1.refunds.create({"payment_intent": intent}).id
    finds: list[Callable[[], object]] = [
        lambda: payments.v1.payment_intents.retrieve(intent),
        lambda: payments.v1.payment_intents.search({"query": _SEARCH}),
        lambda: payments.v1.refunds.retrieve(refund),
        lambda: payments.v1.refunds.list({"payment_intent": intent}),
    ]
    for find in finds:
        sandbox.plant("find", "error", order_id="ord-1")
        payments.v1.payment_intents.retrieve(other)
        with pytest.raises(stripe.APIError):
            find()


def test_a_lost_answer_is_a_connection_error(payments: stripe.StripeClient, sandbox: Sandbox) -> None:
    sandbox.plant("authorize", "lose_response")
    with pytest.raises(stripe.APIConnectionError):
        payments.v1.payment_intents.create(authorization())
    assert len(payments.v1.payment_intents.search({"query": _SEARCH}).data) == 1


@pytest.mark.parametrize(
    ("operation", "code"), [("capture", "charge_expired_for_capture"), ("refund", "charge_disputed")]
)
def test_a_planted_no_is_in_the_providers_words(
    payments: stripe.StripeClient, sandbox: Sandbox, operation: str, code: str
) -> None:
    intent = authorized(payments) if operation == "capture" else captured(payments)
    calls: dict[str, Callable[[], object]] = {
        "capture": lambda: payments.v1.payment_intents.capture(intent),
        "refund": lambda: payments.v1.refunds.create({"payment_intent": intent}),
    }
    sandbox.plant(operation, "decline")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        calls[operation]()
    assert refused.value.code == code


def test_every_answer_names_its_request(payments: stripe.StripeClient, exchanges: Exchanges) -> None:
    intent = authorized(payments)
    payments.v1.payment_intents.retrieve(intent)
    with pytest.raises(stripe.InvalidRequestError):
        payments.v1.charges.list()
    names = [answer.headers.get("request-id", "") for answer in exchanges.answers]
    assert len(set(names)) == 3
    assert all(name.startswith("req_") for name in names)


# Of `payment_intent` and `refund` in https://github.com/stripe/openapi/blob/03af40466c67/openapi/fixtures3.json, the
# examples of the adapter's version: a schema does not say that a field which may be null is always there.
_INTENT = """
    amount amount_capturable amount_details amount_received application application_fee_amount
    automatic_payment_methods canceled_at cancellation_reason capture_method client_secret confirmation_method created
    currency customer customer_account description excluded_payment_method_types id last_payment_error latest_charge
    livemode metadata next_action object on_behalf_of payment_method payment_method_configuration_details
    payment_method_options payment_method_types processing receipt_email review setup_future_usage shipping source
    statement_descriptor statement_descriptor_suffix status transfer_data transfer_group
"""
_REFUND = """
    amount balance_transaction charge created currency destination_details id metadata object payment_intent reason
    receipt_number source_transfer_reversal status transfer_reversal
"""


def test_an_answer_has_every_field_of_the_providers_example(
    payments: stripe.StripeClient, exchanges: Exchanges
) -> None:
    intent = captured(payments)
    assert exchanges.last.json().keys() == set(_INTENT.split())
    payments.v1.refunds.create({"payment_intent": intent})
    assert exchanges.last.json().keys() == set(_REFUND.split())


def test_the_schemas_are_of_the_version_that_the_adapter_asks_for() -> None:
    kept = json.loads((schemas.FOLDER / "stripe.json").read_text())
    assert kept["version"] == API_VERSION
    if stripe._api_version._ApiVersion.CURRENT == API_VERSION:
        assert schemas.stripe() == kept, "what Stripe's client says has changed: make schemas"
