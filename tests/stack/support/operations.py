"""Every operation of the services around us, called as somebody: a walk that IAM has to stop nearly everywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import botocore.exceptions

import aws
from common import REGION
from support.iam import ROLES, Roles, Statement, allows, as_list
from support.tables import key_of_nobody

# The services in which we have something, and those through which a role could give itself more.
_SERVICES = (
    "apigatewayv2",
    "budgets",
    "cloudwatch",
    "dynamodb",
    "events",
    "iam",
    "kms",
    "lambda",
    "logs",
    "s3",
    "secretsmanager",
    "sesv2",
    "sns",
    "sqs",
    "stepfunctions",
    "sts",
)
# Where an action's name is not the operation's.
_PREFIXES = {"sesv2": "ses", "stepfunctions": "states"}
_ACTIONS = {("lambda", "Invoke"): "lambda:InvokeFunction"}
# How services say no.
_DENIED = ("AccessDenied", "AccessDeniedException", "AuthorizationError", "NotAuthorized", "UnauthorizedOperation")

# The ARNs of what we have, by service.
Resources = dict[str, list[str]]
# What a call is about, its parameters, and the actions that it needs.
Call = tuple[str, dict[str, Any], list[str]]


class Walk:
    """All operations, as who has these settings and may do what these statements say, on what we have. `unasked` are
    those about which the engine does not ask IAM."""

    def __init__(
        self,
        statements: list[Statement],
        settings: dict[str, str],
        ours: Resources,
        unasked: frozenset[str] = frozenset(),
    ):
        self._statements = statements
        self._settings = settings
        self._unasked = unasked
        self._resources = ours
        # What a role has no statement about is denied wherever it is: one resource shows it.
        self._about = {action.partition(":")[0] for one in statements for action in as_list(one["Action"])}
        # Some actions are no operations of an API: nobody can call them.
        self._known: set[str] = set()
        # How many calls were denied, and how many let through.
        self.counts: Counter[str] = Counter()
        # Operations that were not denied, on whatever.
        self.passed: set[str] = set()
        # Actions that were let through.
        self.allowed: set[str] = set()
        # What the policies do not allow, and what they allow.
        self.wrongly_allowed: list[str] = []
        self.wrongly_denied: list[str] = []
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self._service, _SERVICES))

    def untried(self) -> set[str]:
        """Actions that the policies allow, and that no call here has tried."""
        return {
            action
            for statement in self._statements
            if "Condition" not in statement
            for action in as_list(statement["Action"])
            if action in self._known
        } - self.allowed

    def _service(self, service: str) -> None:
        client = aws.client(service, self._settings, REGION, validate=False)
        model = client.meta.service_model
        prefix = _PREFIXES.get(service, service)
        resources = self._resources
        if self._statements and not self._about & {prefix, "*"}:
            resources = {**resources, service: resources.get(service, [])[:1]}
        for operation in model.operation_names:
            if f"{service}:{operation}" in self._unasked or model.operation_model(operation).has_event_stream_output:
                continue
            action = _ACTIONS.get((service, operation), f"{prefix}:{operation}")
            self._known.add(action)
            for resource, parameters, actions in calls(resources, service, model.operation_model(operation), action):
                self._call(client, operation, resource, parameters, actions)

    def _call(self, client: Any, operation: str, resource: str, parameters: dict[str, Any], actions: list[str]) -> None:
        expected = all(allows(self._statements, action, resource) for action in actions)
        denied = is_denied(client, operation, parameters)
        service = client.meta.service_model.service_name
        name = f"{service}:{operation} on {resource}"
        self.counts["denied" if denied else "let through"] += 1
        if denied:
            if expected:
                self.wrongly_denied.append(name)
            return
        self.passed.add(f"{service}:{operation}")
        self.allowed.update(actions)
        if not expected:
            self.wrongly_allowed.append(name)


def is_denied(client: Any, operation: str, parameters: dict[str, Any]) -> bool:
    try:
        client._make_api_call(operation, parameters)
    except botocore.exceptions.ClientError as error:
        code = error.response["Error"]["Code"]
        return code in _DENIED or error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    except botocore.exceptions.BotoCoreError:
        return False
    return False


def resources(roles: Roles) -> Resources:
    """What we have, by the service that has it."""
    client = {service: aws.client(service, roles.settings, REGION) for service in _SERVICES}
    machines = [
        machine["stateMachineArn"] for machine in client["stepfunctions"].list_state_machines()["stateMachines"]
    ]
    here = f"{REGION}:{roles.account}"
    return {
        "dynamodb": [
            f"arn:aws:dynamodb:{here}:table/{name}" for name in client["dynamodb"].list_tables()["TableNames"]
        ],
        "secretsmanager": [secret["ARN"] for secret in client["secretsmanager"].list_secrets()["SecretList"]],
        "sns": [topic["TopicArn"] for topic in client["sns"].list_topics()["Topics"]],
        "sqs": [f"arn:aws:sqs:{here}:{url.rpartition('/')[2]}" for url in client["sqs"].list_queues()["QueueUrls"]],
        "stepfunctions": [arn for machine in machines for arn in (machine, f"{machine}:live")],
        "lambda": [
            arn
            for function in client["lambda"].list_functions()["Functions"]
            for arn in (function["FunctionArn"], f"{function['FunctionArn']}:1", f"{function['FunctionArn']}:live")
        ],
        "kms": [key["KeyArn"] for key in client["kms"].list_keys()["Keys"]],
        "s3": [f"arn:aws:s3:::{bucket['Name']}" for bucket in client["s3"].list_buckets()["Buckets"]],
        "logs": [group["arn"].removesuffix(":*") for group in client["logs"].describe_log_groups()["logGroups"]],
        "iam": [f"arn:aws:iam::{roles.account}:role/{role}" for role in ROLES],
    }


# --- a call that is good enough to be denied --------------------------------------------------


def calls(resources: Resources, service: str, operation: Any, action: str) -> Iterator[Call]:
    """An operation's calls, one for each of our resources that it could be about."""
    if (service, operation.name) == ("dynamodb", "TransactWriteItems"):
        yield from _transactions(resources["dynamodb"])
        return
    if (service, operation.name) in (("dynamodb", "BatchGetItem"), ("dynamodb", "BatchWriteItem")):
        for arn in resources["dynamodb"]:
            table = arn.rpartition("/")[2]
            key = key_of_nobody(table)
            batch = {"Keys": [key]} if operation.name == "BatchGetItem" else [{"DeleteRequest": {"Key": key}}]
            yield arn, {"RequestItems": {table: batch}}, [action]
        return
    ours = resources.get(service, [])
    names = _resource_parameters(service, operation)
    if not ours or not names:
        yield "*", _example(operation.input_shape), [action]
        return
    # Whom a role may invoke is looked at one by one; what else it may do with functions, with one of them.
    for arn in ours if "Invoke" in operation.name or service != "lambda" else ours[:2]:
        named = _named(service, arn, names)
        yield named.get("executionArn", arn), {**_example(operation.input_shape), **named}, [action]


