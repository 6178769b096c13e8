"""The roles of a stack and their policies."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

import aws
from common import REGION, function_names

Statement = dict[str, Any]
Document = dict[str, Any]

_PREFIX = "orders-local-"
# Each function has a role, and so has the process.
ROLES = [f"{_PREFIX}{name}" for name in (*function_names(), "workflow")]
# A role without any policy: what it may do, this engine does not ask IAM about.
NOBODY = "rights-nobody"


class Roles:
    """As IAM has them."""

    def __init__(self, settings: dict[str, str]):
        self.settings = settings
        self._iam = aws.client("iam", settings, REGION)
        self.account = aws.account(settings, REGION)

    def names(self) -> list[str]:
        return [role["RoleName"] for role in self._iam.list_roles()["Roles"] if role["RoleName"].startswith("orders-")]

    @contextmanager
    def nobody(self) -> Iterator[str]:
        trusted_by_none = {"Version": "2012-10-17", "Statement": []}
        self._iam.create_role(RoleName=NOBODY, AssumeRolePolicyDocument=json.dumps(trusted_by_none))
        try:
            yield NOBODY
        finally:
            self._iam.delete_role(RoleName=NOBODY)

    def policies(self, role: str) -> dict[str, Document]:
        names = self._iam.list_role_policies(RoleName=role)["PolicyNames"]
        return {name: self._iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names}

    def put_policy(self, role: str, policy: str, document: Document) -> None:
        self._iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))

    def statements(self, role: str) -> list[Statement]:
        return [statement for document in self.policies(role).values() for statement in document["Statement"]]

    def assumed(self, role: str) -> dict[str, str]:
        """Settings of a client that is this role. Only the role's own service may assume it, so that its trust
        is widened for a moment."""
        trusted = self._iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
        ours = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{self.account}:root"},
            "Action": "sts:AssumeRole",
        }
        widened = {**trusted, "Statement": [*trusted["Statement"], ours]}
        self._iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(widened))
        try:
            sts = aws.client("sts", self.settings, REGION)
            arn = f"arn:aws:iam::{self.account}:role/{role}"
            keys = sts.assume_role(RoleArn=arn, RoleSessionName="rights")["Credentials"]
        finally:
            self._iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(trusted))
        return {
            **self.settings,
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["SessionToken"],
        }


def function_of(role: str) -> str:
    """The function that has the role, or `workflow`."""
    return role.removeprefix(_PREFIX)


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allows(statements: list[Statement], action: str, resource: str) -> bool:
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


def grants(statements: list[Statement], action: str, resource: str) -> bool:
    """Whether the action is allowed under some condition at least, or by a pattern."""
    return any(
        statement["Effect"] == "Allow"
        and any(fnmatchcase(action, pattern) for pattern in as_list(statement["Action"]))
        and any(fnmatchcase(resource, pattern) for pattern in as_list(statement["Resource"]))
        for statement in statements
    )
