"""ShipStation's own client ships at the sandbox, and what it has no words for is asked without it.

The client is `shipengine`, of the time when the API was ShipEngine's; the one of today, for JavaScript, is on no
registry that this project installs from.
"""

from __future__ import annotations

from typing import Any

import pytest
import requests

from providers.conftest import Sandbox
from providers.exchanges import Recorded


def booking(reference: str = "ord-1-1", **more: Any) -> dict[str, Any]:
    """As the adapter asks for one."""
    return {
        "shipment": {
            "carrier_id": "se-123",
            "service_code": "usps_priority_mail",
            "warehouse_id": "se-456",
            "external_shipment_id": reference,
            "external_order_id": "ord-1",
            "ship_to": {
                "name": "Ada Example",
                "phone": "555-0100",
                "address_line1": "1 Main St",
                "address_line2": None,
                "city_locality": "Springfield",
                "state_province": "IL",
                "postal_code": "62701",
                "country_code": "US",
                "address_residential_indicator": "unknown",
                **more,
            },
            "packages": [{"weight": {"value": 500, "unit": "gram"}}],
        }
    }


def test_a_label_is_bought_found_and_voided(carrier: Any, sandbox: Sandbox) -> None:
    label = carrier.create_label_from_shipment(booking())
    assert (label["status"], label["voided"], label["external_shipment_id"]) == ("completed", False, "ord-1-1")
    found = carrier.list_labels_by_tracking_number(label["tracking_number"])
    assert [one["label_id"] for one in found["labels"]] == [label["label_id"]]
    assert (found["total"], found["page"], found["pages"]) == (1, 1, 1)
    voided = carrier.void_label_by_label_id(label["label_id"], {})
    assert voided["approved"] is True
    again = carrier.void_label_by_label_id(label["label_id"], {})
    assert (again["approved"], again["reason_code"]) == (False, "label_already_voided")
    assert len(sandbox.ledger()["cancelled_shipments"]) == 1


def test_no_label_is_an_empty_page(carrier: Any) -> None:
    found = carrier.list_labels_by_tracking_number("nobody-has-this")
    assert (found["labels"], found["total"], found["pages"]) == ([], 0, 0)


def test_a_taken_reference_is_a_conflict(carrier: Any) -> None:
    from shipengine.errors import ShipEngineError

    carrier.create_label_from_shipment(booking())
    with pytest.raises(ShipEngineError) as refused:
        carrier.create_label_from_shipment(booking())
    assert (refused.value.error_type, refused.value.error_code) == ("business_rules", "identifier_conflict")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"postal_code": "00000"}, "invalid_address"),
        ({"postal_code": ""}, "field_value_required"),
        ({"country_code": "USA"}, "invalid_field_value"),
    ],
)
def test_a_wrong_address_is_the_clients_exception(carrier: Any, wrong: dict[str, str], code: str) -> None:
    from shipengine.errors import ShipEngineError

    with pytest.raises(ShipEngineError) as refused:
        carrier.create_label_from_shipment(booking(**wrong))
    assert refused.value.error_code == code


def test_what_is_not_there_is_the_clients_exception(carrier: Any) -> None:
    from shipengine.errors import ShipEngineError

    with pytest.raises(ShipEngineError) as refused:
        carrier.void_label_by_label_id("se-1", {})
    assert refused.value.error_code == "invalid_identifier"


def test_a_fault_of_the_carriers_is_the_clients_exception(carrier: Any, sandbox: Sandbox) -> None:
    from shipengine.errors import ShipEngineError

    # It reads the error, and stumbles over its source, which was `shipengine` in its time.
    sandbox.plant("book", "error", provider="carrier", status=500)
    with pytest.raises(ValueError, match=r"\[ShipStation\]"):
        carrier.create_label_from_shipment(booking())
    sandbox.plant("cancel", "decline", provider="carrier")
    label = carrier.create_label_from_shipment(booking())
    assert carrier.void_label_by_label_id(label["label_id"], {})["reason_code"] == "contact_carrier"
    sandbox.plant("book", "decline", provider="carrier")
    with pytest.raises(ShipEngineError) as refused:
        carrier.create_label_from_shipment(booking("ord-2-1"))
    assert refused.value.error_code == "invalid_address"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500, 503])
@pytest.mark.parametrize("operation", ["prepare", "book", "cancel"])
def test_every_planted_error_has_the_providers_shape(
    raw: Recorded, sandbox: Sandbox, operation: str, status: int
) -> None:
    sandbox.plant(operation, "error", provider="carrier", status=status)
    if operation == "prepare":
        answer = raw.post(f"{sandbox.url}/v2/shipments", json={"shipments": [booking()["shipment"]]})
    elif operation == "book":
        answer = raw.post(f"{sandbox.url}/v2/labels", json=booking())
    else:
        answer = raw.put(f"{sandbox.url}/v2/labels/se-1/void")
    assert answer.status_code == status
    assert status != 429 or answer.headers["retry-after"] == "1"


