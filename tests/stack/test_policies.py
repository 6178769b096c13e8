"""The policies of who comes from outside, each as a user who has it and nothing else, on a stack with IAM enforced.

Operators and senders are tried on the stack, whose API lets anyone in. A deployer makes an environment of their own
beside it, with an API that asks for signatures, and takes it down again; in between, it is called.

This engine asks IAM about less than AWS does: not about `iam:PassRole`, and not about the use of a key behind a
service. Of these rights the actions are held against AWS's reference (`make check-policies`).
"""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import aws
import policies
import terraform
from common import REGION, TARGET
from support.asked_otherwise import asked_otherwise
from support.callers import Callers, signed
from support.deployments import Deployments, Done
from support.iam import Roles, Statement
from support.monitor import Monitor
from support.operations import Resources, Walk, is_denied, resources
from support.shop import REVIEWED, Shop
from support.situations import Situations

pytestmark = pytest.mark.usefixtures("unscheduled")

_WHY = ("--reason", "a check of rights")


@pytest.fixture(scope="module")
def callers(shop: Shop) -> Callers:
    return Callers(shop.settings)


# --- every operation of every service, as for the functions' roles ------------------------------


@pytest.fixture(scope="module")
def ours(shop: Shop) -> Resources:
    return resources(Roles(shop.settings))


@pytest.fixture(scope="module")
def unasked(callers: Callers, ours: Resources) -> frozenset[str]:
    """What this engine lets everybody do."""
    with callers.attached("nobody") as nobody:
        return frozenset(Walk([], nobody, ours).passed)


@pytest.fixture(scope="module", params=["api-callers", "operators", "queue-senders"])
def walk(request: pytest.FixtureRequest, callers: Callers, ours: Resources, unasked: frozenset[str]) -> Walk:
    policy = f"orders-local-{request.param}"
    with callers.attached(request.param, policy) as settings:
        return Walk(callers.document(policy)["Statement"], settings, ours, unasked)


def test_nothing_is_let_through_that_a_policy_does_not_allow(walk: Walk) -> None:
    assert not walk.wrongly_allowed


def test_nothing_is_denied_that_a_policy_allows(walk: Walk) -> None:
    assert not walk.wrongly_denied


def test_most_of_what_there_is_to_call_is_denied(walk: Walk) -> None:
    assert walk.counts["denied"] > 1000, walk.counts


# --- operators with orderctl --------------------------------------------------------------------


@dataclass(frozen=True)
class Command:
    """One of orderctl's, which works once it says this."""

    says: str
    # An order for it, planted by somebody who may do anything; without one it is about all of them.
    order: Callable[[Shop, Situations], str] | None
    # The rights that it does not work without, by the Sid of their statements.
    needs: tuple[tuple[str, str], ...] = ()


def _rejected(shop: Shop, situations: Situations) -> str:
    order = situations.waiting()
    shop.orderctl("reject", order, *_WHY)
    shop.becomes(order, {"workflow": {"status": "FAILED"}})
    return order


def _stopped(_: Shop, situations: Situations) -> str:
    order = situations.waiting()
    situations.stop(order)
    return order


