"""What the providers say about their answers, as JSON Schema, for tests/providers.

schemas.py stripe                 from Stripe's client of requirements-stripe.txt (`make schemas`)
schemas.py shipstation FILE       from the OpenAPI description of the ShipStation API v2, openapi.yaml of
                                  https://github.com/shipstation/mcp-shipstation-api

Each keeps what the sandbox answers, and leaves the words out. An object may have no field that the provider
does not name: what has one more is no double of it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import typing
from pathlib import Path
from typing import Any

import yaml

from common import ROOT, Problem, run_tool, say

FOLDER = ROOT / "tests" / "providers" / "schemas"
# The version of openapi.yaml that is in the folder.
_SHIPSTATION = "https://github.com/shipstation/mcp-shipstation-api/blob/ce1637faff44b9e6b2fb2a4f244eef1f849d57e3/"

Schema = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description="What the providers say about their answers.")
    commands = parser.add_subparsers(dest="provider", required=True)
    commands.add_parser("stripe")
    commands.add_parser("shipstation").add_argument("file", type=Path, help="openapi.yaml")
    arguments = parser.parse_args()
    schemas = stripe() if arguments.provider == "stripe" else shipstation(arguments.file)
    file = FOLDER / f"{arguments.provider}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(schemas, indent=1) + "\n")
    say(f"{file.relative_to(ROOT)}: {len(schemas['$defs'])} schemas")


# --- Stripe: its client has a class for each object, made from its OpenAPI description --------------------

# Never in an answer of the sandbox's but as null, and long.
_CLOSED = {"PaymentMethodOptions"}
# Of these objects only those parts: the sandbox has cards, and one way to ask their customer something.
_PARTS = {
    "PaymentIntent.NextAction": {"RedirectToUrl"},
    "PaymentMethod": {"BillingDetails", "Card"},
    "PaymentMethod.Card": {"Checks", "Networks", "ThreeDSecureUsage"},
}


def stripe() -> Schema:
    """From the client that is imported, which says what version of the API it is of."""
    client = importlib.import_module("stripe")
    defs: Schema = {}
    for name in ("PaymentIntent", "Refund", "Dispute", "PaymentMethod", "Customer"):
        _add_class(defs, name, getattr(client, name))
    # The error of an answer and an intent's last error are one schema, `api_errors`, in the description.
    error = _ref("PaymentIntent.LastPaymentError")
    defs["error"] = _object({"error": error}, ["error"])
    # The client's classes for these have not all fields: https://docs.stripe.com/api/pagination,
    # https://docs.stripe.com/api/pagination/search.
    for name in ("PaymentIntent", "Refund", "Dispute"):
        page = {"data": {"type": "array", "items": _ref(name)}, "has_more": {"type": "boolean"}}
        page["url"] = {"type": "string"}
        defs[f"{name}.list"] = _object({"object": {"enum": ["list"]}, **page}, ["object", *page])
        found = {"next_page": {"type": ["string", "null"]}, "total_count": {"type": "integer"}}
        defs[f"{name}.search"] = _object({"object": {"enum": ["search_result"]}, **page, **found}, ["object", *page])
    version = importlib.import_module("stripe._api_version")._ApiVersion.CURRENT
    return {
        "$comment": f"Made by tools/schemas.py from Stripe's Python client {client.VERSION}, "
        "https://github.com/stripe/stripe-python, MIT License, Copyright (c) 2010-2018 Stripe.",
        "version": version,
        "$defs": defs,
    }


def _add_class(defs: Schema, name: str, of: type) -> None:
    if name in defs:
        return
    defs[name] = {}
    fields = {
        field: kind for field, kind in of.__annotations__.items() if not field.startswith("_") and not field.isupper()
    }
    properties = {field: _of_annotation(defs, name, kind) for field, kind in fields.items()}
    required = [field for field, kind in fields.items() if type(None) not in typing.get_args(kind)]
    defs[name] = _object(properties, required)


def _of_annotation(defs: Schema, owner: str, kind: Any) -> Schema:
    """The schema of a field of this class."""
    basic = {int: "integer", str: "string", bool: "boolean", float: "number"}
    if kind in basic:
        return {"type": basic[kind]}
    origin, parts = getattr(kind, "__origin__", None), typing.get_args(kind)
    if origin is typing.Union:
        return _of_union(defs, owner, parts)
    if _is_literal(kind):
        return {"enum": list(parts)}
    if origin is list:
        return {"type": "array", "items": _of_annotation(defs, owner, parts[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of_annotation(defs, owner, parts[1])}
    if isinstance(kind, typing.ForwardRef):
        # An object of its own; of these the sandbox has two.
        return _ref(kind.__forward_arg__) if kind.__forward_arg__ in ("PaymentIntent", "Refund") else _nothing()
    if isinstance(kind, type) and not _is_closed(owner, kind.__name__):
        _add_class(defs, f"{owner}.{kind.__name__}", kind)
        return _ref(f"{owner}.{kind.__name__}")
    return _nothing()


def _is_closed(owner: str, name: str) -> bool:
    return name in _CLOSED or name not in _PARTS.get(owner, {name})


def _of_union(defs: Schema, owner: str, parts: tuple[Any, ...]) -> Schema:
    # What could be expanded is an id unless that is asked for, https://docs.stripe.com/api/expanding_objects. The
    # sandbox does it with a payment.
    if str in parts:
        parts = tuple(part for part in parts if part in (str, type(None)) or _is_payment(part))
    choices = [{"type": "null"} if part is type(None) else _of_annotation(defs, owner, part) for part in parts]
    return {"anyOf": choices} if len(choices) > 1 else choices[0]


def _is_payment(kind: Any) -> bool:
    return isinstance(kind, typing.ForwardRef) and kind.__forward_arg__ == "PaymentIntent"


def _is_literal(kind: Any) -> bool:
    """Also one of typing_extensions, which is another than typing's in an old Python."""
    return getattr(getattr(kind, "__origin__", None), "_name", None) == "Literal"


