"""Restores the tables of an environment beside themselves, looks whether they can be read, and takes them away again.

    restore_drill.py --env dev|prod
    restore_drill.py --stack e2e        a local stack in the place of AWS

Nothing of the environment is changed. What each part took is printed: so long it takes when it is in earnest
(docs/RUNBOOK.md, "A table is lost").
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from common import ROOT, TARGET, Problem, run_tool, say
from smoke import Environment, of_the_command_line

_TABLES = ("orders_table", "read_models_table", "stock_table")
# So many items of each table are compared.
_SAMPLE = 100
# AWS restores a table of any size within hours; most within one.
_PATIENCE_S = 4 * 3600


def main() -> None:
    of_the_command_line("Restores the tables beside themselves, and looks at them.", drill)


def drill(environment: Environment) -> None:
    tables = environment.client("dynamodb")
    began = time.monotonic()
    copies = {key: f"{environment.endpoints[key]}-drill-{int(time.time())}" for key in _TABLES}
    for key in _TABLES:
        _require_recovery(environment, tables, environment.endpoints[key])
    try:
        for key, copy in copies.items():
            say(f"restoring {environment.endpoints[key]} as {copy}")
            _restore(tables, environment.endpoints[key], copy)
        for key, copy in copies.items():
            _wait(tables, copy)
            _compare(tables, environment.endpoints[key], copy, may_be_gone=key == "read_models_table")
        _read(environment, copies)
    finally:
        for copy in copies.values():
            _delete(tables, copy)
    say(f"the tables of `{environment.name}` can be restored; it took {time.monotonic() - began:.0f} s")


def _require_recovery(environment: Environment, tables: Any, table: str) -> None:
    described = tables.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    status = described.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
    if status != "ENABLED":
        raise Problem(
            f"{table} has no point-in-time recovery: what is lost in it is lost",
            f"point_in_time_recovery = true in {environment.name}.tfvars, and make deploy",
        )


def _restore(tables: Any, table: str, copy: str) -> None:
    # With the table's own key, not AWS's.
    sse = tables.describe_table(TableName=table)["Table"].get("SSEDescription", {})
    key = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": sse["KMSMasterKeyArn"]} if sse else None
    tables.restore_table_to_point_in_time(
        SourceTableName=table,
        TargetTableName=copy,
        UseLatestRestorableTime=True,
        **({"SSESpecificationOverride": key} if key else {}),
    )


def _wait(tables: Any, copy: str) -> None:
    until = time.monotonic() + _PATIENCE_S
    while (status := tables.describe_table(TableName=copy)["Table"]["TableStatus"]) != "ACTIVE":
        if time.monotonic() > until:
            raise Problem(f"{copy} is still {status}", "look at it in AWS's console, and delete it afterwards")
        say(f"  {copy} is {status.lower()}")
        time.sleep(15)


def _compare(tables: Any, table: str, copy: str, *, may_be_gone: bool) -> None:
    """A sample of what is in the copy must be in the table, and the same unless it was written since."""
    schema = tables.describe_table(TableName=copy)["Table"]["KeySchema"]
    keys = [part["AttributeName"] for part in schema]
    items = tables.scan(TableName=copy, Limit=_SAMPLE)["Items"]
    same = changed = gone = 0
    for item in items:
        key = {name: item[name] for name in keys}
        now = tables.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
        same += now == item
        changed += now is not None and now != item
        gone += now is None
    if gone and not may_be_gone:
        raise Problem(f"{gone} of {len(items)} restored items are not in {table}", "look what has deleted them")
    if items and not same:
        raise Problem(f"none of {len(items)} restored items is as in {table}", "look at the copy's time")
    say(f"  {copy}: of {len(items)} items {same} are the same, {changed} were written since, {gone} have expired")


def _read(environment: Environment, copies: dict[str, str]) -> None:
    """With our own tool: what cannot be read back is not restored."""
    file = environment.endpoints_file.parent / "drill-endpoints.json"
    file.write_text(json.dumps({**environment.endpoints, **copies}))
    orderctl = TARGET / "debug" / "orderctl"
    if not orderctl.exists():
        raise Problem("target/debug/orderctl has not been built", "cargo build --bin orderctl")
    done = subprocess.run(
        [str(orderctl), "--endpoints", str(file), "orders"],
        cwd=ROOT,
        env={**os.environ, **environment.settings},
        capture_output=True,
        text=True,
        check=False,
    )
    Path(file).unlink()
    if done.returncode != 0:
        raise Problem(f"the restored orders cannot be listed: {done.stderr.strip()}", "see above")
    say(f"  orderctl lists the restored open orders: {max(len(done.stdout.splitlines()) - 1, 0)}")


def _delete(tables: Any, copy: str) -> None:
    try:
        tables.delete_table(TableName=copy)
    except tables.exceptions.ResourceNotFoundException:
        return
    say(f"  {copy} is deleted")


if __name__ == "__main__":
    run_tool(main)
