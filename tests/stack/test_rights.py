"""What each role may do, on a stack with IAM enforced.

Every operation of the services around us is called as each role, on each of our resources: what the role's policies
do not allow has to be denied, what they allow has to get through. Then each right is taken away in turn, and
something that worked has to break.
"""

from __future__ import annotations

import copy
import json

import pytest

import aws
from common import REGION
from support.documented import KEY_USERS, documented
from support.duties import Duties
from support.iam import ROLES, Roles, as_list, function_of, grants
from support.monitor import Monitor
from support.operations import Resources, Walk, resources
from support.shop import Shop
from support.situations import Situations
from support.tables import Tables, has_orders

# By these an order could be deleted, and with it what is known of its money.
DELETING = ["dynamodb:DeleteItem", "dynamodb:BatchWriteItem", "dynamodb:PartiQLDelete"]


@pytest.fixture(scope="module")
def roles(shop: Shop) -> Roles:
    return Roles(shop.settings)


@pytest.fixture(scope="module", params=ROLES, ids=function_of)
def role(request: pytest.FixtureRequest) -> str:
    role: str = request.param
    return role


@pytest.fixture(scope="module")
def ours(roles: Roles) -> Resources:
    """What we have in the services around us."""
    return resources(roles)


def test_every_role_is_looked_at(roles: Roles) -> None:
    assert sorted(roles.names()) == sorted(ROLES)


# --- every operation of every service ---------------------------------------------------------


@pytest.fixture(scope="module")
def unasked(roles: Roles, ours: Resources) -> frozenset[str]:
    """What this engine lets everybody do."""
    with roles.nobody() as nobody:
        return frozenset(Walk([], roles.assumed(nobody), ours).passed)


@pytest.fixture(scope="module")
def walk(roles: Roles, role: str, ours: Resources, unasked: frozenset[str]) -> Walk:
    return Walk(roles.statements(role), roles.assumed(role), ours, unasked)


def test_nothing_is_let_through_that_no_statement_allows(walk: Walk) -> None:
    assert not walk.wrongly_allowed


def test_nothing_is_denied_that_a_statement_allows(walk: Walk) -> None:
    assert not walk.wrongly_denied


def test_every_allowed_action_is_tried(walk: Walk) -> None:
    assert not walk.untried()


def test_most_of_what_there_is_to_call_is_denied(walk: Walk) -> None:
    assert walk.counts["denied"] > 1000, walk.counts


# --- what policies say --------------------------------------------------------------------------


def test_rights_that_this_engine_does_not_ask_for_are_as_aws_documents_them(roles: Roles, role: str) -> None:
    there = {statement["Sid"]: set(as_list(statement["Action"])) for statement in roles.statements(role)}
    wanted = documented(function_of(role))
    assert {sid: there.get(sid) for sid in wanted} == wanted


def test_no_role_can_delete_an_order(roles: Roles, role: str, ours: Resources) -> None:
    tables = [arn for arn in ours["dynamodb"] if has_orders(arn)]
    assert tables, "there is no table with orders"
    statements = roles.statements(role)
    granted = {action for action in DELETING for table in tables if grants(statements, action, table)}
    assert granted == set()


def test_the_key_is_for_the_services_that_use_it_and_no_others(roles: Roles) -> None:
    kms = aws.client("kms", roles.settings, REGION)
    ours = [alias for alias in kms.list_aliases()["Aliases"] if alias["AliasName"].startswith("alias/orders-")]
    assert ours, "there is no key of ours"
    for alias in ours:
        policy = json.loads(kms.get_key_policy(KeyId=alias["TargetKeyId"], PolicyName="default")["Policy"])
        users = {
            service: set(as_list(statement["Action"]))
            for statement in policy["Statement"]
            for service in as_list(statement["Principal"].get("Service", []))
        }
        assert users == KEY_USERS, alias["AliasName"]


# --- without one right ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def duties(shop: Shop, tables: Tables, situations: Situations, monitor: Monitor) -> Duties:
    return Duties(shop, tables, situations, monitor)


@pytest.fixture(scope="module")
def broken_with_every_right(duties: Duties, role: str) -> list[str]:
    return duties.broken(function_of(role))


def test_everything_goes_with_every_right(broken_with_every_right: list[str]) -> None:
    assert not broken_with_every_right


def test_something_breaks_without_each_right(
    roles: Roles, duties: Duties, role: str, broken_with_every_right: list[str]
) -> None:
    assert not broken_with_every_right, "something is broken already, with every right"
    function = function_of(role)
    needless: list[str] = []
    for policy, document in roles.policies(role).items():
        try:
            for number, statement in enumerate(document["Statement"]):
                if statement["Sid"] in documented(function):
                    continue
                for action in as_list(statement["Action"]):
                    less = copy.deepcopy(document)
                    less["Statement"][number]["Action"] = [one for one in as_list(statement["Action"]) if one != action]
                    if not less["Statement"][number]["Action"]:
                        del less["Statement"][number]
                    roles.put_policy(role, policy, less)
                    if not duties.broken(function):
                        needless.append(f"{statement['Sid']} {action}")
        finally:
            roles.put_policy(role, policy, document)
    assert not needless, f"nothing breaks without {needless}: take them away, or add what needs them to tests/events"