def _object(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _nothing() -> Schema:
    """An object whose fields are not said: there had better be none."""
    return _object({}, [])


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


# --- ShipStation: its OpenAPI description, in which objects are put together by `allOf` --------------------

_ANSWERS = (
    "create_label_response_body",
    "create_label_from_shipment_response_body",
    "create_shipments_response_body",
    "get_label_by_id_response_body",
    "get_shipment_by_id_response_body",
    "get_shipment_by_external_id_response_body",
    "list_labels_response_body",
    "void_label_response_body",
    "error_response_body",
)
# In the reference, and not yet in that file: https://docs.shipstation.com/apis/openapi/labels/void_label.
_SINCE: Schema = {
    "void_label_response_body": {
        "voided_label_ids": {"type": "array", "items": {"$ref": "#/components/schemas/se_id"}}
    },
}
_KEPT = ("type", "enum", "pattern", "minLength", "maxLength", "minimum", "minItems", "required")


def shipstation(file: Path) -> Schema:
    """From the description, with each `allOf` made one object, so that additional properties can be told."""
    description = yaml.safe_load(file.read_text())
    if description["info"]["license"]["name"] != "MIT":
        raise Problem(f"{file} is no longer under the MIT License", "ask whether an extract of it may be kept here")
    all_of_them = description["components"]["schemas"]
    for name, fields in _SINCE.items():
        all_of_them[name]["properties"] |= fields
    defs: Schema = {}
    waiting = list(_ANSWERS)
    while waiting:
        name = waiting.pop()
        if name not in defs:
            defs[name] = _flat(all_of_them[name], all_of_them, waiting)
    return {
        "$comment": f"Made by tools/schemas.py from {_SHIPSTATION}openapi.yaml, MIT License, ShipStation.",
        "version": description["info"]["version"],
        "$defs": {name: defs[name] for name in sorted(defs)},
    }


def _flat(schema: Schema, all_of_them: Schema, waiting: list[str]) -> Schema:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        waiting.append(name)
        return _ref(name)
    nullable = schema.get("x-nullable", False)
    parts = schema.get("allOf", [])
    if len(parts) == 1 and "$ref" in parts[0] and not {"required", "properties"} & schema.keys():
        whole = _flat(parts[0], all_of_them, waiting)
    else:
        whole = {name: schema[name] for name in _KEPT if name in schema}
        if "items" in schema:
            whole["items"] = _flat(schema["items"], all_of_them, waiting)
        properties, required = _fields(schema, all_of_them)
        if properties:
            answered = {name: field for name, field in properties.items() if not field.get("writeOnly")}
            flat = {name: _flat(field, all_of_them, waiting) for name, field in answered.items()}
            whole |= _object(flat, required)
    return {"anyOf": [whole, {"type": "null"}]} if nullable else whole


def _fields(schema: Schema, all_of_them: Schema) -> tuple[Schema, list[str]]:
    """Of the object and of all that it is put together from."""
    if "$ref" in schema:
        return _fields(all_of_them[schema["$ref"].rpartition("/")[2]], all_of_them)
    properties = dict(schema.get("properties", {}))
    required = list(schema.get("required", []))
    for part in schema.get("allOf", []):
        more, also_required = _fields(part, all_of_them)
        properties = more | properties
        required += also_required
    return properties, sorted(set(required))


if __name__ == "__main__":
    run_tool(main)
