"""Deployments as `make` does them, and what is deployed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aws
import rollout
import terraform
from common import REGION, ROOT, function_names
from support.shop import REVIEWED, Shop
from support.waiting import PATIENCE_S

Done = subprocess.CompletedProcess[str]
# Functions by name, each with its version.
Versions = dict[str, str]

# (version, weight) of what new orders start with, the heaviest first.
Routes = list[tuple[int, int]]

_STEPS = function_names("step")
# Orders go through functions that have just been deployed.
_PATIENCE_S = 2 * PATIENCE_S
# So much that no order here is looked at.
_NO_REVIEWS = 'review_limits={"USD"=1000000000}'


# --- what there is after each step of a deployment ----------------------------------------------


@dataclass(frozen=True)
class Canary:
    """A part of new orders goes to the new version; two orders wait for a review on the first one."""

    first_version: int
    # Of the functions that are called by an alias.
    first_aliases: Versions
    first_functions: Versions
    waiting: list[str]
    routes: Routes
    # The command line, to go on with.
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Deployed:
    """All new orders go to the new version, as one of them has, and people have to sign in at the page."""

    functions: Versions
    routes: Routes
    order: str


@dataclass(frozen=True)
class RolledBack:
    """New orders start on the first version again."""

    routes: Routes
    aliases: Versions


# --- how it is done -----------------------------------------------------------------------------


class Deployments:
    """Of the process and its functions, to a stack or to an environment in it."""

    def __init__(self, shop: Shop):
        self.shop = shop
        self.log = shop.stack.logs / "deployment.log"
        self._machine: str = shop.endpoints["state_machine_arn"]
        self._sfn = aws.client("stepfunctions", shop.settings, REGION)
        self._functions = aws.client("lambda", shop.settings, REGION)
        self._logs = aws.client("logs", shop.settings, REGION)

    def run(self, command: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Done:
        """A command of tools/deploy.py."""
        called = [sys.executable, str(ROOT / "tools" / "deploy.py"), command, "--yes", *arguments]
        done = subprocess.run(called, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {command} {' '.join(arguments)}\n{done.stdout}{done.stderr}\n")
        return done

    def must_run(self, command: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        done = self.run(command, *arguments, environment=environment)
        assert done.returncode == 0, f"{command} failed, see {os.path.relpath(self.log)}: {done.stderr.strip()}"

    def interrupt(self, command: str, at: str, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """Ctrl-C once a line of its progress has this in it. Answers what it has printed."""
        called = [sys.executable, str(ROOT / "tools" / "deploy.py"), command, "--yes", *arguments]
        process = subprocess.Popen(
            called,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # A shell in the background has its children ignore it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        printed = []
        for line in process.stdout or ():
            printed.append(line)
            if at in line:
                os.killpg(process.pid, signal.SIGINT)
                at = "\0"
        process.communicate()
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {command} {' '.join(arguments)}, interrupted\n{''.join(printed)}\n")
        return "".join(printed)

    def _roll_out(self, *arguments: str) -> None:
        """As a pipeline does: by way of a canary, and with a look at the alarms. Those that tests have raised are
        over."""
        cloudwatch = aws.client("cloudwatch", self.shop.settings, REGION)
        for name in rollout.Alarms(cloudwatch, "orders-local-").raised():
            cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="a test is over")
        called = [sys.executable, str(ROOT / "tools" / "rollout.py"), "--minutes", "0", *arguments]
        done = subprocess.run(called, cwd=ROOT, capture_output=True, text=True, check=False)
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ rollout {' '.join(arguments)}\n{done.stdout}{done.stderr}\n")
        assert done.returncode == 0, f"the rollout failed, see {os.path.relpath(self.log)}: {done.stderr.strip()}"

    def canary(self) -> Canary:
        """The first step to another build, in which orders are not reviewed and people have to sign in."""
        version, intake, functions = self.routes()[0][0], self.aliases(), self.published()
        waiting = [self.shop.in_review(), self.shop.in_review()]
        stack = self.shop.stack
        # People sign in with the local engine's Cognito.
        settings = (_NO_REVIEWS, "console_open=false", f"cognito_endpoint={stack.aws_url}", "console_mfa=OFF")
        variables = (part for setting in settings for part in ("--var", setting))
        arguments = ("--stack", stack.name, "--artifacts", str(self._rebuilt()), *variables)
        self.must_run("deploy", "--canary", *arguments)
        return Canary(version, intake, functions, waiting, self.routes(), arguments)

    def complete(self, canary: Canary) -> Deployed:
        self._roll_out(*canary.arguments)
        routes, functions = self.routes(), self.published()
        order = self.shop.submit(REVIEWED)
        self.completes(order)
        return Deployed(functions, routes, order)

    def roll_back(self) -> RolledBack:
        self.must_run("rollback", "--stack", self.shop.stack.name)
        return RolledBack(self.routes(), self.aliases())

    # --- what is deployed

    def routes(self) -> Routes:
        described = self._sfn.describe_state_machine_alias(stateMachineAliasArn=f"{self._machine}:live")
        pairs = [
            (int(route["stateMachineVersionArn"].rpartition(":")[2]), route["weight"])
            for route in described["routingConfiguration"]
        ]
        return sorted(pairs, key=lambda pair: -pair[1])

    def aliases(self) -> Versions:
        """The versions that the functions with an alias answer with: the front doors and the operators'."""
        functions = terraform.outputs(terraform.of_stack(self.shop.stack))["function_aliases"]
        return {
            name: self._functions.get_alias(FunctionName=name, Name=alias)["FunctionVersion"]
            for name, alias in functions.items()
        }

    def published(self) -> Versions:
        """Of the steps, what Terraform has published last."""
        functions = terraform.outputs(terraform.of_stack(self.shop.stack))["functions"]
        return {name: functions[name]["qualified_arn"].rpartition(":")[2] for name in _STEPS}

    def called_by(self, version: int) -> Versions:
        """What a version of the process calls."""
        described = self._sfn.describe_state_machine(stateMachineArn=f"{self._machine}:{version}")
        return dict(re.findall(r"function:orders-local-(\w+):(\d+)", described["definition"]))

    # --- orders

    def completes(self, order: str) -> None:
        self.shop.becomes(order, {"status": "completed", "workflow": {"status": "SUCCEEDED"}}, _PATIENCE_S)

    def approve(self, order: str) -> None:
        self.shop.orderctl("approve", order, "--reason", "a check of deployments")
        self.completes(order)

    def ran(self, order: str) -> dict[str, set[str]]:
        """Which versions of each step were at work on it. By the log: a stream's name says which version wrote it."""
        ran = {}
        for step in _STEPS:
            pages = self._logs.get_paginator("filter_log_events").paginate(
                logGroupName=f"/aws/lambda/orders-local-{step}"
            )
            streams = [line["logStreamName"] for page in pages for line in page["events"] if order in line["message"]]
            ran[step] = {version for stream in streams for version in re.findall(r"\[(.+)\]", stream)}
        return ran

    # --- another build

    def _rebuilt(self) -> Path:
        """The same binaries in other zips."""
        folder = self.shop.stack.folder / "second"
        shutil.rmtree(folder, ignore_errors=True)
        for name in function_names():
            (folder / name).mkdir(parents=True)
            with zipfile.ZipFile(self.shop.stack.artifacts / name / "bootstrap.zip") as old:
                entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 2))
                entry.external_attr = 0o755 << 16
                with zipfile.ZipFile(folder / name / "bootstrap.zip", "w") as new:
                    new.writestr(entry, old.read("bootstrap"), zipfile.ZIP_DEFLATED, compresslevel=1)
        return folder


def only(versions: Versions) -> dict[str, set[str]]:
    """As `ran` tells it of an order that only these were at work on."""
    return {name: {version} for name, version in versions.items()}


def changed_attributes(change: Mapping[str, Any]) -> set[str]:
    """What of a resource a plan would change."""
    before, after, unknown = (change.get(part) or {} for part in ("before", "after", "after_unknown"))
    names = before.keys() | after.keys() | unknown.keys()
    return {name for name in names if _any(unknown.get(name)) or (name in after and before.get(name) != after[name])}


def _any(unknown: Any) -> bool:
    """Whether anything of it is only known after an apply."""
    if isinstance(unknown, dict):
        return any(map(_any, unknown.values()))
    if isinstance(unknown, list):
        return any(map(_any, unknown))
    return bool(unknown)
