"""The local stack: AWS on one port (ministack), the providers' sandbox on another, and our Terraform.

stack.py check|ports|needed|up|down|env [--name local|e2e|faults]
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import aws
import preflight
import processes
import terraform
from common import (
    REGION,
    ROOT,
    ROOT_KEY,
    STACK_NAMES,
    TARGET,
    Problem,
    Stack,
    aws_environment,
    run_tool,
    say,
    stack_named,
)

# What the sandbox accepts. By hand, real ones often get a line's end behind them; so have these.
_SECRETS = {"payment_secret_arn": "sk_test_sandbox\n", "carrier_secret_arn": "TEST_sandbox\n"}
# What notices to operators are signed with here: anyone may know it.
WEBHOOK_KEY = "whsec_" + base64.b64encode(b"notices of the local stack").decode()


def main() -> None:
    parser = argparse.ArgumentParser(description="The local stack.")
    parser.add_argument("command", choices=["check", "ports", "needed", "up", "down", "env"])
    parser.add_argument("--name", choices=STACK_NAMES, default="local")
    arguments = parser.parse_args()
    stack = stack_named(arguments.name)
    commands = {
        "check": preflight.check,
        "ports": processes.require_ports,
        "needed": Stack.endpoints,
        "up": up,
        "down": down,
        "env": env,
    }
    commands[arguments.command](stack)


def up(stack: Stack) -> None:
    """Brings everything up that is not yet, and writes endpoints.json."""
    processes.require_ports(stack)
    sandbox = _built(TARGET / "debug" / "sandbox")
    stack.folder.mkdir(parents=True, exist_ok=True)
    _start_ministack(stack)
    _start_sandbox(stack, sandbox)

    # An apply that has nothing to do still takes seconds; leave it out when nothing it reads has changed.
    applied = stack.folder / "applied"
    fingerprint = terraform.fingerprint(stack)
    if applied.exists() and applied.read_text() == fingerprint and stack.endpoints_file.exists():
        say("terraform: nothing has changed since the last apply")
    else:
        applied.unlink(missing_ok=True)
        say("terraform: init and apply")
        deployment = terraform.of_stack(stack)
        # Terraform's state is in the stack's own S3 and ends with it.
        aws.make_state_bucket(deployment.settings, REGION)
        terraform.init(deployment)
        terraform.apply(deployment)
        outputs = terraform.outputs(deployment)
        _put_secrets(stack, outputs)
        _write_endpoints(stack, outputs)
        applied.write_text(fingerprint)
    say(f"stack `{stack.name}` is up; its logs are in {_shown(stack.logs)}")


def down(stack: Stack) -> None:
    """Ends what `up` started."""
    ended = [name for name in ("sandbox", "ministack") if processes.stop(stack, name)]
    # Its state lived in the memory of what has just ended.
    _forget(stack)
    say(f"stack `{stack.name}`: ended {' and '.join(ended)}" if ended else f"stack `{stack.name}` was not up")


def env(stack: Stack) -> None:
    """For a shell: eval "$(make -s env)", and its AWS tools and cargo-lambda use the stack."""
    if not stack.endpoints_file.exists():
        print(f"note: the {stack.name} stack is not up yet (make up, or make watch)", file=sys.stderr)
    print(f'export PATH="{ROOT / ".venv/bin"}:$PATH"')
    for name, value in aws_environment(stack).items():
        print(f"export {name}={value}")


def _start_ministack(stack: Stack) -> None:
    if processes.pid_of(stack, "ministack") is None:
        # All it knows is in memory, so that what is noted of an earlier one is void.
        _forget(stack)
        tmp = stack.folder / "tmp"
        tmp.mkdir(parents=True)
        # A short environment: functions inherit it, and proxies or credentials of this shell are not theirs.
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(stack.folder),
            "TMPDIR": str(tmp),
            "GATEWAY_PORT": str(stack.aws_port),
            "BIND_HOST": "127.0.0.1",
            # IAM is enforced: a function lacking a right is denied here as it would be there.
            "AUTH": "true",
            "AWS_ENDPOINT_URL": stack.aws_url,
            "AWS_ACCESS_KEY_ID": ROOT_KEY,
            "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
            "MINISTACK_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            # For functions that `make watch` deploys (crates/dev/relay).
            "ORDERS_WATCH_URL": stack.watch_url,
            # For tests/stack/test_requests.py.
            **({"ORDERS_REQUESTS_FILE": str(stack.requests_file)} if stack.name == "e2e" else {}),
            # A fiftieth of the waits between retries, for tests of outages that last.
            **({} if stack.name == "local" else {"SFN_WAIT_SCALE": "0.02"}),
        }
        processes.start(
            stack, "ministack", stack.aws_port, [sys.executable, str(ROOT / "tools" / "engine.py")], environment
        )
    processes.wait_until_healthy(stack, "ministack", f"{stack.aws_url}/_ministack/health")


def _start_sandbox(stack: Stack, binary: Path) -> None:
    if processes.pid_of(stack, "sandbox") and processes.older_than(stack, "sandbox", binary):
        say("sandbox has been built anew: restarting it")
        processes.stop(stack, "sandbox")
    if processes.pid_of(stack, "sandbox") is None:
        environment = {"PATH": os.defpath, "RUST_LOG": os.environ.get("RUST_LOG", "info")}
        command = [str(binary), "--port", str(stack.sandbox_port)]
        processes.start(stack, "sandbox", stack.sandbox_port, command, environment)
    processes.wait_until_healthy(stack, "sandbox", f"{stack.sandbox_url}/_sandbox/ledger")


def _built(binary: Path) -> Path:
    if not binary.exists():
        raise Problem(f"{_shown(binary)} has not been built", "make build")
    return binary


def _forget(stack: Stack) -> None:
    for file in (stack.folder / "applied", stack.endpoints_file, stack.watched_log, stack.requests_file):
        file.unlink(missing_ok=True)
    shutil.rmtree(stack.folder / "tmp", ignore_errors=True)


def _put_secrets(stack: Stack, outputs: dict[str, Any]) -> None:
    secrets = aws.client("secretsmanager", aws_environment(stack), REGION)
    with aws.told("the providers' keys could not be stored", "make down, then make up"):
        webhook = json.dumps({"url": f"{stack.sandbox_url}/webhooks/notices", "keys": [WEBHOOK_KEY]})
        for output, value in {**_SECRETS, "notices_webhook_secret_arn": webhook}.items():
            secrets.put_secret_value(SecretId=outputs[output], SecretString=value)


def _write_endpoints(stack: Stack, outputs: dict[str, Any]) -> None:
    endpoints = {
        "aws": stack.aws_url,
        # By path: not every client resolves <id>.execute-api.localhost.
        "intake": f"{stack.aws_url}/_aws/execute-api/{outputs['api_id']}",
        "console": outputs["console_url"],
        "sandbox": stack.sandbox_url,
        "state_machine_arn": outputs["state_machine_arn"],
        "orders_table": outputs["orders_table"],
        "read_models_table": outputs["read_models_table"],
        "stock_table": outputs["stock_table"],
        "asked_functions": outputs["asked_functions"],
    }
    stack.endpoints_file.write_text(json.dumps(endpoints, indent=2) + "\n")


def _shown(path: Path) -> str:
    return os.path.relpath(path)


if __name__ == "__main__":
    run_tool(main)
