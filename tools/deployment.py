"""What Terraform makes, tried on the stack of the end-to-end tests: its account, its orders.

    deployment.py

Orders by queue, and what becomes of a message that is none. Two deployments while orders are in flight, the
second by way of a canary, and a rollback: orders finish on the version they started with. Then production's
settings on an account that has none of them: one apply, a plan that finds nothing left to do, and the way
down.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
import zipfile

import aws
import deploy
import terraform
from common import REGION, ROOT, TARGET, Problem, aws_environment, function_names, run_tool, say, stack_named
from shop import REVIEWED, Shop

_PATIENCE_S = 60
_QUEUE, _DEAD = "orders-local-orders", "orders-local-orders-dead-letters"
_STEPS = ("validate", "charge", "ship", "notify")
# So much that no order here is looked at.
_NO_REVIEWS = 'review_limits={"USD"=1000000000}'
# What the local engine does not keep, and what follows from it in a plan: it drops a state machine's
# tracing and an object's tags.
_DROPPED = {
    r"aws_sfn_state_machine\.orders": {"tracing_configuration", "revision_id", "state_machine_version_arn"},
    r"aws_sfn_alias\.live": {"routing_configuration"},
    r"module\.function\[\"[\w-]+\"\]\.aws_s3_object\.artifact": {"tags_all"},
    # What the provider reads of an alarm is its name and its bounds.
    r"aws_lambda_function_event_invoke_config\.monitor": {"maximum_event_age_in_seconds"},
    r".*aws_cloudwatch_metric_alarm\.\w+(\[\"\w+\"\])?": {
        "actions_enabled",
        "alarm_actions",
        "alarm_description",
        "dimensions",
        "extended_statistic",
        "ok_actions",
        "period",
        "statistic",
        "threshold_metric_id",
        "treat_missing_data",
    },
}


def main() -> None:
    check = Check()
    check.orders_come_by_queue()
    check.what_waits_can_be_stopped()
    check.orders_stay_where_they_started()
    check.production_on_an_empty_account()


class Check:
    """The stack, and what looks into it."""

    def __init__(self):
        self.stack = stack_named("e2e")
        self.shop = Shop(self.stack)
        self.settings = aws_environment(self.stack)
        self.sfn = aws.client("stepfunctions", self.settings, REGION)
        self.logs = aws.client("logs", self.settings, REGION)
        self.log = self.stack.logs / "deployment.log"

    def _deploy(self, command: str, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess:
        """A command of tools/deploy.py as `make` calls it."""
        called = [sys.executable, str(ROOT / "tools" / "deploy.py"), command, "--yes", *arguments]
        done = subprocess.run(called, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        with open(self.log, "a", encoding="utf-8") as log:
            log.write(f"$ {command} {' '.join(arguments)}\n{done.stdout}{done.stderr}\n")
        return done

    def _deployed(self, command: str, *arguments: str, **options) -> str:
        done = self._deploy(command, *arguments, **options)
        if done.returncode != 0:
            raise Problem(f"{command} failed: {done.stderr.strip()}", f"see {os.path.relpath(self.log)}")
        return done.stdout

    # --- orders by queue

    def orders_come_by_queue(self) -> None:
        self.shop.article()
        order = self.shop.send(1)
        self._completes(order)

        # An unread message comes again after minutes; here, at once.
        self.shop.queue("set_queue_attributes", _QUEUE, Attributes={"VisibilityTimeout": "1"})
        self.shop.queue("send_message", _QUEUE, MessageBody='{"order_id": "check-no-order"}')
        until = time.monotonic() + _PATIENCE_S
        while not (dead := self.shop.queue("receive_message", _DEAD, WaitTimeSeconds=1).get("Messages")):
            expect(time.monotonic() < until, "a message that is no order ends in the dead-letter queue")
        expect("check-no-order" in dead[0]["Body"], f"it is the message: {dead}")
        alarms = aws.client("cloudwatch", self.settings, REGION).describe_alarms(AlarmNames=[f"{_DEAD}-not-empty"])["MetricAlarms"]
        watched = [(alarm["Namespace"], alarm["MetricName"], alarm["Dimensions"]) for alarm in alarms]
        expected = ("AWS/SQS", "ApproximateNumberOfMessagesVisible", [{"Name": "QueueName", "Value": _DEAD}])
        expect(watched == [expected], f"an alarm looks at it: {watched}")
        say("an order by queue completed; a message that is no order is in the dead-letter queue, which has an alarm")

    # --- orders in flight

    def orders_stay_where_they_started(self) -> None:
        first = self._routes()[0][0]
        functions = aws.client("lambda", self.settings, REGION)
        first_intake = functions.get_alias(FunctionName="orders-local-intake", Name="live")["FunctionVersion"]
        old_functions = self._versions()
        before = [self._waiting(), self._waiting()]
        say(f"two orders wait for a review on version {first}")

        second = self._rebuilt()
        # In the new version people have to sign in at the page, with the local engine's Cognito.
        sign_in = ("console_open=false", f"cognito_endpoint={self.stack.aws_url}", "console_mfa=OFF")
        new = ("--stack", "e2e", "--artifacts", str(second), "--var", _NO_REVIEWS, *(part for one in sign_in for part in ("--var", one)))
        self._deployed("deploy", "--canary", *new)
        routes = self._routes()
        expect(routes[0] == (first, 90) and routes[1][1] == 10, f"the canary has a tenth of new orders: {routes}")
        newest = routes[1][0]
        say(f"canary: version {newest} has 10 of 100 new orders, version {first} the others")

        self._deployed("deploy", *new)
        routes = self._routes()
        # The local engine drops the state machine's tracing, so that each deployment publishes it anew.
        expect(len(routes) == 1 and routes[0][0] >= newest and routes[0][1] == 100, f"all of them: {routes}")
        newest = routes[0][0]
        new_functions = self._versions()
        expect(not set(old_functions.items()) & set(new_functions.items()), f"every function is new: {new_functions}")
        after = self.shop.submit(REVIEWED)
        self._completes(after)
        self._approve(before[0])
        self._only_ran(before[0], old_functions)
        self._only_ran(after, new_functions)
        say(f"all at once: a new order ran version {newest} and was not reviewed, an older one stayed on version {first}")

        self._people_sign_in(after)

        self._deployed("rollback", "--stack", "e2e")
        expect(self._routes() == [(first, 100)], f"back: {self._routes()}")
        intake = functions.get_alias(FunctionName="orders-local-intake", Name="live")["FunctionVersion"]
        expect(intake == first_intake, f"intake is back at {first_intake}: {intake}")
        # The local engine starts every order with the newest definition, whatever the alias says. So this looks
        # at what the alias names, and has an order that is still in flight go on with it.
        expect(self._functions_of(first) == old_functions, f"version {first} calls {self._functions_of(first)}")
        self._approve(before[1])
        self._only_ran(before[1], old_functions)
        say(f"rollback: new orders start on version {first} again, and what it calls is still there")

    def _people_sign_in(self, order: str) -> None:
        cognito = aws.client("cognito-idp", self.settings, REGION)
        pools = cognito.list_user_pools(MaxResults=60)["UserPools"]
        pool = next(pool["Id"] for pool in pools if pool["Name"] == "orders-local-operators")
        password = f"Aa1-{uuid.uuid4()}"
        for name, group in (("operator", "operators"), ("viewer", "viewers"), ("stranger", None)):
            address = f"{name}@example.com"
            known = [{"Name": "email", "Value": address}, {"Name": "email_verified", "Value": "true"}]
            user = cognito.admin_create_user(UserPoolId=pool, Username=address, UserAttributes=known, MessageAction="SUPPRESS")["User"]["Username"]
            cognito.admin_set_user_password(UserPoolId=pool, Username=user, Password=password, Permanent=True)
            if group:
                cognito.admin_add_user_to_group(UserPoolId=pool, Username=user, GroupName=group)
        python = sys.executable
        done = subprocess.run([python, ROOT / "tools/sign_in.py", order, password], cwd=ROOT, check=False)
        expect(done.returncode == 0, "people sign in at the page")

    def what_waits_can_be_stopped(self) -> None:
        """As a state machine has to be before it goes away."""
        order = self._waiting()
        arguments = argparse.Namespace(env=None, stack="e2e", yes=True, canary=False, artifacts=None, var=[])
        deploy.stop_executions(deploy.Environment(arguments), {"state_machine_arn": self.shop.endpoints["state_machine_arn"]})
        stopped = self.shop.becomes(order, lambda view: view["workflow"]["status"] == "ABORTED", _PATIENCE_S)
        expect(stopped and stopped["status"] == "needs_attention", f"{order} was stopped, and somebody is told")

    def _functions_of(self, version: int) -> dict[str, str]:
        """What a version of the process calls."""
        arn = f"{self.shop.endpoints['state_machine_arn']}:{version}"
        definition = self.sfn.describe_state_machine(stateMachineArn=arn)["definition"]
        return dict(re.findall(r"function:orders-local-(\w+):(\d+)", definition))

    def _rebuilt(self):
        """The same binaries in other zips: another build."""
        folder = self.stack.folder / "second"
        shutil.rmtree(folder, ignore_errors=True)
        for name in function_names():
            (folder / name).mkdir(parents=True)
            with zipfile.ZipFile(self.stack.artifacts / name / "bootstrap.zip") as old:
                entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 2))
                entry.external_attr = 0o755 << 16
                with zipfile.ZipFile(folder / name / "bootstrap.zip", "w") as new:
                    new.writestr(entry, old.read("bootstrap"), zipfile.ZIP_DEFLATED, compresslevel=1)
        return folder

    def _routes(self) -> list[tuple[int, int]]:
        """(version, weight) of what new orders start with, the heaviest first."""
        alias = f"{self.shop.endpoints['state_machine_arn']}:live"
        routes = self.sfn.describe_state_machine_alias(stateMachineAliasArn=alias)["routingConfiguration"]
        pairs = [(int(route["stateMachineVersionArn"].rpartition(":")[2]), route["weight"]) for route in routes]
        return sorted(pairs, key=lambda pair: -pair[1])

    def _waiting(self) -> str:
        order = self.shop.submit(REVIEWED)
        expect(self.shop.becomes(order, lambda view: view["status"] == "in_review", _PATIENCE_S), f"{order} waits for a review")
        return order

    def _approve(self, order: str) -> None:
        self.shop.orderctl("approve", order, "--reason", "a check of deployments")
        self._completes(order)

    def _completes(self, order: str) -> None:
        ended = self.shop.becomes(order, lambda view: view["workflow"]["status"] == "SUCCEEDED", _PATIENCE_S)
        expect(ended and ended["status"] == "completed", f"{order} completes")

    def _versions(self) -> dict[str, str]:
        """The version of each function that Terraform has published last."""
        functions = terraform.outputs(terraform.of_stack(self.stack))["functions"]
        return {name: functions[name]["qualified_arn"].rpartition(":")[2] for name in _STEPS}

    def _only_ran(self, order: str, versions: dict[str, str]) -> None:
        """By the log: a stream's name says which version wrote it."""
        for function, version in versions.items():
            pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/orders-local-{function}")
            lines = [line for page in pages for line in page["events"] if order in line["message"]]
            ran = {re.search(r"\[(.+)\]", line["logStreamName"]).group(1) for line in lines}
            expect(ran == {version}, f"{order} ran version {version} of {function} and no other: {ran}")

    # --- production

    def production_on_an_empty_account(self) -> None:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_VAR_"))},
            **self.settings,
            "TF_VAR_architecture": terraform.processor(),
        }
        where = {"environment": environment}
        account = aws.account(self.settings, REGION)
        # This engine has no Logs Insights.
        queries = ("--var", "saved_queries=false")
        yours = ("--var", f"account_id={account}", "--var", 'operator_emails=["on-call@example.com"]')
        prod = ("--env", "prod", "--artifacts", str(self.stack.artifacts), *yours, *queries)
        shutil.rmtree(TARGET / "deploy" / "prod", ignore_errors=True)
        self._deployed("deploy", *prod, **where)
        say("production: one apply on an account that has nothing of it")

        self._deployed("plan", *prod, **where)
        deployment = terraform.Deployment("prod", TARGET / "deploy" / "prod", environment)
        for address, change in terraform.Plan("", terraform.shown(deployment)).changes.items():
            known = next((dropped for pattern, dropped in _DROPPED.items() if re.fullmatch(pattern, address)), set())
            more = attributes(change) - known
            expect(not more, f"a second plan changes nothing: {address} {more}")
        say("production: the second plan changes nothing but what the local engine is known to drop")

        refused = self._deploy("destroy", *prod, **where)
        expect(refused.returncode != 0 and "protected from being deleted" in refused.stderr, f"not taken down: {refused.stderr}")
        tables = aws.client("dynamodb", self.settings, REGION)
        for table in ("orders-prod-orders", "orders-prod-stock"):
            tables.update_table(TableName=table, DeletionProtectionEnabled=False)
        refused = self._deploy("destroy", *prod, **where)
        expect(refused.returncode != 0 and "user pool" in refused.stderr, f"nor with its people: {refused.stderr}")
        cognito = aws.client("cognito-idp", self.settings, REGION)
        pools = [pool["Id"] for pool in cognito.list_user_pools(MaxResults=60)["UserPools"] if pool["Name"] == "orders-prod-operators"]
        cognito.update_user_pool(UserPoolId=pools[0], DeletionProtection="INACTIVE")
        self._deployed("destroy", *prod, **where)
        left = [name for name in tables.list_tables()["TableNames"] if name.startswith("orders-prod")]
        functions = aws.client("lambda", self.settings, REGION).list_functions()["Functions"]
        left += [function["FunctionName"] for function in functions if function["FunctionName"].startswith("orders-prod")]
        expect(not left, f"nothing is left: {left}")
        say("production: taken down only after the protection of its tables and its user pool was taken off by hand")


def attributes(change: dict) -> set[str]:
    """What of a resource would change."""
    before, after, unknown = (change.get(part) or {} for part in ("before", "after", "after_unknown"))
    names = before.keys() | after.keys() | unknown.keys()
    return {name for name in names if _any(unknown.get(name)) or (name in after and before.get(name) != after[name])}


def _any(unknown) -> bool:
    """Whether anything of it is only known after an apply."""
    if isinstance(unknown, (list, dict)):
        return any(_any(part) for part in (unknown.values() if isinstance(unknown, dict) else unknown))
    return bool(unknown)


def expect(true, what: str) -> None:
    if not true:
        raise Problem(f"not so: {what}", "see target/e2e/logs")


if __name__ == "__main__":
    run_tool(main)
