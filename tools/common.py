"""What every tool here shares: where things are, how progress and failures are told."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import socket
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "target"
REGION = "us-east-1"
# ministack takes this pair as the account's root; nothing outside this machine knows it.
ROOT_KEY = "test"

_started = time.monotonic()


class Problem(Exception):
    """Something the reader has to act on: what is wrong, and what to do about it."""

    def __init__(self, what: str, remedy: str):
        super().__init__(what)
        self.remedy = remedy


def say(text: str) -> None:
    """One line of progress, with the seconds since the tool started."""
    print(f"[{time.monotonic() - _started:5.1f}s] {text}", flush=True)


def is_loopback(url: str) -> bool:
    """Whether it leads to this machine, however that is written."""
    host = urllib.parse.urlsplit(url if "://" in url else f"//{url}").hostname or ""
    host = host.rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        found = {str(address[0]) for *_, address in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False
    return any(_is_here(ipaddress.ip_address(address.partition("%")[0])) for address in found)


def _is_here(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address.is_loopback or address.is_unspecified or (mapped is not None and _is_here(mapped))


def opener(url: str) -> urllib.request.OpenerDirector:
    """What asks there: no proxy of this shell reaches this machine's loopback."""
    return urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if is_loopback(url) else []))


def found_in(file: Path, pattern: str) -> str:
    """What the pattern's group is in a file of the project."""
    if found := re.search(pattern, file.read_text()):
        return found[1]
    raise Problem(f"{os.path.relpath(file)} has nothing like {pattern}", "see what has become of it: git log -p")


def run_tool(main: Callable[[], None]) -> None:
    """Runs `main` so that whoever called sees a message and never a traceback."""
    try:
        main()
    except Problem as problem:
        print(f"\nerror: {problem}\n  what to do: {problem.remedy}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)


@dataclass(frozen=True)
class Stack:
    """One local stack: a folder below target/ and two ports."""

    name: str
    aws_port: int
    sandbox_port: int
    aws_port_variable: str
    sandbox_port_variable: str
    # One <function>/bootstrap.zip each.
    artifacts: Path
    # Of `cargo lambda watch`.
    watch_port: int

    @property
    def folder(self) -> Path:
        return TARGET / self.name

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def aws_url(self) -> str:
        return f"http://127.0.0.1:{self.aws_port}"

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def watch_url(self) -> str:
        return f"http://[::1]:{self.watch_port}"

    @property
    def endpoints_file(self) -> Path:
        return self.folder / "endpoints.json"

    @property
    def requests_file(self) -> Path:
        """What our programs have asked of its AWS (recording.py), for the tests' stack alone."""
        return self.logs / "requests.jsonl"

    @property
    def watched_log(self) -> Path:
        """What the functions print while `make watch` serves them: they run outside of the stack then."""
        return self.logs / "watched.log"

    def endpoints(self) -> dict[str, Any]:
        """Where everything of it is. A stack that was ended has left nothing; one that was killed leaves this file."""
        try:
            endpoints: dict[str, Any] = json.loads(self.endpoints_file.read_text())
            socket.create_connection(("127.0.0.1", self.aws_port), timeout=5).close()
        except (FileNotFoundError, ConnectionRefusedError):
            remedy = "make up, or make watch" if self.name == "local" else f"tools/stack.py up --name {self.name}"
            raise Problem(f"the {self.name} stack is not up", remedy) from None
        return endpoints


# The tests' stacks have ports of their own, so that they run beside one that is up: `e2e` for our
# functions as they are, `faults` for the same steps with faults on request (tests/saboteur).
_PORTS = {
    "local": (("ORDERS_AWS_PORT", 4566), ("ORDERS_SANDBOX_PORT", 4570)),
    "e2e": (("ORDERS_E2E_AWS_PORT", 4666), ("ORDERS_E2E_SANDBOX_PORT", 4670)),
    "faults": (("ORDERS_FAULTS_AWS_PORT", 4766), ("ORDERS_FAULTS_SANDBOX_PORT", 4770)),
}
STACK_NAMES = tuple(_PORTS)


def stack_named(name: str) -> Stack:
    (aws_variable, aws_default), (sandbox_variable, sandbox_default) = _PORTS[name]
    return Stack(
        name=name,
        aws_port=_port(aws_variable, aws_default),
        sandbox_port=_port(sandbox_variable, sandbox_default),
        aws_port_variable=aws_variable,
        sandbox_port_variable=sandbox_variable,
        artifacts=TARGET / ("sabotaged" if name == "faults" else "functions"),
        # `cargo lambda invoke` asks at 9000 unless it is told another.
        watch_port=9000 if name == "local" else _port("ORDERS_E2E_WATCH_PORT", 9300),
    )


def function_names(kind: str | None = None) -> list[str]:
    """Every function that is deployed, or those of a kind; Terraform has the table."""
    functions: dict[str, dict[str, Any]] = json.loads((ROOT / "terraform" / "functions.json").read_text())
    return [name for name, function in functions.items() if kind in (None, function["kind"])]


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable) or str(default)
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise Problem(f"{variable} is {text!r}", f"set {variable} to a port number, or unset it for {default}")
    return int(text)


def aws_environment(stack: Stack) -> dict[str, str]:
    """What a process needs to talk to the stack's AWS, and to no other."""
    return {
        "AWS_ENDPOINT_URL": stack.aws_url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ROOT_KEY,
        "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
        # No proxy of this shell reaches this machine's loopback.
        "NO_PROXY": "127.0.0.1",
        # A developer's own profile must never decide where this goes.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