def _transactions(tables: list[str]) -> Iterator[Call]:
    """A transaction needs the right to each operation in it."""
    for arn in tables:
        table = arn.rpartition("/")[2]
        key = key_of_nobody(table)
        never = {"TableName": table, "ConditionExpression": "attribute_exists(nothing_has_this)"}
        for action, write in {
            "PutItem": {"Put": {**never, "Item": key}},
            "UpdateItem": {"Update": {**never, "Key": key, "UpdateExpression": "REMOVE nothing_has_this"}},
            "DeleteItem": {"Delete": {**never, "Key": key}},
            "ConditionCheckItem": {"ConditionCheck": {**never, "Key": key}},
        }.items():
            yield arn, {"TransactItems": [write]}, [f"dynamodb:{action}"]


# What an operation calls the thing that it is about.
_NAMES = {
    "dynamodb": ("TableName", "ResourceArn", "TableArn"),
    "secretsmanager": ("SecretId",),
    "sns": ("TopicArn",),
    "sqs": ("QueueUrl",),
    "stepfunctions": ("stateMachineArn", "resourceArn", "stateMachineAliasArn", "executionArn"),
    "lambda": ("FunctionName",),
    "kms": ("KeyId",),
    "s3": ("Bucket",),
    "logs": ("logGroupName", "logGroupIdentifier"),
    "iam": ("RoleName",),
}


def _resource_parameters(service: str, operation: Any) -> list[str]:
    members = operation.input_shape.members if operation.input_shape else {}
    return [name for name in _NAMES.get(service, ()) if name in members]


def _named(service: str, arn: str, names: list[str]) -> dict[str, str]:
    short = arn.rpartition("/")[2] if service in ("dynamodb", "iam") else arn.rpartition(":")[2]
    if service == "logs":
        short = arn.partition(":log-group:")[2]
    values = {}
    for name in names:
        is_arn = name.lower().endswith("arn") or service in ("lambda", "secretsmanager", "kms")
        values[name] = arn if is_arn else short
        if name == "QueueUrl":
            values[name] = f"https://sqs.{REGION}.amazonaws.com/{arn.split(':')[4]}/{short}"
        if name == "executionArn":
            values[name] = arn.replace(":stateMachine:", ":execution:").removesuffix(":live") + ":rights"
    return values


def _example(shape: Any, depth: int = 0) -> Any:
    """The least that an operation's input may be."""
    if shape is None:
        return {}
    kind = shape.type_name
    if kind == "structure":
        if depth > 6:
            return {}
        return {name: _example(shape.members[name], depth + 1) for name in shape.required_members}
    if kind == "list":
        return [_example(shape.member, depth + 1)]
    if kind == "map":
        return {_example(shape.key, depth + 1): _example(shape.value, depth + 1)}
    if kind == "string":
        return shape.enum[0] if getattr(shape, "enum", None) else "x" * max(shape.metadata.get("min", 1), 1)
    return {"blob": b"x", "boolean": False, "timestamp": 0}.get(kind, shape.metadata.get("min", 1))