_COMMANDS = {
    "status": Command("completed", lambda shop, _: shop.completed()),
    "watch": Command("completed", lambda shop, _: shop.completed()),
    "table": Command("completed", lambda shop, _: shop.completed()),
    "orders": Command("ReviewOrder", None, (("OpenOrders", "dynamodb:Query"),)),
    "groups": Command("As of", None),
    "orphans": Command("the ledgers account for", None, (("ReadModels", "dynamodb:Query"),)),
    "money": Command("Money by day", None, (("ReadModels", "dynamodb:Query"),)),
    "group": Command(
        "message_not_sent",
        lambda _, situations: situations.message_given_up(),
        (("ReadModels", "dynamodb:BatchGetItem"),),
    ),
    "bulk": Command(
        "Cancel 1 order?",
        lambda _, situations: situations.waiting(),
        (("Executions", "states:DescribeExecution"), ("ReadModels", "dynamodb:PutItem")),
    ),
    "catalogue": Command("are in the catalogue", None, (("Catalogue", "dynamodb:UpdateItem"),)),
    "approve": Command(
        "goes on",
        lambda _, situations: situations.waiting(),
        (
            ("Orders", "dynamodb:Query"),
            ("Orders", "dynamodb:UpdateItem"),
            ("WakeReviews", "states:SendTaskSuccess"),
        ),
    ),
    "reject": Command(
        "goes on", lambda _, situations: situations.waiting(), (("WakeReviews", "states:SendTaskFailure"),)
    ),
    "cancel": Command(
        "cancellation requested", lambda _, situations: situations.waiting(), (("Orders", "dynamodb:PutItem"),)
    ),
    "reprocess": Command(
        "has begun",
        _rejected,
        (
            ("Executions", "states:DescribeExecution"),
            ("ReadModels", "dynamodb:Query"),
            ("ReadModels", "dynamodb:PutItem"),
            # AWS asks for StartOrders, this engine for the alias that is called.
            ("StartOrdersByAlias", "states:StartExecution"),
        ),
    ),
    "redrive": Command("goes on", _stopped, (("Executions", "states:RedriveExecution"),)),
    "restart": Command("has begun", _stopped, (("Executions", "states:DescribeExecution"),)),
    "modify": Command("changed", lambda _, situations: situations.waiting(), (("Orders", "dynamodb:UpdateItem"),)),
    "resend": Command(
        "the message is sent",
        lambda _, situations: situations.message_given_up(),
        (("AskSteps", "lambda:InvokeFunction"),),
    ),
    "settle": Command(
        "the shipment is written off",
        lambda _, situations: situations.used_label(),
        (("AskSteps", "lambda:InvokeFunction"),),
    ),
    "label": Command("/v2/downloads/", lambda shop, _: shop.completed(), (("AskSteps", "lambda:InvokeFunction"),)),
    "resolve": Command(
        "the providers were asked",
        lambda _, situations: situations.unheard_payment(),
        (("AskSteps", "lambda:InvokeFunction"),),
    ),
}
# Commands that are not tried here: another policy's; and nothing is an orphan before it is half an hour old, nor does a
# refund fail at once. They ask a step, as others do.
_NOT_TRIED = {"submit", "let-go", "give-back"}
# Rights that nothing here breaks without: the stack's API lets anyone in, StartOrders as above, and decrypting happens
# behind the services.
_NOT_MISSED = {
    ("Status", "execute-api:Invoke"),
    ("StartOrders", "states:StartExecution"),
    ("Key", "kms:Decrypt"),
}


@pytest.fixture(scope="module")
def operators(callers: Callers) -> list[Statement]:
    statements: list[Statement] = callers.document("orders-local-operators")["Statement"]
    return statements


@pytest.fixture(scope="module")
def endpoints(shop: Shop) -> Path:
    """As `make deploy` writes it: what orderctl starts, it starts by the alias."""
    file = shop.stack.folder / "operators-endpoints.json"
    live = f"{shop.endpoints['state_machine_arn']}:live"
    file.write_text(json.dumps({**shop.endpoints, "state_machine_arn": live}))
    return file


