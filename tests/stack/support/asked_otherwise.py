"""Where the local engine asks IAM otherwise than AWS does, while somebody deploys.

A deployer of the tests may do this on top of what the deployer's policies say. It is of no use on AWS, where the same
calls are about what the policies name.
"""

from __future__ import annotations

from collections.abc import Iterator

from common import REGION
from support.iam import Document, Statement

# Asked without a resource: AWS names it.
_OF_NOTHING = {
    "budgets:ListTagsForResource",
    "cloudwatch:DeleteAlarms",
    "cloudwatch:DeleteDashboards",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetDashboard",
    "cloudwatch:ListTagsForResource",
    "cloudwatch:PutDashboard",
    "dynamodb:ListTagsOfResource",
    "events:ListTagsForResource",
    "events:ListTargetsByRule",
    "events:PutTargets",
    "events:RemoveTargets",
    "iam:CreatePolicy",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "lambda:CreateEventSourceMapping",
    "lambda:CreateFunction",
    "ses:ListTagsForResource",
    "sns:ListTagsForResource",
    "states:DeleteStateMachineAlias",
    "states:DescribeStateMachineAlias",
    "states:ListTagsForResource",
    "states:UpdateStateMachineAlias",
}
# Asked by another name than AWS's, which is behind it.
_NAMED_OTHERWISE = {
    "budgets:CreateBudget": "budgets:ModifyBudget",
    "budgets:CreateNotification": "budgets:ModifyBudget",
    "budgets:DeleteBudget": "budgets:ModifyBudget",
    "budgets:DescribeBudget": "budgets:ViewBudget",
    "budgets:DescribeNotificationsForBudget": "budgets:ViewBudget",
    "budgets:DescribeSubscribersForNotification": "budgets:ViewBudget",
    "lambda:ListAliases": "lambda:CreateAlias",
    "lambda:ListEventSourceMappings": "lambda:GetEventSourceMapping",
}


def asked_otherwise(documents: list[Document], account: str) -> list[Statement]:
    """What the engine asks for in the place of what these policies allow. No more: each is an action of theirs."""
    statements: list[Statement] = [statement for document in documents for statement in document["Statement"]]
    allowed = {action for statement in statements for action in statement["Action"]}
    wanted = _OF_NOTHING | set(_NAMED_OTHERWISE.values())
    assert wanted <= allowed, f"nobody allows {wanted - allowed}"
    anything = {"Effect": "Allow", "Action": sorted(_OF_NOTHING | set(_NAMED_OTHERWISE)), "Resource": "*"}
    # An alias is asked for as if it were a state machine.
    alias = f"arn:aws:states:{REGION}:{account}:stateMachine:live"
    of_alias = {"Effect": "Allow", "Action": "states:CreateStateMachineAlias", "Resource": alias}
    return [anything, of_alias, *_rules_by_bus(statements), *_pools_without_tags(statements)]


def _rules_by_bus(statements: list[Statement]) -> Iterator[Statement]:
    """Rules of the default bus, which AWS leaves out of their ARNs."""
    for statement in statements:
        if statement["Action"][0].startswith("events:"):
            arns = [arn.replace(":rule/", ":rule/default/") for arn in statement["Resource"]]
            yield {**statement, "Resource": arns}


def _pools_without_tags(statements: list[Statement]) -> Iterator[Statement]:
    """This engine knows no tags of user pools."""
    for statement in statements:
        if statement["Action"][0].startswith("cognito-idp:"):
            yield {name: value for name, value in statement.items() if name != "Condition"}
