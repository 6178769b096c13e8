"""Says what is missing on this machine before minutes are spent. Runs on any Python 3."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import terraform
from common import ROOT, TARGET, Problem, Stack, found_in, say

_FIRST_BUILD_GB = 6
_LATER_BUILD_GB = 1


def check(_: Stack) -> None:
    """Tools and disk: all that building needs."""
    _python()
    _rust()
    _c_compiler()
    _disk()
    found = terraform.binary()
    terraform.require_provider()
    say(f"everything needed is here (Terraform: {found})")


def _python() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 -- this is where an older one is told
        raise Problem(
            f"Python is {sys.version.split()[0]}; 3.11 or newer is needed",
            "install Python 3.11 or newer and name it: make PYTHON=python3.12 ...",
        )
    try:
        import ensurepip  # noqa: F401  # Debian leaves it out of python3
    except ImportError:
        raise Problem("Python's venv module is incomplete", "install it (Debian: apt install python3-venv)") from None


def _rust() -> None:
    wanted = found_in(ROOT / "rust-toolchain.toml", r'channel\s*=\s*"([^"]+)"')
    remedy = f"install Rust {wanted} (rustup.rs), and see that ~/.cargo/bin is on the PATH"
    for tool in ("cargo", "rustc"):
        if shutil.which(tool) is None:
            raise Problem(f"{tool} is not on the PATH", remedy)
    # Through rustup, this installs the toolchain that rust-toolchain.toml names.
    shown = subprocess.run(["rustc", "--version"], cwd=ROOT, capture_output=True, text=True, check=False)
    if shown.returncode != 0:
        raise Problem(f"rustc does not run: {shown.stderr.strip()}", remedy)
    if shown.stdout.split()[1] != wanted:
        raise Problem(f"rustc is {shown.stdout.split()[1]}; this project is pinned to {wanted}", remedy)


def _c_compiler() -> None:
    candidates = [os.environ["CC"].split()[0]] if os.environ.get("CC") else ["cc", "gcc", "clang"]
    if not any(shutil.which(candidate) for candidate in candidates):
        raise Problem(
            f"no C compiler ({', '.join(candidates)}); Rust links with it",
            "install one (Debian: apt install build-essential; macOS: xcode-select --install)",
        )


def _disk() -> None:
    needed_gb = _LATER_BUILD_GB if (TARGET / "debug" / "deps").exists() else _FIRST_BUILD_GB
    free_gb = shutil.disk_usage(ROOT).free / 1e9
    if free_gb < needed_gb:
        raise Problem(
            f"{free_gb:.1f} GB are free where the project is; the build needs {needed_gb}",
            "free some, or move the project to a larger disk",
        )
