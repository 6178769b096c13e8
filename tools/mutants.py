"""Changes the code in one small way after the other, and counts which changes a test of its own crate notices.

mutants.py [--crate CRATE] [--file FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from common import ROOT, TARGET, Problem, run_tool, say

# What holds the rules, the quickest first.
CRATES = ["domain", "step"]
# The same in DynamoDB's words: each of its mutants costs a link against the SDK and an engine, so it is measured only
# if it is asked for.
SLOW = ["store"]
# Of the mutants that compile, so many in a hundred must be noticed.
LEAST = 95

_TOOL = TARGET / "tools/bin/cargo-mutants"
_COLUMNS = ["caught", "timeout", "missed", "unviable"]
# 2: some are missed; 3: some take too long. What that amounts to is decided here.
_JUDGED = {0, 2, 3}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--crate", choices=CRATES + SLOW, help="only this one")
    parser.add_argument("--file", help="only of files whose path matches, such as ledger.rs")
    options = parser.parse_args()
    rows = [(name, _measured(name, options.file)) for name in ([options.crate] if options.crate else CRATES)]
    print(f"| {'crate':<8} | mutants | caught | too slow | missed | do not compile | caught of those that do |")
    for name, found in rows:
        counts = [found.total(), *(found[column] for column in _COLUMNS)]
        print(f"| {name:<8} | {' | '.join(str(count) for count in counts)} | {_share(found):.1f} % |")
    if not any(found["caught"] + found["timeout"] + found["missed"] for _, found in rows):
        raise Problem("no mutant was tried", "is there such a file in these crates?")
    poor = [name for name, found in rows if _share(found) < LEAST]
    if poor:
        raise Problem(
            f"fewer than {LEAST} in a hundred of the mutants of {', '.join(poor)} are caught",
            f"see missed.txt below {TARGET / 'mutants'}: each is a rule that no test of its crate holds; write one",
        )


def _share(found: Counter[str]) -> float:
    """Caught, or so slow that it is noticed, of those that compile."""
    viable = found["caught"] + found["timeout"] + found["missed"]
    return 100.0 * (found["caught"] + found["timeout"]) / viable if viable else 100.0


def _measured(crate: str, file: str | None) -> Counter[str]:
    folder = TARGET / "mutants" / crate
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    jobs = os.environ.get("MUTANTS_JOBS") or str(min(2, os.cpu_count() or 1))
    command = [str(_TOOL), "mutants", "--package", crate, "--output", str(folder), "--jobs", jobs, "--colors", "never"]
    if file:
        command += ["--file", file]
    say(f"{crate}: its mutants, {jobs} at a time")
    # Which line a failing test was in is of no interest here, and costs a third of a build.
    environment = {**os.environ, "CARGO_PROFILE_DEV_DEBUG": "none"}
    # Each job builds in the copy that it changes: in a folder of builds that others use, too, it would run their
    # programs, and they the changed ones.
    environment.pop("CARGO_TARGET_DIR", None)
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    if done.returncode not in _JUDGED:
        raise Problem(f"cargo-mutants ends with {done.returncode}", "see above: do its tests pass unchanged?")
    return _counted(folder / "mutants.out/outcomes.json")


def _counted(file: Path) -> Counter[str]:
    if not file.exists():
        # The crate has no such file, or nothing in it that could be changed.
        return Counter()
    outcomes: dict[str, Any] = json.loads(file.read_text())
    return Counter({column: int(outcomes[column]) for column in _COLUMNS})


if __name__ == "__main__":
    run_tool(main)
