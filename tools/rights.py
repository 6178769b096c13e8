"""What each role may do, tried on a local stack with IAM enforced.

    rights.py [--name e2e]

First, every operation of the services around us is called as each role, against each of our resources:
what the role's policies do not allow has to be denied, what they allow has to get through. Then each right
is taken away in turn, and something that worked has to break.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import aws
import monitoring
import shop
from common import REGION, ROOT, STACK_NAMES, TARGET, Problem, Stack, aws_environment, run_tool, say, stack_named

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
# A role without any policy: what it may do, this engine does not ask IAM about.
_NOBODY = "rights-nobody"
# How services say no.
_DENIED = ("AccessDenied", "AccessDeniedException", "AuthorizationError", "NotAuthorized", "UnauthorizedOperation")


def main() -> None:
    parser = argparse.ArgumentParser(description="What each role may do.")
    parser.add_argument("--name", choices=STACK_NAMES, default="e2e")
    stack = stack_named(parser.parse_args().name)
    roles = Roles(stack)
    with roles.nobody():
        unasked = Walk(roles, _NOBODY, frozenset()).through()
    say(f"this engine lets everybody do {len(unasked)} things, {', '.join(sorted(unasked)[:3])} …; the others are tried as each role")
    for role in roles.names:
        Walk(roles, role, unasked).check()
    check_documented(roles)
    Removal(stack, roles).check()


class Roles:
    """The roles of the stack and their policies."""

    def __init__(self, stack: Stack):
        self.settings = aws_environment(stack)
        self.iam = aws.client("iam", self.settings, REGION)
        self.account = aws.account(self.settings, REGION)
        self.names = [role["RoleName"] for role in self.iam.list_roles()["Roles"] if role["RoleName"].startswith("orders-")]
        if not self.names:
            raise Problem("there are no roles to look at", "start the stack: tools/stack.py up --name e2e")

    @contextmanager
    def nobody(self):
        nobody_trusted = {"Version": "2012-10-17", "Statement": []}
        self.iam.create_role(RoleName=_NOBODY, AssumeRolePolicyDocument=json.dumps(nobody_trusted))
        try:
            yield
        finally:
            self.iam.delete_role(RoleName=_NOBODY)

    def policies(self, role: str) -> dict[str, dict]:
        names = self.iam.list_role_policies(RoleName=role)["PolicyNames"]
        return {name: self.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names}

    def statements(self, role: str) -> list[dict]:
        return [statement for document in self.policies(role).values() for statement in document["Statement"]]

    def assumed(self, role: str) -> dict[str, str]:
        """Settings of a client that is this role. Only the role's own service may assume it, so that its trust
        is widened for a moment."""
        trusted = self.iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
        ours = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{self.account}:root"}, "Action": "sts:AssumeRole"}
        widened = {**trusted, "Statement": [*trusted["Statement"], ours]}
        self.iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(widened))
        try:
            sts = aws.client("sts", self.settings, REGION)
            keys = sts.assume_role(RoleArn=f"arn:aws:iam::{self.account}:role/{role}", RoleSessionName="rights")["Credentials"]
        finally:
            self.iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(trusted))
        return {
            **self.settings,
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["SessionToken"],
        }


def function_of(role: str) -> str:
    """The function that has the role, or `workflow`."""
    return role.removeprefix("orders-local-")


def as_list(value) -> list:
    return value if isinstance(value, list) else [value]


def allows(statements: list[dict], action: str, resource: str) -> bool:
    """Whether a call that comes straight from the role, and not through a service, is allowed."""
    return any(
        statement["Effect"] == "Allow"
        and action in as_list(statement["Action"])
        and any(re.fullmatch(re.escape(arn).replace(r"\*", ".*"), resource) for arn in as_list(statement["Resource"]))
        # Our conditions are about the service in between, the context of a ciphertext, the alias: none of
        # them is met by a plain call.
        and "Condition" not in statement
        for statement in statements
    )


# --- every operation of every service ---------------------------------------------------------


class Walk:
    """All operations, as one role."""

    def __init__(self, roles: Roles, role: str, unasked: frozenset[str]):
        self.role = role
        self.unasked = unasked
        self.statements = roles.statements(role)
        self.settings = roles.assumed(role)
        self.resources = resources(roles)
        self.counts: Counter[str] = Counter()
        # Some actions are no operations of an API: nobody can call them.
        self.known: set[str] = set()
        self.passed: set[str] = set()
        self.allowed: set[str] = set()
        self.wrong: list[str] = []

    def through(self) -> frozenset[str]:
        """Every operation that is not denied."""
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self._service, _SERVICES))
        return frozenset(self.passed)

    def check(self) -> None:
        """Holds what is let through against the role's policies."""
        self.through()
        if self.wrong:
            raise Problem(f"{self.role}: " + "; ".join(sorted(self.wrong)), "mend its policy in terraform/")
        untried = {
            action
            for statement in self.statements
            if "Condition" not in statement
            for action in as_list(statement["Action"])
            if action in self.known
        } - self.allowed
        if untried:
            raise Problem(f"{self.role} is allowed {', '.join(sorted(untried))}, and no call here has tried it", "add it")
        say(
            f"{self.role}: of {self.counts.total()} calls {self.counts['denied']} denied, "
            f"{self.counts['allowed']} let through ({', '.join(sorted(self.allowed))})"
        )

    def _service(self, service: str) -> None:
        client = aws.client(service, self.settings, REGION, validate=False)
        model = client.meta.service_model
        for operation in model.operation_names:
            if f"{service}:{operation}" in self.unasked or model.operation_model(operation).has_event_stream_output:
                continue
            action = _ACTIONS.get((service, operation), f"{_PREFIXES.get(service, service)}:{operation}")
            self.known.add(action)
            for resource, parameters, actions in calls(self.resources, service, model.operation_model(operation), action):
                self._call(client, operation, resource, parameters, actions)

    def _call(self, client, operation: str, resource: str, parameters: dict, actions: list[str]) -> None:
        expected = all(allows(self.statements, action, resource) for action in actions)
        outcome = _outcome(client, operation, parameters)
        self.counts[outcome] += 1
        service = client.meta.service_model.service_name
        name = f"{service}:{operation} on {resource}"
        if outcome != "denied":
            self.passed.add(f"{service}:{operation}")
        if outcome == "allowed" and not expected:
            self.wrong.append(f"{name} is let through, and no statement allows it")
        elif outcome == "denied" and expected:
            self.wrong.append(f"{name} is denied, and a statement allows it")
        if outcome == "allowed":
            self.allowed.update(actions)


