"""Rights that nothing breaks without: the local engine does not ask for them where AWS does.

AWS's own documentation says what is needed; it is held against what is there.
"""

from __future__ import annotations

from common import REGION

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
        "Changes": {
            "dynamodb:DescribeStream",
            "dynamodb:GetRecords",
            "dynamodb:GetShardIterator",
            "dynamodb:ListStreams",
        },
        "DeadLetters": {"sqs:SendMessage"},
        "Key": {"kms:Decrypt", "kms:GenerateDataKey"},
        "Redrive": {"states:RedriveExecution"},
        "StartOrders": {"states:StartExecution"},
    },
    # Tried with an operator's policy (test_policies.py).
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
KEY_USERS = {
    "budgets.amazonaws.com": {"kms:Decrypt", "kms:GenerateDataKey"},
    "cloudwatch.amazonaws.com": {"kms:Decrypt", "kms:GenerateDataKey"},
    "delivery.logs.amazonaws.com": {"kms:Decrypt"},
    "events.amazonaws.com": {"kms:Decrypt", "kms:GenerateDataKey"},
    f"logs.{REGION}.amazonaws.com": _USE_OF_THE_KEY,
}


def documented(function: str) -> dict[str, set[str]]:
    """Statements of a role that are held against AWS's documentation, by their Sid."""
    return {**({} if function == "workflow" else _DOCUMENTED["function"]), **_DOCUMENTED.get(function, {})}
