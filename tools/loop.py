"""Measures what a change of one line costs until its tests have run: the figures in docs/DEVELOPING.md.

loop.py
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from pathlib import Path

from common import ROOT, Problem, run_tool, say

_REPEATS = 3
# The changed file, the command, and what is measured.
_LOOPS = [
    ("crates/charge/src/lib.rs", ["cargo", "test", "-p", "charge"], "a step, until its tests have run"),
    ("crates/charge/src/lib.rs", ["cargo", "build", "--workspace", "--bins"], "a step, until it can be run"),
    ("crates/domain/src/lib.rs", ["cargo", "test", "-p", "domain"], "domain, until its tests have run"),
    ("crates/domain/src/lib.rs", ["cargo", "build", "--workspace", "--bins"], "domain, until everything can be run"),
    ("crates/domain/src/lib.rs", ["cargo", "check", "--workspace"], "domain, until everything is checked"),
    ("crates/domain/src/lib.rs", ["cargo", "test", "--workspace", "--no-run"], "domain, until every test is built"),
]


def main() -> None:
    print(f"on {platform.system()} {platform.machine()}, {os.cpu_count()} cores; the median of {_REPEATS}\n")
    print(f"| {'a changed line in':<52} | {'command':<36} | seconds |")
    for file, command, what in _LOOPS:
        _timed(command)
        seconds = [_after_a_change(ROOT / file, command) for _ in range(_REPEATS)]
        print(f"| {what:<52} | {' '.join(command):<36} | {statistics.median(seconds):7.1f} |", flush=True)


def _after_a_change(file: Path, command: list[str]) -> float:
    before = file.read_text()
    try:
        # Code, not a comment, and another one each time.
        file.write_text(f"{before}\nconst _: u128 = {time.time_ns()};\n")
        return _timed(command)
    finally:
        file.write_text(before)


def _timed(command: list[str]) -> float:
    began = time.monotonic()
    done = subprocess.run([*command, "--locked", "--quiet"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        say(done.stdout[-2000:] + done.stderr[-2000:])
        raise Problem(f"{' '.join(command)} fails", "see above")
    return time.monotonic() - began


if __name__ == "__main__":
    run_tool(main)