def _outcome(client, operation: str, parameters: dict) -> str:
    import botocore.exceptions

    try:
        client._make_api_call(operation, parameters)
    except botocore.exceptions.ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _DENIED or error.response["ResponseMetadata"]["HTTPStatusCode"] == 403:
            return "denied"
        return "allowed"
    except botocore.exceptions.BotoCoreError:
        return "allowed"
    return "allowed"


def resources(roles: Roles) -> dict[str, list[str]]:
    """Our resources, by the service that has them."""
    client = {service: aws.client(service, roles.settings, REGION) for service in _SERVICES}
    machines = [machine["stateMachineArn"] for machine in client["stepfunctions"].list_state_machines()["stateMachines"]]
    return {
        "dynamodb": [
            f"arn:aws:dynamodb:{REGION}:{roles.account}:table/{name}" for name in client["dynamodb"].list_tables()["TableNames"]
        ],
        "secretsmanager": [secret["ARN"] for secret in client["secretsmanager"].list_secrets()["SecretList"]],
        "sns": [topic["TopicArn"] for topic in client["sns"].list_topics()["Topics"]],
        "sqs": [f"arn:aws:sqs:{REGION}:{roles.account}:{url.rpartition('/')[2]}" for url in client["sqs"].list_queues()["QueueUrls"]],
        "stepfunctions": [arn for machine in machines for arn in (machine, f"{machine}:live")],
        "lambda": [
            arn
            for function in client["lambda"].list_functions()["Functions"]
            for arn in (function["FunctionArn"], f"{function['FunctionArn']}:1")
        ],
        "kms": [key["KeyArn"] for key in client["kms"].list_keys()["Keys"]],
        "s3": [f"arn:aws:s3:::{bucket['Name']}" for bucket in client["s3"].list_buckets()["Buckets"]],
        "logs": [group["arn"].removesuffix(":*") for group in client["logs"].describe_log_groups()["logGroups"]],
        "iam": [f"arn:aws:iam::{roles.account}:role/{role}" for role in roles.names],
    }


