"""Where the sandbox differs from the originals: its README has the table, and here is a proof of each row.

Each test says what is true of the original and fails at the sandbox. One that no longer fails is told, so that it
and its row are taken out.
"""

from __future__ import annotations

from typing import Any

import pytest
import requests
import stripe

from providers.conftest import Sandbox, client
from providers.exchanges import Exchanges, Recorded
from providers.test_shipstation import address, booking
from providers.test_stripe import authorization, authorized, captured

pytestmark = pytest.mark.xfail(strict=True, raises=(AssertionError, pytest.fail.Exception, stripe.InvalidRequestError))


# --- Stripe -----------------------------------------------------------------------------------------------


def test_there_is_more_than_payments_and_refunds(payments: stripe.StripeClient) -> None:
    payments.v1.charges.list()


def test_what_is_asked_for_is_expanded(payments: stripe.StripeClient) -> None:
    seen = payments.v1.payment_intents.retrieve(authorized(payments), {"expand": ["latest_charge"]})
    assert not isinstance(seen.latest_charge, str)


def test_all_that_is_sent_is_kept(payments: stripe.StripeClient) -> None:
    held = payments.v1.payment_intents.create(authorization(statement_descriptor_suffix="ORDER 1"))
    assert held.statement_descriptor_suffix == "ORDER 1"


def test_a_version_that_never_was_is_refused(payments: stripe.StripeClient) -> None:
    options: Any = {"stripe_version": "2020-01-01"}
    with pytest.raises(stripe.InvalidRequestError):
        payments.v1.payment_intents.create(authorization(), options)


def test_an_error_names_its_page(payments: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        payments.v1.payment_intents.retrieve("pi_none")
    assert refused.value.error is not None
    assert refused.value.error.doc_url == "https://stripe.com/docs/error-codes/resource-missing"


def test_a_dispute_can_be_answered(payments: stripe.StripeClient, sandbox: Sandbox) -> None:
    captured(payments)
    sandbox.happens("dispute")
    dispute = payments.v1.disputes.list().data[0].id
    payments.v1.disputes.update(dispute, {"submit": True})


def test_a_method_is_whatever_pays(payments: stripe.StripeClient) -> None:
    payments.v1.payment_methods.create({"type": "us_bank_account"})


def test_a_key_is_one_that_was_given_out(sandbox: Sandbox, exchanges: Exchanges) -> None:
    with pytest.raises(stripe.AuthenticationError):
        client(sandbox, exchanges, "sk_test_nobodys").v1.payment_intents.create(authorization())


# --- ShipStation ------------------------------------------------------------------------------------------


def test_there_is_more_than_labels(raw: Recorded, sandbox: Sandbox) -> None:
    assert raw.get(f"{sandbox.url}/v2/carriers").status_code == 200


def test_labels_are_filtered_by_all_that_is_documented(raw: Recorded, sandbox: Sandbox) -> None:
    assert raw.get(f"{sandbox.url}/v2/labels?batch_id=se-1").status_code == 200


def test_several_shipments_are_made_at_once(raw: Recorded, sandbox: Sandbox) -> None:
    several = [booking(f"ord-{n}-1")["shipment"] for n in range(2)]
    assert raw.post(f"{sandbox.url}/v2/shipments", json={"shipments": several}).status_code == 200


def test_a_carrier_is_one_of_the_account(raw: Recorded, sandbox: Sandbox) -> None:
    wanted = booking()
    wanted["shipment"]["carrier_id"] = "se-404"
    assert raw.post(f"{sandbox.url}/v2/labels", json=wanted).status_code == 400


def test_a_label_has_pages(raw: Recorded, sandbox: Sandbox) -> None:
    label = raw.post(f"{sandbox.url}/v2/labels", json=booking()).json()
    with requests.Session() as anybody:
        anybody.trust_env = False
        assert b"/Count 1" in anybody.get(label["label_download"]["pdf"]).content


def test_addresses_are_looked_up_in_a_directory(raw: Recorded, sandbox: Sandbox) -> None:
    nowhere = address(address_line1="1 No Such Street", postal_code="62702")
    [told] = raw.post(f"{sandbox.url}/v2/addresses/validate", json=[nowhere]).json()
    assert told["status"] == "error"


def test_a_server_error_is_empty(raw: Recorded, sandbox: Sandbox) -> None:
    sandbox.plant("book", "error", provider="carrier", status=500)
    assert raw.post(f"{sandbox.url}/v2/labels", json=booking()).text == ""
