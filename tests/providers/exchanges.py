"""What the sandbox answers, held against what the provider says of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import requests
from jsonschema import Draft202012Validator
from requests import PreparedRequest, Response

_FOLDER = Path(__file__).parent / "schemas"
# Answers that are described as empty.
_EMPTY = ""

# By method, path and status: the first that fits. What fits none is not what the provider is asked for.
_STRIPE = {
    r"\w+ \S+ [45]\d\d": "error",
    r"GET /v1/payment_intents/search 200": "PaymentIntent.search",
    r"GET /v1/payment_intents 200": "PaymentIntent.list",
    r"(GET|POST) /v1/payment_intents(/pi_\w+(/\w+)?)? 200": "PaymentIntent",
    r"POST /v1/payment_methods(/pm_\w+/attach)? 200": "PaymentMethod",
    r"POST /v1/customers 200": "Customer",
    r"GET /v1/refunds 200": "Refund.list",
    r"(GET|POST) /v1/refunds(/re_\w+)? 200": "Refund",
    r"GET /v1/disputes 200": "Dispute.list",
}
_ADDRESS = [
    "name",
    "phone",
    "company_name",
    "address_line1",
    "address_line2",
    "address_line3",
    "city_locality",
    "state_province",
    "postal_code",
    "country_code",
]
_SHIPSTATION = {
    r"GET /v2/labels/\S+ 404": _EMPTY,
    r"\w+ \S+ [45]\d\d": "error_response_body",
    r"POST /v2/addresses/validate 200": "address_validation_results",
    r"POST /v2/labels 200": "create_label_response_body",
    r"POST /v2/labels/shipment/se-\w+ 200": "create_label_from_shipment_response_body",
    r"POST /v2/shipments 200": "create_shipments_response_body",
    # Described on a page of its own: update_shipment.
    r"PUT /v2/shipments/se-\w+ 200": "get_shipment_by_id_response_body",
    r"PUT /v2/shipments/se-\w+/cancel 204": _EMPTY,
    r"GET /v2/labels 200": "list_labels_response_body",
    r"PUT /v2/labels/se-\w+/void 200": "void_label_response_body",
    # Described on a page of its own, with the same body: get_label_by_external_shipment_id.
    r"GET /v2/labels/\S+ 200": "get_label_by_id_response_body",
    r"GET /v2/shipments/external_shipment_id/\S+ 200": "get_shipment_by_external_id_response_body",
    r"GET /v2/shipments/se-\w+ 200": "get_shipment_by_id_response_body",
}


# The description of the v2 API has this schema and no path for it; that is ShipEngine's,
# `validate_address_response_body` of https://github.com/ShipEngine/shipengine-openapi. What was not asked for is null
# there: its example `empty_fields`.
_BESIDE: dict[str, dict[str, Any]] = {
    "shipstation": {
        "address_validation_results": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["matched_address", "messages", "original_address", "status"],
                "additionalProperties": False,
                "properties": {
                    "status": {"$ref": "#/$defs/address_validation_status"},
                    "original_address": {"$ref": "#/$defs/address_as_asked"},
                    "matched_address": {"anyOf": [{"$ref": "#/$defs/address_as_asked"}, {"type": "null"}]},
                    "messages": {"$ref": "#/$defs/address_validation_result/properties/messages"},
                },
            },
        },
        "address_as_asked": {
            "type": "object",
            "additionalProperties": False,
            "required": [*_ADDRESS, "address_residential_indicator"],
            "properties": {
                **{name: {"type": ["string", "null"], "minLength": 1} for name in _ADDRESS},
                "address_residential_indicator": {"$ref": "#/$defs/address_residential_indicator"},
            },
        },
    }
}


class Exchanges:
    """All that was answered in a test, and what is wrong with it."""

    def __init__(self) -> None:
        self.answers: list[Response] = []
        self.wrong: list[str] = []

    def note(self, request: PreparedRequest, answer: Response) -> None:
        self.answers.append(answer)
        path = request.path_url.partition("?")[0]
        asked = f"{request.method} {path} {answer.status_code}"
        self.wrong += [f"{asked}: {what}" for what in _wrong(path, asked, answer)]

    @property
    def last(self) -> Response:
        return self.answers[-1]


class Recorded(requests.Session):
    """Notes every exchange of whoever sends by it."""

    def __init__(self, exchanges: Exchanges) -> None:
        super().__init__()
        # No proxy of this shell reaches the sandbox.
        self.trust_env = False
        self._exchanges = exchanges

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        answer = super().send(request, **kwargs)
        self._exchanges.note(request, answer)
        return answer


class AsV2(Recorded):
    """For a client that still calls the API by the paths that it had as ShipEngine's: /v1 for /v2."""

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        assert request.url is not None
        request.url = request.url.replace("/v1/", "/v2/", 1)
        return super().send(request, **kwargs)


def _wrong(path: str, asked: str, answer: Response) -> list[str]:
    provider, names = ("stripe", _STRIPE) if path.startswith("/v1") else ("shipstation", _SHIPSTATION)
    name = next((name for pattern, name in names.items() if re.fullmatch(pattern, asked)), None)
    if name is None:
        return ["an answer that the provider does not give"]
    if name is _EMPTY:
        return [] if answer.text == "" else ["a body, where the provider says that there is none"]
    if answer.headers.get("content-type") != "application/json":
        return [f"content-type {answer.headers.get('content-type')}"]
    errors = _VALIDATORS[provider, name].iter_errors(answer.json())
    return [f"{error.json_path}: {error.message[:300]}" for error in errors]


def _validators(provider: str) -> dict[tuple[str, str], Draft202012Validator]:
    defs = json.loads((_FOLDER / f"{provider}.json").read_text())["$defs"] | _BESIDE.get(provider, {})
    return {(provider, name): Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": defs}) for name in defs}


_VALIDATORS = _validators("stripe") | _validators("shipstation")
