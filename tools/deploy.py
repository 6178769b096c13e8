"""Our Terraform against an AWS account, one environment at a time. Credentials are those of this shell.

    deploy.py release|state-bucket|plan|deploy|rollback|destroy --env dev|prod [--yes] [--canary] [--artifacts folder]
    deploy.py … --stack e2e|faults      a local stack of the tests in the place of AWS; with --env, under its settings

`release` makes the release zips. `plan` shows what `deploy` would do. `deploy` builds, plans, asks, applies
that very plan, and notes what was live before; `rollback` makes that live again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws
import readiness
import terraform
from common import ROOT, STACK_NAMES, TARGET, Problem, function_names, run_tool, say, stack_named

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_RUST_TARGETS = {"arm64": "aarch64-unknown-linux-gnu", "x86_64": "x86_64-unknown-linux-gnu"}


def main() -> None:
    parser = argparse.ArgumentParser(description="Deploys to AWS.")
    commands = {
        "release": build,
        "state-bucket": state_bucket,
        "plan": plan,
        "deploy": deploy,
        "rollback": rollback,
        "destroy": destroy,
    }
    parser.add_argument("command", choices=commands)
    parser.add_argument("--env", help="names terraform/environments/<env>.tfvars")
    parser.add_argument("--stack", choices=STACK_NAMES, help="a local stack in the place of AWS, for tests")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--canary", action="store_true", help="send a part of the new orders to the new version")
    parser.add_argument("--artifacts", type=Path, help="zips that are there already; nothing is built then")
    parser.add_argument("--var", action="append", default=[], help="name=value, over what the tfvars say")
    parser.add_argument("--unfinished", action="store_true", help="roll back only what was not finished")
    parser.add_argument("--brief", action="store_true", help="of a plan, only which resources change")
    arguments = parser.parse_args()
    if not arguments.env and not arguments.stack:
        parser.error("one of --env and --stack is needed")
    if not arguments.stack:
        terraform.require_environment(arguments.env)
        readiness.refuse_loopback(arguments.env)
    environment = Environment(arguments)
    with aws.told("AWS refused the request", "see above; once it is mended, run the same command again"):
        # Building asks nobody: a pipeline may do it without credentials.
        if arguments.env and arguments.command != "release":
            _check_account(environment)
        commands[arguments.command](environment)


def _check_account(environment: Environment) -> None:
    """Terraform does it as well, but not before the first bucket is made or the first alias moved."""
    wanted = terraform.setting(environment.name, "account_id")
    account = aws.account(environment.deployment.settings, environment.region)
    if wanted not in ("null", account):
        raise Problem(
            f"`{environment.name}` belongs to account {wanted}, and this shell is signed in to {account}",
            "sign in there",
        )


class Environment:
    """What the command line and the tfvars say."""

    def __init__(self, arguments: argparse.Namespace):
        self.name: str = arguments.env or "local"
        self.yes: bool = arguments.yes
        self.canary: bool = arguments.canary
        self.region = terraform.setting(self.name, "region")
        self.architecture = terraform.setting(self.name, "architecture")
        self.artifacts: Path | None = arguments.artifacts
        variables = [f"-var=artifacts_dir={self.artifacts.resolve()}"] if self.artifacts else []
        variables += [f"-var={assignment}" for assignment in arguments.var]
        self.brief: bool = arguments.brief
        self.unfinished: bool = arguments.unfinished
        if arguments.stack:
            of_stack = terraform.of_stack(stack_named(arguments.stack))
            if arguments.env:
                # Another environment's settings on the same engine.
                folder = TARGET / "deploy" / self.name
                # As whoever this shell is on that engine.
                url = of_stack.settings["AWS_ENDPOINT_URL"]
                own = os.environ if os.environ.get("AWS_ENDPOINT_URL") == url else {}
                keys = {name: own[name] for name in own if name in _KEYS}
                settings = {**of_stack.settings, **keys}
                of_stack = dataclasses.replace(
                    of_stack, environment=self.name, folder=folder, settings=settings, variables=()
                )
                variables.append(f"-var=architecture={terraform.processor()}")
            self.deployment = dataclasses.replace(of_stack, variables=(*of_stack.variables, *variables))
        else:
            folder = TARGET / "deploy" / self.name
            self.deployment = terraform.Deployment(self.name, folder, dict(os.environ), tuple(variables))

    def client(self, service: str) -> Any:
        return aws.client(service, self.deployment.settings, self.region)

    @property
    def bucket(self) -> str:
        return aws.state_bucket_name(self.deployment.settings, self.region)

    def record(self, name: str) -> dict[str, str]:
        """Where it is noted what was live: `previous` to the last deployment, `pending` while one is under way."""
        account = aws.account(self.deployment.settings, self.region)
        return {"Bucket": self.bucket, "Key": f"orders/{self.name}.{name}.json", "ExpectedBucketOwner": account}

    def recorded(self, name: str) -> dict[str, Any]:
        s3 = self.client("s3")
        try:
            return json.loads(s3.get_object(**self.record(name))["Body"].read())
        except s3.exceptions.NoSuchKey:
            return {}

    def put_on_record(self, name: str, live: dict[str, Any]) -> None:
        body = json.dumps(live, indent=2).encode()
        self.client("s3").put_object(**self.record(name), Body=body, ContentType="application/json")

    def confirm(self, question: str) -> None:
        if self.yes:
            return
        if not sys.stdin.isatty():
            raise Problem("there is no terminal to confirm on", "look at the plan, then run it again with YES=1")
        if input(f"\n{question} Type {self.name} to go on: ").strip() != self.name:
            raise Problem("nothing was changed", "run it again when you are sure")


# --- what is deployed -------------------------------------------------------------------------


def build(environment: Environment) -> None:
    """Release zips where Terraform looks for them, built for the environment's processor."""
    target = _RUST_TARGETS[environment.architecture]
    library = subprocess.run(
        ["rustc", "--print", "target-libdir", "--target", target], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if library.returncode != 0 or not Path(library.stdout.strip()).is_dir():
        raise Problem(
            f"Rust's standard library for {target} is not on this machine",
            f'rustup target add {target}, or set architecture = "x86_64" in {environment.name}.tfvars',
        )
    # For the person who deploys: the operators' command line, on this machine.
    if subprocess.run(["cargo", "build", "--quiet", "--locked", "--bin", "orderctl"], cwd=ROOT, check=False).returncode:
        raise Problem("orderctl could not be built", "see above")
    say(f"building the functions for {environment.architecture} (the first time takes some minutes)")
    packages = [argument for name in function_names() for argument in ("--bin", name)]
    processor = "--arm64" if environment.architecture == "arm64" else "--x86-64"
    command = ["cargo", "lambda", "build", "--release", processor, "--locked", "--output-format", "zip", *packages]
    path = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    if subprocess.run(command, cwd=ROOT, env={**os.environ, "PATH": path}, check=False).returncode != 0:
        raise Problem("the functions could not be built", "see above")
    for name in function_names():
        zipped = TARGET / "lambda" / name / "bootstrap.zip"
        say(f"{name}: {zipped.stat().st_size / 1e6:.1f} MB")


def _begin(environment: Environment, *, building: bool = True) -> None:
    if building:
        readiness.check(environment)
    elif not aws.has_bucket(environment.deployment.settings, environment.region, environment.bucket):
        raise Problem(f"this account has no bucket {environment.bucket}", "there is nothing to take down")
    terraform.init(environment.deployment)
    if building and environment.artifacts is None:
        # In seconds what the plan would say after minutes.
        with_nothing = dataclasses.replace(environment.deployment, variables=_without_packages(environment))
        terraform.check_variables(with_nothing)
        build(environment)
    changed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    if changed and environment.name != "local":
        say(
            f"{len(changed.splitlines())} files are not committed: "
            "nobody can build this again, nor tell later what it was"
        )


def _alias(environment: Environment, outputs: dict[str, Any]) -> list[dict[str, Any]]:
    """The versions that new orders start with, the heaviest first."""
    # An apply that broke off may have left some of them.
    if not {"state_machine_alias_arn", "function_aliases"} <= outputs.keys():
        return []
    described = environment.client("stepfunctions").describe_state_machine_alias(
        stateMachineAliasArn=outputs["state_machine_alias_arn"]
    )
    return sorted(described["routingConfiguration"], key=lambda route: -route["weight"])


def _live(environment: Environment, outputs: dict[str, Any]) -> dict[str, Any]:
    """What the aliases point to. Empty before the first deployment."""
    routes = _alias(environment, outputs)
    if not routes:
        return {}
    functions = environment.client("lambda")
    return {
        "state_machine_alias_arn": outputs["state_machine_alias_arn"],
        "state_machine_version_arn": routes[0]["stateMachineVersionArn"],
        "canary": len(routes) > 1,
        "functions": {
            name: functions.get_alias(FunctionName=name, Name=alias)["FunctionVersion"]
            for name, alias in outputs["function_aliases"].items()
        },
    }


def _release(environment: Environment, live: dict[str, Any]) -> list[str]:
    if not environment.canary:
        return []
    stable = live["state_machine_version_arn"].rpartition(":")[2] if live else "null"
    return ["-var=deployment=canary", f"-var=stable_version={stable}"]


# --- the commands -----------------------------------------------------------------------------


def state_bucket(environment: Environment) -> None:
    """The one thing that is there before Terraform: the place of its state."""
    bucket = environment.bucket
    environment.confirm(f"The bucket {bucket} is made, or put right: private, versioned, encrypted.")
    aws.make_state_bucket(environment.deployment.settings, environment.region)
    say(f"Terraform's state of every environment of this account and region goes to {bucket}")
    # Amazon S3 User Guide, "Enabling versioning on buckets".
    say(
        "if it is new, wait a quarter of an hour before the first deployment: "
        "S3 asks for that after versioning is turned on"
    )


def plan(environment: Environment) -> None:
    _begin(environment)
    live = _live(environment, terraform.outputs(environment.deployment))
    planned = terraform.plan(environment.deployment, *_release(environment, live))
    print(_briefly(planned) if environment.brief else planned.text)
    _check_concurrency(environment, planned)
    say(f"{len(planned.changes)} resources would change; `make deploy ENV={environment.name}` asks before it does it")


def _briefly(planned: terraform.Plan) -> str:
    lines = [f"  {'/'.join(change['actions']):<14} {address}" for address, change in planned.changes.items()]
    return "\n".join(lines)


def deploy(environment: Environment) -> None:
    _begin(environment)
    before = _live(environment, terraform.outputs(environment.deployment))
    say("planning")
    planned = terraform.plan(environment.deployment, *_release(environment, before))
    if half_made := planned.half_made:
        say(f"an apply was interrupted in making {', '.join(half_made)}: kept as it is, and finished; planning again")
        terraform.untaint(environment.deployment, half_made)
        planned = terraform.plan(environment.deployment, *_release(environment, before))
    if planned.changes:
        print(planned.text)
        _check_concurrency(environment, planned)
        environment.confirm(f"{len(planned.changes)} resources of `{environment.name}` change as above.")
        # An apply that breaks off must not take the way back with it; what it has moved is not what was live.
        before = environment.recorded("pending") or before
        if before:
            environment.put_on_record("pending", before)
        terraform.apply_plan(environment.deployment, len(planned.changes))
    else:
        say("nothing has changed since the last deployment")
    outputs = terraform.outputs(environment.deployment)
    after = _live(environment, outputs)
    _note(environment, before, after)
    environment.client("s3").delete_object(**environment.record("pending"))
    _tell(environment, outputs, after)


def _check_concurrency(environment: Environment, planned: terraform.Plan) -> None:
    """With the plan's own numbers."""
    functions = [
        resource["values"]
        for module in planned.values["planned_values"]["root_module"].get("child_modules", [])
        for resource in module["resources"]
        if resource["type"] == "aws_lambda_function"
    ]
    reserved = sum(max(function["reserved_concurrent_executions"], 0) for function in functions)
    for found in readiness.concurrency(environment, reserved, [function["function_name"] for function in functions]):
        raise Problem(found.what, str(found.remedy))


def _note(environment: Environment, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Keeps what was live, if it is no longer. A canary that is completed goes back to what was before it."""
    moved = any(before.get(part) != after.get(part) for part in ("state_machine_version_arn", "functions", "canary"))
    if before and moved and not before["canary"]:
        environment.put_on_record("previous", before)


def _tell(environment: Environment, outputs: dict[str, Any], live: dict[str, Any]) -> None:
    """Where orders go, what is still to be done, and what new orders start with."""
    if environment.name != "local":
        file = environment.deployment.folder / "endpoints.json"
        named = {
            name: outputs[name] for name in ("orders_table", "read_models_table", "stock_table", "asked_functions")
        }
        # What orderctl starts, it starts by the alias, as the front doors do: on what is live.
        named["state_machine_arn"] = outputs["state_machine_alias_arn"]
        file.write_text(
            json.dumps({"intake": outputs["api_url"], "console": outputs["console_url"], **named}, indent=2) + "\n"
        )
        say(f"the operators' page is {outputs['console_url']}/")
        say(
            f"orders go to {outputs['api_url']}/orders; "
            f"orderctl --endpoints {os.path.relpath(file)} knows where everything is"
        )
        secrets = environment.client("secretsmanager")
        # Without a webhook there is no secret of one.
        for name in ("payment_secret_arn", "carrier_secret_arn", "notices_webhook_secret_arn"):
            secret = outputs.get(name)
            if secret and not secrets.describe_secret(SecretId=secret).get("VersionIdsToStages"):
                put = f"aws secretsmanager put-secret-value --region {environment.region} --secret-id {secret}"
                # Not as an argument, which the shell would remember.
                say(f"still empty; type the value and Ctrl-D: {put} --secret-string file:///dev/stdin")
    version = live["state_machine_version_arn"].rpartition(":")[2]
    if live["canary"]:
        say(f"most new orders start on version {version}, the others on the new one; watch them, then")
        say(f"`make deploy ENV={environment.name}` takes all orders there, `make rollback ENV={environment.name}` none")
    else:
        say(f"new orders start on version {version} of the process")


def rollback(environment: Environment) -> None:
    """Moves the aliases back. Orders in flight stay on the version they started with."""
    pending, previous = environment.recorded("pending"), environment.recorded("previous")
    if environment.unfinished and not pending and not _has_canary(environment, previous):
        say(f"nothing of `{environment.name}` is unfinished")
        return
    # What takes all orders to a canary goes back to what was before that.
    if pending and not pending["canary"]:
        previous = pending
    if not previous:
        raise Problem(
            f"there is no deployment of `{environment.name}` to go back from",
            "deploy the commit that you want to go back to",
        )
    version = previous["state_machine_version_arn"]
    functions = ", ".join(name.removeprefix(f"orders-{environment.name}-") for name in previous["functions"])
    number = version.rpartition(":")[2]
    environment.confirm(f"New orders start on version {number} of the process again; {functions} go back with it.")
    with aws.told(
        "the aliases could not be moved", "see that you may update aliases, then run it again: it is safe to repeat"
    ):
        environment.client("stepfunctions").update_state_machine_alias(
            stateMachineAliasArn=previous["state_machine_alias_arn"],
            routingConfiguration=[{"stateMachineVersionArn": version, "weight": 100}],
        )
        for name, was_live in previous["functions"].items():
            environment.client("lambda").update_alias(FunctionName=name, Name="live", FunctionVersion=was_live)
    say(f"new orders start on version {number} of the process, and {functions} are what they were with it")
    say("the next `make deploy` moves them to what it deploys")


def _has_canary(environment: Environment, previous: dict[str, Any]) -> bool:
    """Whether a part of new orders goes to a version that the others do not go to."""
    if not previous:
        return False
    return len(_alias(environment, {"function_aliases": {}, **previous})) > 1


def destroy(environment: Environment) -> None:
    """Takes the environment down, with everything that it knows."""
    _begin(environment, building=False)
    without = _without_packages(environment)
    environment.deployment = dataclasses.replace(environment.deployment, variables=without)
    outputs = terraform.outputs(environment.deployment)
    # Before the tables: its protection is taken off by a deployment, and that protects the tables anew.
    if pool := outputs.get("console_user_pool_id"):
        cognito = environment.client("cognito-idp")
        if cognito.describe_user_pool(UserPoolId=pool)["UserPool"].get("DeletionProtection") == "ACTIVE":
            raise Problem(
                f"the user pool {pool}, with everybody who may sign in at the operators' page, "
                "is protected from being deleted",
                # Not UpdateUserPool by hand: what such a call leaves out is reset.
                "if they are really to go: user_pool_protection = false in "
                f"terraform/environments/{environment.name}.tfvars, make deploy, then again",
            )
    tables = environment.client("dynamodb")
    for name in (outputs[key] for key in ("orders_table", "read_models_table", "stock_table") if key in outputs):
        if tables.describe_table(TableName=name)["Table"].get("DeletionProtectionEnabled"):
            raise Problem(
                f"the table {name} is protected from being deleted",
                "if its orders are really to be lost: aws dynamodb update-table --no-deletion-protection-enabled "
                f"--region {environment.region} --table-name {name}",
            )
    environment.confirm(
        "Every order, every secret and every log goes away. "
        "DynamoDB alone keeps a backup, for 35 days, of a table that could be restored, and their key goes before that."
    )
    stop_executions(environment, outputs)
    terraform.destroy(environment.deployment)
    for name in ("pending", "previous"):
        environment.client("s3").delete_object(**environment.record(name))
    if key := outputs.get("key_arn"):
        _tell_key(environment, key)
    say(f"`{environment.name}` is gone; its state stays, empty, in {environment.bucket}")


def _tell_key(environment: Environment, key: str) -> None:
    """KMS keeps a key for 30 days at most, and DynamoDB a deleted table's backup for 35."""
    metadata = environment.client("kms").describe_key(KeyId=key)["KeyMetadata"]
    if goes := metadata.get("DeletionDate"):
        say(
            f"the backups can be read until {goes:%Y-%m-%d}, when their key goes; to keep it: aws kms "
            f"cancel-key-deletion --region {environment.region} --key-id {key}, then enable-key with the same"
        )


def _without_packages(environment: Environment) -> tuple[str, ...]:
    """Terraform reads the zips even to take functions away; what cannot be built must not stand in the way."""
    if environment.artifacts is not None:
        return environment.deployment.variables
    folder = environment.deployment.folder / "no-packages"
    for name in function_names():
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "bootstrap.zip").write_bytes(b"")
    return (*environment.deployment.variables, f"-var=artifacts_dir={folder.resolve()}")


def stop_executions(environment: Environment, outputs: dict[str, Any]) -> None:
    """A state machine is gone once its executions are, and a review waits for hours."""
    if "state_machine_arn" not in outputs:
        return
    workflow = environment.client("stepfunctions")
    pages = workflow.get_paginator("list_executions").paginate(
        stateMachineArn=outputs["state_machine_arn"], statusFilter="RUNNING"
    )
    running = [execution["executionArn"] for page in pages for execution in page["executions"]]
    for arn in running:
        workflow.stop_execution(executionArn=arn, error="Destroyed", cause="the environment is taken down")
    if running:
        say(f"{len(running)} executions were stopped")


if __name__ == "__main__":
    run_tool(main)
