"""AWS's own descriptions of its services, as botocore has them, and requests held against them."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape

# What a signature names, where it is not what botocore calls the service.
_SERVICES = {"states": "stepfunctions", "ses": "sesv2"}
# What a value of JSON has to be.
_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "blob": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float, str),
}
_LOADER = Loader()
_models: dict[str, ServiceModel] = {}


@dataclass(frozen=True)
class Request:
    """As an SDK has sent it."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def recorded(cls, line: str) -> Request:
        told = json.loads(line)
        return cls(**{**told, "body": base64.b64decode(told["body"])})

    @property
    def service(self) -> str:
        """By what it is signed for."""
        credential = re.search(r"Credential=([^,]+)", self.headers["authorization"])
        assert credential, "a request without a signature"
        name = credential[1].split("/")[3]
        return _SERVICES.get(name, name)


def operation_of(request: Request) -> tuple[OperationModel, dict[str, Any]]:
    """What is asked, and its input by the names of the model."""
    service = _model(request.service)
    protocol = service.metadata["protocol"]
    if protocol == "json":
        operation = service.operation_model(request.headers["x-amz-target"].rpartition(".")[2])
        return operation, json.loads(request.body or b"{}")
    if protocol == "query":
        form = {name: values[0] for name, values in parse_qs(request.body.decode(), keep_blank_values=True).items()}
        operation = service.operation_model(form.pop("Action"))
        assert form.pop("Version") == service.api_version
        return operation, _of_form(operation.input_shape, form)
    assert protocol == "rest-json", f"{request.service} speaks {protocol}"
    for name in service.operation_names:
        operation = service.operation_model(name)
        found = _at(operation, request.path)
        if operation.http["method"] == request.method and found is not None:
            return operation, {**found, **_of_rest(operation, request)}
    raise AssertionError(f"{request.service} knows no {request.method} {request.path}")


def wrong_with(operation: OperationModel, given: dict[str, Any]) -> list[str]:
    """What AWS would refuse, by the description of the operation's input."""
    return list(_wrong(operation.input_shape, given, operation.name)) if operation.input_shape else []


def _model(service: str) -> ServiceModel:
    if service not in _models:
        _models[service] = ServiceModel(_LOADER.load_service_model(service, "service-2"), service)
    return _models[service]


def _wrong(shape: Shape, value: Any, where: str) -> Iterator[str]:
    kind = shape.type_name
    is_of_kind: bool = isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
    if not is_of_kind:
        yield f"{where} is {type(value).__name__}, not {kind}"
        return
    yield from _out_of_bounds(shape, value, where)
    if kind == "structure":
        names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        yield from (f"{where} has no {name}" for name in value if name not in names)
        given = {names[name]: inner for name, inner in value.items() if name in names}
        yield from (f"{where} lacks {name}" for name in shape.required_members if name not in given)
        for name, inner in given.items():
            yield from _wrong(shape.members[name], inner, f"{where}.{name}")
    elif kind == "list":
        for inner in value:
            yield from _wrong(shape.member, inner, f"{where}[]")
    elif kind == "map":
        for name, inner in value.items():
            yield from _wrong(shape.key, name, f"{where} key")
            yield from _wrong(shape.value, inner, f"{where}.*")


def _out_of_bounds(shape: Shape, value: Any, where: str) -> Iterator[str]:
    bounds = shape.metadata
    if shape.type_name == "blob":
        try:
            value = base64.b64decode(value, validate=True)
        except binascii.Error:
            yield f"{where} is not Base64"
            return
    size = value if isinstance(value, int | float) else len(value)
    if size < bounds.get("min", size):
        yield f"{where} is below {bounds['min']}"
    if size > bounds.get("max", size):
        yield f"{where} is above {bounds['max']}"
    if isinstance(value, str):
        if (allowed := getattr(shape, "enum", [])) and value not in allowed:
            yield f"{where} is none of {', '.join(allowed)}"
        if (pattern := bounds.get("pattern")) and not re.fullmatch(_of_python(pattern), value):
            yield f"{where} does not match {pattern}"


def _of_python(pattern: str) -> str:
    """What AWS writes for Java, as far as its descriptions of what we call go."""
    return pattern.replace(r"\p{ASCII}", r"[\x00-\x7f]")


# --- how input travels --------------------------------------------------------------------------


def _at(operation: OperationModel, path: str) -> dict[str, Any] | None:
    """The members of a path, if it is the operation's."""
    template = operation.http["requestUri"].partition("?")[0]
    names = re.findall(r"\{(\w+)\+?\}", template)
    expression = re.sub(r"\\\{\w+(\\\+)?\\\}", "([^/]+)", re.escape(template))
    found = re.fullmatch(expression.rstrip("/") + "/?", path)
    return dict(zip(names, map(unquote, found.groups()), strict=True)) if found else None


def _of_rest(operation: OperationModel, request: Request) -> dict[str, Any]:
    shape = operation.input_shape
    asked = parse_qs(request.query)
    given: dict[str, Any] = {}
    for name, member in shape.members.items():
        travels_as = member.serialization.get("name", name)
        place = member.serialization.get("location")
        if place == "header" and travels_as.lower() in request.headers:
            given[travels_as] = request.headers[travels_as.lower()]
        elif place == "querystring" and travels_as in asked:
            given[travels_as] = asked[travels_as][0]
    payload = shape.serialization.get("payload")
    if payload is None:
        return {**given, **json.loads(request.body or b"{}")}
    if shape.members[payload].type_name == "blob":
        return {**given, payload: base64.b64encode(request.body).decode()}
    return {**given, payload: json.loads(request.body)}


def _of_form(shape: Shape, form: Mapping[str, str]) -> Any:
    """One value of AWS's query protocol: members behind dots, lists and maps counted from 1."""
    if shape.type_name == "structure":
        heads = {name.partition(".")[0] for name in form}
        members = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        return {
            head: _of_form(members[head], _below(head, form)) if head in members else form.get(head) for head in heads
        }
    if shape.type_name == "map":
        entries = [_below(f"entry.{number}", form) for number in _numbers("entry", form)]
        key, value = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
        return {entry[key]: _of_form(shape.value, _below(value, entry)) for entry in entries}
    if shape.type_name == "list":
        return [_of_form(shape.member, _below(f"member.{number}", form)) for number in _numbers("member", form)]
    text = form[""]
    if shape.type_name == "boolean":
        return text == "true"
    return int(text) if shape.type_name in ("integer", "long") else text


def _below(head: str, form: Mapping[str, str]) -> dict[str, str]:
    inner = {name.removeprefix(f"{head}."): value for name, value in form.items() if name.startswith(f"{head}.")}
    return {**inner, **({"": form[head]} if head in form else {})}


def _numbers(head: str, form: Mapping[str, str]) -> list[int]:
    return sorted({int(name.split(".")[1]) for name in form if name.startswith(f"{head}.")})