def test_a_label_and_its_shipment_are_found_by_our_own_id(raw: Recorded, sandbox: Sandbox) -> None:
    label = raw.post(f"{sandbox.url}/v2/labels", json=booking()).json()
    for by in (label["label_id"], "external_shipment_id/ord-1-1"):
        assert raw.get(f"{sandbox.url}/v2/labels/{by}").json() == label
    for by in (label["shipment_id"], "external_shipment_id/ord-1-1"):
        shipment = raw.get(f"{sandbox.url}/v2/shipments/{by}").json()
        assert (shipment["shipment_id"], shipment["shipment_status"]) == (label["shipment_id"], "label_purchased")
    raw.put(f"{sandbox.url}/v2/labels/{label['label_id']}/void")
    voided = raw.get(f"{sandbox.url}/v2/labels/external_shipment_id/ord-1-1").json()
    assert (voided["status"], voided["voided"]) == ("voided", True)
    assert voided["voided_at"]


def prepared(raw: Recorded, sandbox: Sandbox, reference: str = "ord-1-1") -> str:
    """A shipment without a label, as the adapter makes one first; its id."""
    made = raw.post(f"{sandbox.url}/v2/shipments", json={"shipments": [booking(reference)["shipment"]]})
    assert (made.status_code, made.json()["has_errors"]) == (200, False)
    shipment: str = made.json()["shipments"][0]["shipment_id"]
    return shipment


def test_a_shipment_is_made_updated_and_a_label_bought_for_it(raw: Recorded, sandbox: Sandbox) -> None:
    shipment = prepared(raw, sandbox)
    taken = raw.post(f"{sandbox.url}/v2/shipments", json={"shipments": [booking()["shipment"]]})
    assert (taken.status_code, taken.json()["errors"][0]["error_code"]) == (400, "identifier_conflict")
    found = raw.get(f"{sandbox.url}/v2/shipments/external_shipment_id/ord-1-1").json()
    assert (found["shipment_id"], found["shipment_status"]) == (shipment, "pending")
    updated = raw.put(f"{sandbox.url}/v2/shipments/{shipment}", json=booking(postal_code="62702")["shipment"])
    assert updated.json()["ship_to"]["postal_code"] == "62702"
    label = raw.post(f"{sandbox.url}/v2/labels/shipment/{shipment}", json={}).json()
    assert (label["shipment_id"], label["external_shipment_id"]) == (shipment, "ord-1-1")
    late = raw.put(f"{sandbox.url}/v2/shipments/{shipment}", json=booking()["shipment"])
    assert (late.status_code, late.json()["errors"][0]["error_code"]) == (400, "invalid_status")


def test_a_shipment_without_a_label_is_cancelled(raw: Recorded, sandbox: Sandbox) -> None:
    shipment = prepared(raw, sandbox)
    assert raw.put(f"{sandbox.url}/v2/shipments/{shipment}/cancel").status_code == 204
    assert raw.post(f"{sandbox.url}/v2/labels/shipment/{shipment}", json={}).status_code == 400


def test_labels_are_filtered(raw: Recorded, sandbox: Sandbox) -> None:
    shipment = prepared(raw, sandbox)
    first, second = (
        raw.post(f"{sandbox.url}/v2/labels/shipment/{shipment}", json={}).json()["label_id"] for _ in range(2)
    )
    raw.put(f"{sandbox.url}/v2/labels/{first}/void")
    prepared(raw, sandbox, "ord-2-1")
    for query, wanted in {
        f"shipment_id={shipment}": [second, first],
        f"shipment_id={shipment}&sort_dir=asc": [first, second],
        f"shipment_id={shipment}&label_status=completed": [second],
        "label_status=voided": [first],
        "carrier_id=se-123&service_code=usps_priority_mail&warehouse_id=se-456": [second, first],
        "created_at_end=2020-01-01T00:00:00Z": [],
    }.items():
        found = raw.get(f"{sandbox.url}/v2/labels?{query}").json()
        assert [label["label_id"] for label in found["labels"]] == wanted, query


def test_a_label_costs_something(raw: Recorded, sandbox: Sandbox) -> None:
    label = raw.post(f"{sandbox.url}/v2/labels", json=booking()).json()
    assert label["shipment_cost"] == {"currency": "usd", "amount": 5.99}