@pytest.fixture(params=_COMMANDS)
def command(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def changes_file(shop: Shop) -> Path:
    file = shop.stack.folder / "check-changes.json"
    file.write_text(json.dumps({"customer": {"email": "new@example.com"}}))
    return file


@pytest.fixture
def arguments(
    command: str, shop: Shop, situations: Situations, monitor: Monitor, changes_file: Path
) -> tuple[str, ...]:
    plant = _COMMANDS[command].order
    if command == "catalogue":
        return (command, str(shop.article_file))
    if plant is None:
        monitor.sweep(situations.waiting())
        return (command,)
    order = plant(shop, situations)
    if command == "bulk":
        return (command, "cancel", order)
    if command == "settle":
        return (command, order, "--as", "shipment_written_off", *_WHY)
    if command == "modify":
        return (command, order, str(changes_file), *_WHY)
    if command == "group":
        return ("orders", "--group", monitor.group(order))
    return (command, order) if command in ("label", "status", "watch", "table") else (command, order, *_WHY)


def test_every_command_is_tried(shop: Shop) -> None:
    listed = re.findall(r"^  ([a-z-]+) +\S", shop.run("--help").stdout.partition("Commands:")[2], re.MULTILINE)
    # `orders --group` is one more way to ask.
    assert {*listed} - {"help"} == ({*_COMMANDS} - {"group"}) | _NOT_TRIED


def test_an_operator_can_use_the_command(
    command: str, arguments: tuple[str, ...], shop: Shop, callers: Callers, endpoints: Path
) -> None:
    with callers.attached("operator", "orders-local-operators") as settings:
        done = Shop(shop.stack, settings, endpoints).run(*arguments)
    assert done.returncode == 0, done.stderr
    assert _COMMANDS[command].says in done.stdout


@pytest.mark.parametrize(
    ("command", "sid", "action"),
    [(name, *right) for name, command in _COMMANDS.items() for right in command.needs],
    indirect=["command"],
)
def test_a_command_does_not_work_without_each_of_its_rights(
    command: str,
    sid: str,
    action: str,
    arguments: tuple[str, ...],
    shop: Shop,
    callers: Callers,
    operators: list[Statement],
    endpoints: Path,
) -> None:
    with callers.allowed("operator", _without(operators, sid, action)) as settings:
        done = Shop(shop.stack, settings, endpoints).run(*arguments)
    assert _COMMANDS[command].says not in done.stdout


def test_every_right_of_an_operator_is_needed_by_a_command(operators: list[Statement]) -> None:
    there = {(statement["Sid"], action) for statement in operators for action in statement["Action"]}
    needed = {right for command in _COMMANDS.values() for right in command.needs}
    assert there == needed | _NOT_MISSED


def _without(statements: list[Statement], sid: str, action: str) -> list[Statement]:
    less = copy.deepcopy(statements)
    for statement in less:
        if statement["Sid"] == sid:
            statement["Action"].remove(action)
    return [statement for statement in less if statement["Action"]]


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        (
            "dynamodb",
            "DeleteItem",
            {"TableName": "orders-local-orders", "Key": {"order_id": {"S": "any"}, "item": {"S": "state"}}},
        ),
        ("dynamodb", "Scan", {"TableName": "orders-local-orders"}),
        ("secretsmanager", "GetSecretValue", {"SecretId": "orders-local/payment"}),
        ("sns", "Publish", {"TopicArn": f"arn:aws:sns:{REGION}:000000000000:orders-local-operators", "Message": "any"}),
        ("lambda", "Invoke", {"FunctionName": "orders-local-validate"}),
        ("stepfunctions", "ListStateMachines", {}),
        ("iam", "ListRoles", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_operator_is_refused_what_orderctl_does_not_do(
    callers: Callers, service: str, operation: str, parameters: dict[str, Any]
) -> None:
    with callers.attached("operator", "orders-local-operators") as settings:
        assert is_denied(aws.client(service, settings, REGION), operation, parameters)


# --- senders to the queue -----------------------------------------------------------------------


@pytest.fixture
def sender(callers: Callers) -> Iterator[Any]:
    with callers.attached("sender", "orders-local-queue-senders") as settings:
        yield aws.client("sqs", settings, REGION)


def _queue(shop: Shop, name: str = "orders-local-orders") -> str:
    url: str = aws.client("sqs", shop.settings, REGION).get_queue_url(QueueName=name)["QueueUrl"]
    return url


def test_an_order_that_a_sender_sends_is_taken(shop: Shop, sender: Any) -> None:
    document = shop.document(1)
    sender.send_message(QueueUrl=_queue(shop), MessageBody=json.dumps(document))
    shop.becomes(document["order_id"], {"status": "completed"})


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("ReceiveMessage", {}),
        ("DeleteMessage", {"ReceiptHandle": "any"}),
        ("PurgeQueue", {}),
        ("GetQueueAttributes", {}),
        ("SetQueueAttributes", {"Attributes": {"DelaySeconds": "1"}}),
        ("DeleteQueue", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_sender_does_nothing_else_with_the_queue(
    shop: Shop, sender: Any, operation: str, parameters: dict[str, Any]
) -> None:
    assert is_denied(sender, operation, {"QueueUrl": _queue(shop), **parameters})


def test_a_sender_sends_to_no_other_queue(shop: Shop, sender: Any) -> None:
    other = _queue(shop, "orders-local-orders-dead-letters")
    assert is_denied(sender, "SendMessage", {"QueueUrl": other, "MessageBody": "any"})


# --- a deployer ---------------------------------------------------------------------------------

_ENVIRONMENT = "dev"
_FOLDER = TARGET / "deploy" / _ENVIRONMENT
_PREFIX = f"orders-{_ENVIRONMENT}"
_SENDER = "deployed@shop.test"


@dataclass(frozen=True)
class Deployer:
    """Somebody with the deployer's policies, and an environment of their own."""

    deployments: Deployments
    settings: dict[str, str]

    def run(self, command: str, *settings: str) -> Done:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_VAR_"))}
        environment = {**kept, **self.settings}
        stack = self.deployments.shop.stack
        where = ("--env", _ENVIRONMENT, "--stack", stack.name, "--artifacts", str(stack.artifacts))
        # This engine has no Logs Insights, and the stack has its own sender.
        carrier = (
            'id="se-1",service_code="usps",warehouse_id="se-1",contact_phone="+1 555 0142",'
            'grams_per_piece=500,domestic_countries=["US"]'
        )
        always = ("saved_queries=false", f"sender_address={_SENDER}", f"carrier={{{carrier}}}")
        variables = (part for setting in (*always, *settings) for part in ("--var", setting))
        return self.deployments.run(command, *where, *variables, environment=environment)

    def must_run(self, command: str, *settings: str) -> None:
        done = self.run(command, *settings)
        assert done.returncode == 0, f"{command} failed: {done.stderr}"

    def client(self, service: str) -> Any:
        return aws.client(service, self.settings, REGION)


@pytest.fixture(scope="module")
def deployer(callers: Callers, deployments: Deployments) -> Iterator[Deployer]:
    values = {**policies.values_of(_ENVIRONMENT, callers.account), "sender_address": _SENDER}
    documents = policies.deployer(values)
    here = {"Version": "2012-10-17", "Statement": asked_otherwise(list(documents.values()), callers.account)}
    with (
        callers.made({**documents, "asked-otherwise-here": here}) as made,
        callers.attached("deployer", *made) as settings,
    ):
        yield Deployer(deployments, settings)


# --- each a step further than the one before


@pytest.fixture(scope="module")
def first_deployed(deployer: Deployer) -> dict[str, Any]:
    """What is there then, as Terraform tells it."""
    deployer.must_run("state-bucket")
    deployer.must_run("deploy")
    return terraform.outputs(terraform.Deployment(_ENVIRONMENT, _FOLDER, deployer.settings))


@pytest.fixture(scope="module")
def planned(deployer: Deployer, first_deployed: dict[str, Any]) -> Done:
    assert first_deployed
    return deployer.run("plan")


@pytest.fixture(scope="module")
def rolled_back(deployer: Deployer, planned: Done) -> Done:
    """After another deployment with another setting of every function."""
    assert planned.returncode == 0, planned.stderr
    deployer.must_run("deploy", "log_filter=warn")
    return deployer.run("rollback")


@pytest.fixture(scope="module")
def taken_down(deployer: Deployer, rolled_back: Done) -> Done:
    assert rolled_back.returncode == 0, rolled_back.stderr
    return deployer.run("destroy")


def test_a_deployer_deploys_to_an_account_that_has_nothing_of_it(first_deployed: dict[str, Any]) -> None:
    assert first_deployed["orders_table"] == f"{_PREFIX}-orders"


@pytest.mark.usefixtures("first_deployed")
@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("dynamodb", "Scan", {"TableName": f"{_PREFIX}-orders"}),
        ("secretsmanager", "GetSecretValue", {"SecretId": f"{_PREFIX}/payment"}),
        ("lambda", "Invoke", {"FunctionName": f"{_PREFIX}-charge"}),
        ("sns", "Publish", {"TopicArn": f"arn:aws:sns:{REGION}:000000000000:{_PREFIX}-operators", "Message": "any"}),
        ("s3", "GetObject", {"Bucket": f"orders-terraform-000000000000-{REGION}", "Key": "orders/local.tfstate"}),
        ("s3", "DeleteBucket", {"Bucket": f"orders-terraform-000000000000-{REGION}"}),
        ("dynamodb", "DeleteTable", {"TableName": "orders-local-orders"}),
        ("lambda", "DeleteFunction", {"FunctionName": "orders-local-charge"}),
        (
            "stepfunctions",
            "ListExecutions",
            {"stateMachineArn": f"arn:aws:states:{REGION}:000000000000:stateMachine:orders-local-workflow"},
        ),
        ("kms", "CreateKey", {}),
        (
            "iam",
            "CreateRole",
            {"RoleName": "orders-local-any", "AssumeRolePolicyDocument": json.dumps({"Version": "2012-10-17"})},
        ),
        (
            "iam",
            "AttachRolePolicy",
            {"RoleName": f"{_PREFIX}-charge", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
        ),
        (
            "iam",
            "CreatePolicyVersion",
            {
                "PolicyArn": f"arn:aws:iam::000000000000:policy/deploy-{_PREFIX}-storage",
                "PolicyDocument": "{}",
                "SetAsDefault": True,
            },
        ),
        (
            "iam",
            "AttachUserPolicy",
            {"UserName": "deployer", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
        ),
        ("iam", "CreateAccessKey", {"UserName": "deployer"}),
        (
            "sts",
            "AssumeRole",
            {"RoleArn": f"arn:aws:iam::000000000000:role/{_PREFIX}-charge", "RoleSessionName": "any"},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_deployer_is_refused_what_deploying_does_not_take(
    deployer: Deployer, service: str, operation: str, parameters: dict[str, Any]
) -> None:
    assert is_denied(deployer.client(service), operation, parameters)


@pytest.mark.usefixtures("first_deployed")
def test_a_deployer_manages_the_key_of_his_environment_and_no_other(shop: Shop, deployer: Deployer) -> None:
    keys = aws.client("kms", shop.settings, REGION).list_aliases()["Aliases"]
    ids = {alias["AliasName"]: alias["TargetKeyId"] for alias in keys if alias["AliasName"].startswith("alias/orders-")}
    kms = deployer.client("kms")
    same = {"Description": f"Everything at rest of {_PREFIX}."}
    denied = {alias: is_denied(kms, "UpdateKeyDescription", {"KeyId": key, **same}) for alias, key in ids.items()}
    assert denied == {"alias/orders-local": True, f"alias/{_PREFIX}": False}
    # Not even through tags of their own.
    mine = [{"TagKey": "Environment", "TagValue": "local"}]
    assert is_denied(kms, "TagResource", {"KeyId": ids["alias/orders-local"], "Tags": mine})


# --- callers of the API, which asks for signatures there


@dataclass(frozen=True)
class Api:
    """Of the environment that the deployer has made."""

    url: str
    shop: Shop

    def order(self) -> dict[str, Any]:
        return self.shop.document(REVIEWED)


@pytest.fixture(scope="module")
def api(shop: Shop, first_deployed: dict[str, Any]) -> Api:
    return Api(f"{shop.stack.aws_url}/_aws/execute-api/{first_deployed['api_id']}", shop)


@pytest.fixture
def api_caller(callers: Callers, api: Api) -> Iterator[dict[str, str]]:
    assert api
    with callers.attached("caller", f"{_PREFIX}-api-callers") as settings:
        yield settings


def test_a_caller_places_an_order_asks_for_it_and_cancels_it(api: Api, api_caller: dict[str, str]) -> None:
    document = api.order()
    path = f"{api.url}/orders/{document['order_id']}"
    answers = [
        signed(api_caller, "POST", f"{api.url}/orders", document),
        signed(api_caller, "GET", path),
        signed(api_caller, "POST", f"{path}/cancel"),
    ]
    assert answers == [202, 200, 202]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_a_caller_does_nothing_else_to_an_order(api: Api, api_caller: dict[str, str], method: str) -> None:
    assert signed(api_caller, method, f"{api.url}/orders/any") in (403, 404)


@pytest.mark.parametrize(("method", "path"), [("POST", "orders"), ("GET", "orders/any"), ("POST", "orders/any/cancel")])
def test_nobody_else_calls_the_api(callers: Callers, api: Api, method: str, path: str) -> None:
    body = api.order() if path == "orders" else None
    with callers.attached("sender", f"{_PREFIX}-queue-senders") as settings:
        assert signed(settings, method, f"{api.url}/{path}", body) == 403
    assert signed(None, method, f"{api.url}/{path}", body) == 403


def test_an_operator_asks_for_orders_and_places_none(callers: Callers, api: Api) -> None:
    with callers.attached("operator", f"{_PREFIX}-operators") as settings:
        answers = [
            signed(settings, "GET", f"{api.url}/orders/any"),
            signed(settings, "POST", f"{api.url}/orders", api.order()),
            signed(settings, "POST", f"{api.url}/orders/any/cancel"),
        ]
    assert answers == [404, 403, 403]


# --- and the way back


def test_a_deployer_plans(planned: Done) -> None:
    assert planned.returncode == 0, planned.stderr


def test_a_deployer_rolls_back(rolled_back: Done) -> None:
    assert rolled_back.returncode == 0, rolled_back.stderr


def test_a_deployer_takes_the_environment_down(taken_down: Done) -> None:
    assert taken_down.returncode == 0, taken_down.stderr


def test_nothing_of_the_environment_is_left(shop: Shop, taken_down: Done) -> None:
    assert taken_down.returncode == 0, taken_down.stderr
    iam = aws.client("iam", shop.settings, REGION)
    tables = aws.client("dynamodb", shop.settings, REGION).list_tables()["TableNames"]
    roles = [role["RoleName"] for role in iam.list_roles()["Roles"]]
    made = [policy["PolicyName"] for policy in iam.list_policies(Scope="Local")["Policies"]]
    assert [name for name in (*tables, *roles, *made) if name.startswith(f"{_PREFIX}-")] == []