# --- a call that is good enough to be denied --------------------------------------------------


def calls(resources: dict, service: str, operation, action: str):
    """(resource, parameters, actions needed) of an operation, for each of our resources that it could be about."""
    if (service, operation.name) == ("dynamodb", "TransactWriteItems"):
        yield from _transactions(resources["dynamodb"])
        return
    if (service, operation.name) in (("dynamodb", "BatchGetItem"), ("dynamodb", "BatchWriteItem")):
        for arn in resources["dynamodb"]:
            table = arn.rpartition("/")[2]
            key = _key_of(table)
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


def _key_of(table: str) -> dict:
    """Of an item that nobody has."""
    key = {"order_id": {"S": "rights"}, "item": {"S": "state"}, "sku": {"S": "RIGHTS"}}
    return {name: key[name] for name in (("sku",) if table.endswith("-stock") else ("order_id", "item"))}


def _transactions(tables: list[str]):
    """A transaction needs the right to each operation in it."""
    for arn in tables:
        table = arn.rpartition("/")[2]
        key_of = _key_of(table)
        never = {"TableName": table, "ConditionExpression": "attribute_exists(nothing_has_this)"}
        for action, write in {
            "PutItem": {"Put": {**never, "Item": key_of}},
            "UpdateItem": {"Update": {**never, "Key": key_of, "UpdateExpression": "REMOVE nothing_has_this"}},
            "DeleteItem": {"Delete": {**never, "Key": key_of}},
            "ConditionCheckItem": {"ConditionCheck": {**never, "Key": key_of}},
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


def _resource_parameters(service: str, operation) -> list[str]:
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


def _example(shape, depth: int = 0):
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


# --- without one right ------------------------------------------------------------------------


# Rights that nothing here breaks without: this engine does not ask for them where AWS does. AWS's own
# documentation says what is needed; it is held against what is there.
_USE_OF_THE_KEY = {
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
}
_DOCUMENTED = {
    # Lambda delivers logs and traces itself, and decrypting happens behind the services.
    "function": {
        "Key": {"kms:Decrypt"},
        "LogKey": _USE_OF_THE_KEY,
        "Logs": {"logs:CreateLogStream", "logs:PutLogEvents"},
        "Traces": {"xray:PutTelemetryRecords", "xray:PutTraceSegments"},
    },
    # A topic wants a data key of who writes to it.
    "notify": {"Key": {"kms:Decrypt", "kms:GenerateDataKey"}},
    # AWS asks for the state machine and the condition, this engine for the alias that is called.
    "intake": {"StartOrders": {"states:StartExecution"}},
    # Lambda itself reads the queue with the function's rights.
    "intake-queue": {
        "Messages": {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"},
        "StartOrders": {"states:StartExecution"},
    },
    # Lambda itself reads the stream and delivers what failed, with the function's rights.
    "monitor": {
        "Changes": {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"},
        "DeadLetters": {"sqs:SendMessage"},
        "Key": {"kms:Decrypt", "kms:GenerateDataKey"},
        "Redrive": {"states:RedriveExecution"},
        "StartOrders": {"states:StartExecution"},
    },
    # This engine has no redrive.
    "console": {"Redrive": {"states:RedriveExecution"}, "StartOrders": {"states:StartExecution"}},
    # All of this Step Functions does itself.
    "workflow": {
        "Key": {"kms:Decrypt", "kms:GenerateDataKey"},
        "LogKey": {"kms:GenerateDataKey"},
        "Logs": {
            "logs:CreateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:DescribeLogGroups",
            "logs:DescribeResourcePolicies",
            "logs:GetLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:UpdateLogDelivery",
        },
        "Steps": {"lambda:InvokeFunction"},
        "Traces": {
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
            "xray:PutTelemetryRecords",
            "xray:PutTraceSegments",
        },
    },
}
# Services that may use the key by its own policy.
_KEY_USERS = {
    "budgets.amazonaws.com": {"kms:Decrypt", "kms:GenerateDataKey"},
    "cloudwatch.amazonaws.com": {"kms:Decrypt", "kms:GenerateDataKey"},
    "delivery.logs.amazonaws.com": {"kms:Decrypt"},
    "events.amazonaws.com": {"kms:Decrypt", "kms:GenerateDataKey"},
    f"logs.{REGION}.amazonaws.com": _USE_OF_THE_KEY,
}


def documented(function: str) -> dict[str, set[str]]:
    """Statements of a role that are held against AWS's documentation, by their Sid."""
    return {**({} if function == "workflow" else _DOCUMENTED["function"]), **_DOCUMENTED.get(function, {})}


def check_documented(roles: Roles) -> None:
    for role in roles.names:
        there = {statement["Sid"]: set(as_list(statement["Action"])) for statement in roles.statements(role)}
        for sid, actions in documented(function_of(role)).items():
            if there.get(sid) != actions:
                raise Problem(f"{role}: {sid} allows {there.get(sid)}, and AWS asks for {actions}", "mend the statement, or tools/rights.py")
    kms = aws.client("kms", roles.settings, REGION)
    for alias in kms.list_aliases()["Aliases"]:
        if alias["AliasName"].startswith("alias/orders-"):
            policy = json.loads(kms.get_key_policy(KeyId=alias["TargetKeyId"], PolicyName="default")["Policy"])
            users = {
                service: set(as_list(statement["Action"]))
                for statement in policy["Statement"]
                for service in as_list(statement["Principal"].get("Service", []))
            }
            if users != _KEY_USERS:
                raise Problem(f"the key is for {users}, and should be for {_KEY_USERS}", "mend terraform/key.tf, or tools/rights.py")
    say("what this engine does not ask for is as AWS documents it")


# What no single call shows. Each is given this long.
_PATIENCE_S = 8


class Removal:
    """Takes away each action of each statement in turn and looks for what then goes wrong."""

    def __init__(self, stack: Stack, roles: Roles):
        self.stack = stack
        self.roles = roles
        self.functions = aws.client("lambda", roles.settings, REGION)
        self.tables = aws.client("dynamodb", roles.settings, REGION)
        self.logs = aws.client("logs", roles.settings, REGION)
        self.shop = shop.Shop(stack)
        self.began_ms = 0.0
        self.situations = json.loads((ROOT / "tests/events/situations.json").read_text())

    def check(self) -> None:
        quiet: list[str] = []
        for role in self.roles.names:
            function = function_of(role)
            if broken := self._broken(function):
                raise Problem(f"{function}: {broken[0]} does not answer as it should, with every right", "make end-to-end")
            for policy, document in self.roles.policies(role).items():
                quiet += self._each(role, function, policy, document)
        if quiet:
            raise Problem(
                "nothing breaks without " + ", ".join(quiet),
                "take the right away, or add what needs it to tests/events or to tools/rights.py",
            )

    def _each(self, role: str, function: str, policy: str, document: dict) -> list[str]:
        quiet, tried = [], 0
        try:
            for number, statement in enumerate(document["Statement"]):
                if statement["Sid"] in documented(function):
                    continue
                for action in as_list(statement["Action"]):
                    less = json.loads(json.dumps(document))
                    left = [other for other in as_list(statement["Action"]) if other != action]
                    less["Statement"][number]["Action"] = left
                    if not left:
                        del less["Statement"][number]
                    self.roles.iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(less))
                    tried += 1
                    if not self._broken(function):
                        quiet.append(f"{role}: {statement['Sid']} {action}")
        finally:
            self.roles.iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))
        if tried:
            say(f"{role}: each of its {tried} rights that this engine asks for was taken away, and {tried - len(quiet)} times something broke")
        return quiet

    def _broken(self, function: str) -> list[str]:
        """Which of the function's situations are not answered as they should be."""
        situations = [one for one in self.situations if one["event"].startswith(f"{function}/")]
        if not situations:
            return [name for name, flow in _FLOWS.get(function, {}).items() if not self._goes(flow)]
        self._forget(situations)
        self.began_ms = time.time() * 1000
        prepare = [str(TARGET / "debug/examples/situations"), str(self.stack.endpoints_file), f"{function}/"]
        subprocess.run(prepare, check=True, capture_output=True, cwd=ROOT)
        broken = [one["event"] for one in situations if not self._as_expected(function, one)]
        # These take longer; one thing that breaks is enough.
        return broken or [name for name, flow in _FLOWS.get(function, {}).items() if not self._goes(flow)]

    def _forget(self, situations: list[dict]) -> None:
        """Orders, providers and functions as if nothing had happened yet: a warm function has its credentials."""
        table = self.shop.endpoints["orders_table"]
        for situation in situations:
            order = {"order_id": {"S": f"event-{situation['event'].replace('/', '-')}"}}
            found = self.tables.query(
                TableName=table,
                KeyConditionExpression="order_id = :order",
                ExpressionAttributeValues={":order": order["order_id"]},
                ProjectionExpression="#item",
                ExpressionAttributeNames={"#item": "item"},
            )
            for item in found["Items"]:
                self.tables.delete_item(TableName=table, Key={**order, **item})
        self.shop.http("POST", f"{self.shop.endpoints['sandbox']}/_sandbox/reset")
        function = f"orders-local-{situations[0]['event'].partition('/')[0]}"
        memory = self.functions.get_function_configuration(FunctionName=function)["MemorySize"]
        self.functions.update_function_configuration(FunctionName=function, MemorySize=memory)

    def _as_expected(self, function: str, situation: dict) -> bool:
        payload = (ROOT / "tests/events" / f"{situation['event']}.json").read_bytes()
        answer = self.functions.invoke(FunctionName=f"orders-local-{function}", Payload=payload)
        told = answer["Payload"].read().decode()
        if "error" in situation:
            return "FunctionError" in answer and situation["error"] in told
        if "status" in situation:
            return json.loads(told).get("statusCode") in situation["status"]
        return "FunctionError" not in answer and situation["answer"] in told


    def _goes(self, flow) -> bool:
        try:
            return flow(self)
        except urllib.error.HTTPError:
            return False

    # --- what no single call shows

    def an_order_is_started(self) -> bool:
        order = self.shop.submit(1)
        return bool(self.shop.becomes(order, lambda view: view["status"] != "received", _PATIENCE_S))

    def an_order_by_queue_is_started(self) -> bool:
        order = self.shop.send(1)
        return bool(self.shop.becomes(order, lambda view: view["status"] != "received", _PATIENCE_S))

    def a_cancelled_review_ends(self) -> bool:
        order = self.shop.submit(shop.REVIEWED)
        if not self.shop.becomes(order, lambda view: view["status"] == "in_review", _PATIENCE_S):
            return False
        self.shop.cancel(order)
        return bool(self.shop.becomes(order, lambda view: view["workflow"]["status"] == "FAILED", _PATIENCE_S))

    def the_monitor_does_its_work(self) -> bool:
        planted = monitoring.Planted(self.stack)
        started, running = planted.never_started(), planted.waiting()
        approved, rejected = planted.decided_unheard("approved"), planted.decided_unheard("rejected")
        unheard = planted.unheard_payment()
        planted.forget_notices()
        planted.due(started, running, approved, rejected, unheard)
        if not planted.sweep():
            return False
        warned = [line for line in planted.lines() if line.get("level") == "WARN"]
        if any("cause" in line or line.get("message") in ("board not kept", "counters not kept") or line.get("order_id") in (started, running, approved, rejected, unheard) for line in warned):
            return False
        ends = {started: "completed", approved: "completed", rejected: "rejected"}
        if not self._page().bulk("approve", running, "a check of the rights"):
            return False
        return all(self.shop.becomes(order, lambda view, end=end: view["status"] == end, _PATIENCE_S) for order, end in ends.items())

    def _page(self) -> "Page":
        return Page(self.shop)

    def the_page_shows_and_acts(self) -> bool:
        planted, page = monitoring.Planted(self.stack), self._page()
        approved, rejected = planted.waiting(), planted.waiting()
        unheard, unsent = planted.unheard_payment(), planted.completed()
        planted.take_back_message(unsent)
        # One after the other, and no further than the first that fails.
        steps = (
            lambda: page.act("approve", approved),
            lambda: page.act("reject", rejected),
            lambda: page.act("resolve", unheard),
            lambda: page.act("resend", unsent),
            lambda: bool(self.shop.becomes(rejected, lambda view: view["workflow"]["status"] == "FAILED", _PATIENCE_S)),
            # A try that failed is read off the execution's history.
            lambda: "a try failed" in page.get(f"/orders/{rejected}"),
            lambda: page.act("reprocess", rejected),
            lambda: bool(self.shop.becomes(rejected, lambda view: view["workflow"]["attempt"] == 2 and view["status"] == "in_review", _PATIENCE_S)),
            lambda: "<h1>Completed orders</h1>" in page.get("/orders?status=completed"),
            lambda: page.has_a_board_made(_PATIENCE_S),
            lambda: "row-" in page.get("/orders?list=open"),
        )
        return all(step() for step in steps)

    def operators_are_told(self) -> bool:
        """A notice that cannot be given fails no order; it is logged."""
        lines = self.logs.filter_log_events(logGroupName="/aws/lambda/orders-local-notify")["events"]
        return not any("operators not told" in line["message"] for line in lines if line["timestamp"] > self.began_ms)