def test_every_answer_names_its_request(raw: Recorded, sandbox: Sandbox) -> None:
    answers = [raw.post(f"{sandbox.url}/v2/labels", json=booking()) for _ in range(2)]
    named = [answer.headers["x-shipengine-requestid"] for answer in answers]
    assert len(set(named)) == 2
    assert answers[1].json()["request_id"] == named[1]


def test_labels_are_listed_a_page_at_a_time(raw: Recorded, sandbox: Sandbox) -> None:
    made = [raw.post(f"{sandbox.url}/v2/labels", json=booking(f"ord-{n}-1")).json()["label_id"] for n in range(5)]
    seen: list[str] = []
    url = f"{sandbox.url}/v2/labels?page_size=2"
    for _ in range(3):
        page = raw.get(url).json()
        assert (page["total"], page["pages"]) == (5, 3)
        seen += [label["label_id"] for label in page["labels"]]
        following = page["links"]["next"].get("href")
        url = f"{sandbox.url}{following}"
    assert following is None
    assert seen == made[::-1]


def test_labels_are_listed_by_when_they_were_made(raw: Recorded, sandbox: Sandbox) -> None:
    first, second = (raw.post(f"{sandbox.url}/v2/labels", json=booking(f"ord-{n}-1")).json() for n in range(2))

    def listed(query: str) -> list[str]:
        labels = raw.get(f"{sandbox.url}/v2/labels?sort_by=created_at&{query}").json()["labels"]
        return [label["label_id"] for label in labels]

    both = [first["label_id"], second["label_id"]]
    assert listed("sort_dir=asc") == both
    assert listed("sort_dir=desc") == both[::-1]
    assert listed(f"created_at_start={second['created_at']}") == both[1:]
    assert listed(f"created_at_end={first['created_at']}") == both[:1]
    for wrong in ("created_at_start=yesterday", "sort_dir=up"):
        assert raw.get(f"{sandbox.url}/v2/labels?{wrong}").status_code == 400


def test_who_has_no_key_is_told_so(raw: Recorded, sandbox: Sandbox) -> None:
    del raw.headers["API-Key"]
    assert raw.post(f"{sandbox.url}/v2/labels", json=booking()).status_code == 401
    assert raw.get(f"{sandbox.url}/v2/labels?shipment_id=se-1").status_code == 401


def test_no_label_is_an_empty_body(raw: Recorded, sandbox: Sandbox) -> None:
    for by in ("se-1", "external_shipment_id/ord-9-1"):
        assert raw.get(f"{sandbox.url}/v2/labels/{by}").status_code == 404
        assert raw.get(f"{sandbox.url}/v2/shipments/{by}").status_code == 404


def test_a_lost_answer_is_no_answer(raw: Recorded, sandbox: Sandbox) -> None:
    sandbox.plant("book", "lose_response", provider="carrier")
    with pytest.raises(requests.ConnectionError):
        raw.post(f"{sandbox.url}/v2/labels", json=booking())
    assert raw.get(f"{sandbox.url}/v2/labels/external_shipment_id/ord-1-1").status_code == 200


# --- parcels and customs ------------------------------------------------------------------------------------


def parcels(*grams: int) -> list[dict[str, Any]]:
    size = {"unit": "centimeter", "length": 20, "width": 15, "height": 10.5}
    return [{"weight": {"value": value, "unit": "gram"}, "dimensions": size} for value in grams]


def declared(*grams: int) -> dict[str, Any]:
    """A shipment abroad, as the adapter asks for one."""
    product = {
        "sku": "MUG-01",
        "description": "Ceramic mug",
        "quantity": 2,
        "value": {"currency": "usd", "amount": 12.99},
        "weight": {"value": 350, "unit": "gram"},
        "harmonized_tariff_code": "691200",
        "country_of_origin": "PT",
    }
    wanted = booking(country_code="CH", postal_code="8001")
    wanted["shipment"]["packages"] = [{**package, "products": [product]} for package in parcels(*grams)]
    wanted["shipment"]["customs"] = {"contents": "merchandise", "non_delivery": "return_to_sender"}
    return wanted


def test_one_label_has_a_tracking_number_for_each_of_its_parcels(carrier: Any, raw: Recorded, sandbox: Sandbox) -> None:
    wanted = booking()
    wanted["shipment"]["packages"] = parcels(500, 700)
    label = carrier.create_label_from_shipment(wanted)
    numbers = [package["tracking_number"] for package in label["packages"]]
    assert numbers[0] == label["tracking_number"]
    assert len(set(numbers)) == 2
    assert [package["weight"]["value"] for package in label["packages"]] == [500, 700]
    assert label["shipment_cost"]["amount"] == 7.39
    shipment = raw.get(f"{sandbox.url}/v2/shipments/{label['shipment_id']}").json()
    assert shipment["total_weight"] == {"value": 1200, "unit": "gram"}


