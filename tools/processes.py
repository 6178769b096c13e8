"""Starts, finds and ends the stack's background processes, and touches no others."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from common import Problem, Stack, opener, say


def _started_at(pid: int) -> str | None:
    """When the process was started, as the system tells it; None when it is gone."""
    try:
        # The name in parentheses may hold anything; state and start time come after it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
    shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip() or None


def _pid_file(stack: Stack, name: str) -> Path:
    return stack.folder / f"{name}.pid"


def pid_of(stack: Stack, name: str) -> int | None:
    """The process's id while it runs. A reused id is told apart by its start time."""
    try:
        noted = json.loads(_pid_file(stack, name).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return noted["pid"] if _started_at(noted["pid"]) == noted["started_at"] else None


def older_than(stack: Stack, name: str, file: Path) -> bool:
    """Whether the process was started before the file was last written."""
    return _pid_file(stack, name).stat().st_mtime < file.stat().st_mtime


def start(stack: Stack, name: str, port: int, command: list[str], environment: dict[str, str]) -> None:
    """Starts the process at this port in a session of its own: it outlives us, and its children end with it."""
    stack.logs.mkdir(parents=True, exist_ok=True)
    with (stack.logs / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=stack.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    note = {"pid": process.pid, "port": port, "started_at": _started_at(process.pid), "command": command}
    _pid_file(stack, name).write_text(json.dumps(note))


def stop(stack: Stack, name: str) -> bool:
    """Ends the process and all of its session. Says whether there was one."""
    pid = pid_of(stack, name)
    _pid_file(stack, name).unlink(missing_ok=True)
    if pid is None:
        return False
    # start() made it the leader of its group; functions that it runs are in the same one.
    for sign, patience_s in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        try:
            os.killpg(pid, sign)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline and _group_lives(pid):
            time.sleep(0.05)
        if not _group_lives(pid):
            break
    return True


def _group_lives(group: int) -> bool:
    stats = list(Path("/proc").glob("[0-9]*/stat"))
    if not stats:
        try:
            os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return True
    for stat in stats:
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            return True
    return False


def port_is_free(port: int, address: str = "127.0.0.1") -> bool:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def _port_of(stack: Stack, name: str) -> int | None:
    """The port at which this process of the stack was started."""
    try:
        port = json.loads(_pid_file(stack, name).read_text()).get("port")
    except FileNotFoundError:
        return None
    return int(port) if port else None


def require_ports(stack: Stack) -> None:
    """Each port must be free, or held by the stack itself; before anything is ended or built."""
    for name, port, variable in (
        ("ministack", stack.aws_port, stack.aws_port_variable),
        ("sandbox", stack.sandbox_port, stack.sandbox_port_variable),
    ):
        is_up = pid_of(stack, name) is not None
        held = _port_of(stack, name) if is_up else None
        if held not in (None, port):
            raise Problem(
                f"the {stack.name} stack's {name} is up at port {held}, and {variable} says {port}",
                f"`make down` first, or unset {variable}",
            )
        if not is_up and not port_is_free(port):
            raise Problem(
                f"port {port}, which the {stack.name} stack's {name} needs, is in use by another program",
                f"end that program, or choose another port: {variable}={port + 100} make ...",
            )


def get(url: str, timeout_s: float = 2) -> int:
    """Status of a GET; 0 when nobody answers."""
    try:
        with opener(url).open(url, timeout=timeout_s) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def wait_until_healthy(stack: Stack, name: str, url: str, patience_s: float = 20) -> None:
    deadline = time.monotonic() + patience_s
    while get(url) != 200:
        log = stack.logs / f"{name}.log"
        if pid_of(stack, name) is None:
            raise Problem(f"{name} ended while starting\n{_tail(log)}", f"see {log}, then run the same command again")
        if time.monotonic() > deadline:
            raise Problem(
                f"{name} does not answer at {url} after {patience_s:.0f} s\n{_tail(log)}",
                f"make down, then the same command again (a stack keeps the ports it was started on); see {log}",
            )
        time.sleep(0.05)
    say(f"{name} is up at {url.split('/_')[0]}")


def _tail(log: Path, lines: int = 8) -> str:
    text = log.read_text(errors="replace").splitlines()[-lines:] if log.exists() else []
    return "\n".join(f"    {line}" for line in text)