class Page:
    """The operators' page, asked as a browser does. What fails is empty, or false."""

    def __init__(self, of: shop.Shop):
        self.base = of.endpoints["console"]
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def _ask(self, path: str, form: dict | None = None, body: dict | None = None):
        headers = {"sec-fetch-site": "same-origin"}
        content = None
        if form is not None:
            content = urllib.parse.urlencode(form).encode()
            headers["content-type"] = "application/x-www-form-urlencoded"
        if body is not None:
            content = json.dumps(body).encode()
            headers["content-type"] = "application/json"
        try:
            return self._opener.open(urllib.request.Request(f"{self.base}{path}", content, headers), timeout=35)
        except urllib.error.HTTPError:
            return None

    def get(self, path: str) -> str:
        answer = self._ask(path)
        return answer.read().decode() if answer else ""

    def act(self, action: str, order: str) -> bool:
        return self._ask(f"/api/orders/{order}/{action}", body={"reason": "a check of the rights"}) is not None

    def has_a_board_made(self, patience_s: float) -> bool:
        """Whoever looks has a newer one made, once in some seconds."""
        until = time.monotonic() + patience_s
        while time.monotonic() < until:
            answer = self._ask("/")
            if answer and answer.headers.get("refresh-in"):
                return True
            time.sleep(1)
        return False

    def bulk(self, action: str, order: str, reason: str) -> bool:
        """Carried out to its end, by the monitor."""
        preview = self._ask("/bulk", form={"action": action, "order": order, "scope": "selected"})
        if not preview:
            return False
        path = preview.url.removeprefix(self.base)
        if not self._ask(path, form={"reason": reason}):
            return False
        until = time.monotonic() + 3 * _PATIENCE_S
        while time.monotonic() < until:
            if '<span class="mark ok">recovered</span>' in self.get(path):
                return True
            time.sleep(1)
        return False


_FLOWS = {
    "console": {"the page shows and acts": Removal.the_page_shows_and_acts},
    "intake": {"an order is started": Removal.an_order_is_started, "a cancelled review ends": Removal.a_cancelled_review_ends},
    "intake-queue": {"an order by queue is started": Removal.an_order_by_queue_is_started},
    "monitor": {"the monitor does its work": Removal.the_monitor_does_its_work},
    "notify": {"operators are told": Removal.operators_are_told},
}


if __name__ == "__main__":
    run_tool(main)