def test_what_goes_abroad_is_declared(carrier: Any) -> None:
    label = carrier.create_label_from_shipment(declared(700))
    assert label["is_international"] is True


@pytest.mark.parametrize("missing", ["customs", "products", "harmonized_tariff_code", "country_of_origin", "value"])
def test_what_is_not_declared_stays(carrier: Any, missing: str) -> None:
    from shipengine.errors import ShipEngineError

    wanted = declared(700, 700)
    package = wanted["shipment"]["packages"][1]
    if missing == "customs":
        del wanted["shipment"]["customs"]
    elif missing == "products":
        del package["products"]
    else:
        package["products"] = [{name: value for name, value in package["products"][0].items() if name != missing}]
    # The client is of a time before this code.
    with pytest.raises((ShipEngineError, ValueError)) as refused:
        carrier.create_label_from_shipment(wanted)
    assert "customs_items_required" in (getattr(refused.value, "error_code", None) or str(refused.value))


@pytest.mark.parametrize(
    "wrong",
    [
        {"weight": {"value": 0, "unit": "gram"}},
        {"weight": {"value": 1, "unit": "stone"}},
        {"weight": {"value": 1, "unit": "gram"}, "dimensions": {"unit": "centimeter", "length": 1, "width": 1}},
    ],
)
def test_a_parcel_that_is_none_is_refused(raw: Recorded, sandbox: Sandbox, wrong: dict[str, Any]) -> None:
    wanted = booking()
    wanted["shipment"]["packages"].append(wrong)
    answer = raw.post(f"{sandbox.url}/v2/labels", json=wanted)
    assert (answer.status_code, answer.json()["errors"][0]["error_code"]) == (400, "invalid_field_value")


def test_a_label_can_be_printed(raw: Recorded, sandbox: Sandbox) -> None:
    label = raw.post(f"{sandbox.url}/v2/labels", json=booking()).json()
    # No key is asked for: whoever has its address reads it.
    with requests.Session() as anybody:
        anybody.trust_env = False
        document = anybody.get(label["label_download"]["pdf"])
    assert (document.headers["content-type"], document.content[:4]) == ("application/pdf", b"%PDF")


# --- addresses ----------------------------------------------------------------------------------------------


def address(**more: str) -> dict[str, str]:
    """As the adapter asks about one: without a name."""
    return {
        "address_line1": "1 Main St",
        "city_locality": "Springfield",
        "state_province": "IL",
        "postal_code": "62701",
        "country_code": "US",
        **more,
    }


@pytest.mark.parametrize(
    ("asked", "status", "detail"),
    [
        ({}, "verified", None),
        ({"postal_code": "00000"}, "verified", None),
        ({"postal_code": "99998"}, "warning", "suite_missing"),
        ({"postal_code": "99999"}, "error", "address_not_found"),
        ({"country_code": "AQ"}, "error", "unsupported_country"),
        ({"country_code": "USA"}, "unverified", "unsupported_country"),
    ],
)
def test_addresses_are_looked_up(
    raw: Recorded, sandbox: Sandbox, asked: dict[str, str], status: str, detail: str | None
) -> None:
    [told] = raw.post(f"{sandbox.url}/v2/addresses/validate", json=[address(**asked)]).json()
    assert told["status"] == status
    assert [message["detail_code"] for message in told["messages"]] == ([detail] if detail else [])
    assert (told["matched_address"] is None) == (status in ("error", "unverified"))


def test_the_client_reads_what_comes_of_looking_addresses_up(carrier: Any) -> None:
    told = carrier.validate_addresses([address(), address(postal_code="99999")])
    assert [one["status"] for one in told] == ["verified", "error"]


@pytest.mark.parametrize("body", [{}, [], [{}] * 251])
def test_what_is_no_list_of_addresses_is_refused(raw: Recorded, sandbox: Sandbox, body: Any) -> None:
    assert raw.post(f"{sandbox.url}/v2/addresses/validate", json=body).status_code == 400


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_looking_addresses_up_fails_as_everything_does(raw: Recorded, sandbox: Sandbox, status: int) -> None:
    sandbox.plant("validate", "error", provider="carrier", status=status)
    answer = raw.post(f"{sandbox.url}/v2/addresses/validate", json=[address()])
    assert answer.status_code == status
    assert status != 429 or answer.headers["retry-after"] == "1"
