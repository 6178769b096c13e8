"""Every request that our programs have made of AWS, as the other suites made them do, against AWS's own descriptions.

The local engine takes much that AWS refuses: a member too many, a value that is too long, a name that AWS has no
word for. What is held against what: required members, types, lengths, ranges, patterns and enumerations of the
service models that botocore comes with. Last of all suites, for it looks at what the others have caused.
"""

from __future__ import annotations

import json
from collections import Counter

import pytest

from common import Stack
from support.models import Request, operation_of, wrong_with

# What our code asks of AWS; a call that is new is named here, and one that nothing causes any more goes.
CALLED = {
    "dynamodb": {
        "BatchGetItem",
        "BatchWriteItem",
        # By the end-to-end tests in Rust, which come first and count the stock through the same adapter.
        "GetItem",
        "PutItem",
        "Query",
        "TransactWriteItems",
        "UpdateItem",
    },
    "lambda": {"Invoke"},
    "secretsmanager": {"GetSecretValue"},
    "sesv2": {"SendEmail"},
    "sns": {"Publish"},
    "stepfunctions": {
        "DescribeExecution",
        "GetExecutionHistory",
        "RedriveExecution",
        "SendTaskFailure",
        "SendTaskSuccess",
        "StartExecution",
    },
    # orderctl, for who somebody is.
    "sts": {"GetCallerIdentity"},
}


@pytest.fixture(scope="module")
def requests(stack: Stack) -> list[Request]:
    return [Request.recorded(line) for line in stack.requests_file.read_text().splitlines()]


def test_each_of_our_requests_is_one_that_aws_describes(requests: list[Request]) -> None:
    wrong: Counter[str] = Counter()
    for request in requests:
        operation, given = operation_of(request)
        wrong.update(f"{request.service}: {what}" for what in wrong_with(operation, given))
    assert not wrong, "\n".join(f"{times} times {what}" for what, times in wrong.items())


def test_every_call_that_our_code_makes_was_among_them(requests: list[Request]) -> None:
    called: dict[str, set[str]] = {}
    for request in requests:
        called.setdefault(request.service, set()).add(operation_of(request)[0].name)
    assert called == CALLED


def test_a_mail_names_the_set_by_which_bounces_are_told_and_its_order(requests: list[Request]) -> None:
    mails = [given for operation, given in map(operation_of, requests) if operation.name == "SendEmail"]
    assert mails, "no mail was sent"
    for mail in mails:
        assert mail["ConfigurationSetName"] == "orders-local-mail"
        assert [tag["Name"] for tag in mail["EmailTags"]] == ["order_id", "execution"]


@pytest.mark.parametrize(
    ("target", "given", "what"),
    [
        ("DynamoDB_20120810.Query", {"Limit": 0}, "Query lacks TableName"),
        ("DynamoDB_20120810.Query", {"TableName": "t", "Limit": 0}, "Query.Limit is below 1"),
        ("DynamoDB_20120810.Query", {"TableName": "t", "Order": "up"}, "Query has no Order"),
        ("DynamoDB_20120810.Query", {"TableName": "t", "Select": "ALL"}, "Query.Select is none of"),
        ("DynamoDB_20120810.Query", {"TableName": 5}, "Query.TableName is int, not string"),
        ("DynamoDB_20120810.PutItem", {"TableName": "t", "Item": {"pk": "a"}}, "PutItem.Item.* is str, not structure"),
    ],
)
def test_a_request_that_aws_refuses_is_told(target: str, given: dict[str, object], what: str) -> None:
    credential = "AWS4-HMAC-SHA256 Credential=test/20261126/us-east-1/dynamodb/aws4_request, SignedHeaders=host"
    headers = {"x-amz-target": target, "authorization": credential}
    operation, asked = operation_of(Request("POST", "/", "", headers, json.dumps(given).encode()))
    assert any(found.startswith(what) for found in wrong_with(operation, asked))
