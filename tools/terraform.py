"""Terraform for the local stack: the tool itself, its provider, init, apply, outputs.

    terraform.py    checks format, configuration and settings without any stack
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import urllib.request
import zipfile
from pathlib import Path

from common import ROOT, TARGET, Problem, Stack, aws_environment, run_tool, say, stack_named

MODULE = ROOT / "terraform"
OLDEST = (1, 9)
PINNED = "1.11.4"
# From the release's own SHA256SUMS.
_SHA256 = {
    "darwin_amd64": "a56d5002b9f7647291faccc3dd1a70350e60fb61e4c45037629508b8fdc2575b",
    "darwin_arm64": "867e0808fa971217043e25b7a792b10720c79b1546f8a68479b74f138be73e18",
    "linux_amd64": "1ce994251c00281d6845f0f268637ba50c0005657eb3cf096b92f753b42ef4dc",
    "linux_arm64": "a43d1d0da9b9bab214a8305a39db0e40869572594ccf50c416a7756499143633",
}
_REGISTRY = "registry.terraform.io"
_PROVIDER = f"{_REGISTRY}/hashicorp/aws"
# The provider mostly waits; more than the default 10 at once takes a third off an apply.
_PARALLELISM = 30


def processor() -> str:
    return "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"


def _platform() -> str:
    return f"{platform.system().lower()}_{'arm64' if processor() == 'arm64' else 'amd64'}"


# --- the tool ---------------------------------------------------------------------------------


def _version_of(binary: str) -> tuple[int, ...]:
    try:
        shown = subprocess.run(
            [binary, "version", "-json"], capture_output=True, text=True, check=False, env=_clean(os.environ)
        )
        return tuple(int(part) for part in json.loads(shown.stdout)["terraform_version"].split("-")[0].split("."))
    except (OSError, ValueError, KeyError):
        return ()


@functools.cache
def binary() -> str:
    """Path of a Terraform that is new enough; fetches the pinned one when the machine has none."""
    own = TARGET / "tools" / f"terraform-{PINNED}" / "terraform"
    installed = shutil.which("terraform")
    if installed and _version_of(installed) >= OLDEST:
        return installed
    if not own.exists():
        _fetch(own)
    return str(own)


def _fetch(destination: Path) -> None:
    remedy = f"install Terraform {'.'.join(map(str, OLDEST))} or newer (developer.hashicorp.com/terraform/install)"
    if _platform() not in _SHA256:
        raise Problem(f"there is no Terraform on the PATH, and none is pinned for {_platform()}", remedy)
    url = f"https://releases.hashicorp.com/terraform/{PINNED}/terraform_{PINNED}_{_platform()}.zip"
    say(f"no usable Terraform on the PATH; fetching {url}")
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            archive = answer.read()
    except OSError as error:
        raise Problem(f"Terraform is missing and could not be fetched ({error})", remedy) from None
    if hashlib.sha256(archive).hexdigest() != _SHA256[_platform()]:
        raise Problem("the fetched Terraform is not the pinned one: its SHA-256 differs", remedy)
    destination.parent.mkdir(parents=True, exist_ok=True)
    # Under another name first: an interrupted run must not leave half a binary in place.
    part = destination.with_suffix(".part")
    part.write_bytes(zipfile.ZipFile(io.BytesIO(archive)).read("terraform"))
    part.chmod(0o755)
    part.replace(destination)


# --- the provider -----------------------------------------------------------------------------


@functools.cache
def plugin_mirror() -> Path | None:
    """A file-system mirror holding the AWS provider for this platform, where the machine has one."""
    named = os.environ.get("TF_PLUGIN_MIRROR")
    home = Path.home()
    # Where Terraform itself looks without being told.
    implied = [
        home / ".terraform.d/plugins",
        Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share") / "terraform/plugins",
        home / "Library/Application Support/io.terraform/plugins",
        Path("/usr/local/share/terraform/plugins"),
        Path("/usr/share/terraform/plugins"),
    ]
    if named:
        if not _holds_provider(Path(named)):
            raise Problem(f"TF_PLUGIN_MIRROR={named} holds no {_PROVIDER} for {_platform()}", "correct or unset it")
        return Path(named)
    for folder in implied:
        if _holds_provider(folder):
            return folder
    for start in (Path("/opt"), Path("/usr/local/share"), Path("/usr/share"), Path("/var/lib"), home):
        for folder in _folders(start, depth=2):
            if _holds_provider(folder):
                return folder
    return None


def _folders(start: Path, depth: int):
    yield start
    if depth == 0:
        return
    try:
        inner = sorted(entry.path for entry in os.scandir(start) if entry.is_dir(follow_symlinks=False))
    except OSError:
        return
    for path in inner:
        yield from _folders(Path(path), depth - 1)


def _holds_provider(folder: Path) -> bool:
    provider = folder / _PROVIDER
    version = _locked_version()
    try:
        # Unpacked (<version>/<platform>/) or packed (terraform-provider-aws_<version>_<platform>.zip).
        return (provider / version / _platform()).is_dir() or (
            provider / f"terraform-provider-aws_{version}_{_platform()}.zip"
        ).is_file()
    except OSError:
        return False


def _locked_version() -> str:
    return re.search(r'version\s*=\s*"([^"]+)"', (MODULE / ".terraform.lock.hcl").read_text()).group(1)


def require_provider() -> None:
    """Fails early when the provider can come neither from a mirror nor from the registry."""
    if plugin_mirror():
        return
    try:
        urllib.request.urlopen(f"https://{_REGISTRY}/.well-known/terraform.json", timeout=5).close()
    except OSError as error:
        raise Problem(
            f"the AWS provider for Terraform is not on this machine, and {_REGISTRY} cannot be reached ({error})",
            "on a machine with network run `terraform providers mirror <folder>` in terraform/, bring the folder "
            "here, and set TF_PLUGIN_MIRROR to it",
        ) from None


# --- what is done with it ---------------------------------------------------------------------


def _clean(environment) -> dict[str, str]:
    """The environment without what would bend our calls: AWS settings, Terraform's own switches."""
    bending = ("TF_CLI_ARGS", "TF_DATA_DIR", "TF_VAR_", "TF_WORKSPACE")
    kept = {k: v for k, v in environment.items() if not k.startswith(("AWS_", *bending))}
    # Terraform complains about a configuration file that is named and does not exist.
    if not Path(kept.get("TF_CLI_CONFIG_FILE", os.devnull)).exists():
        del kept["TF_CLI_CONFIG_FILE"]
    return kept


def _environment(stack: Stack, data: str = "terraform") -> dict[str, str]:
    return {
        **_clean(os.environ),
        **aws_environment(stack),
        "TF_DATA_DIR": str(stack.folder / data),
        "TF_IN_AUTOMATION": "1",
        "CHECKPOINT_DISABLE": "1",
        # Most of a call is decoding the provider's schema; less garbage collection takes a fifth off it.
        "GOGC": "400",
    }


def _call(stack: Stack, *arguments: str, progress=None, data: str = "terraform") -> str:
    """One call of Terraform. Everything it says is kept in the log; a failure shows its errors."""
    log = stack.logs / "terraform.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [binary(), f"-chdir={MODULE}", *arguments]
    said: list[str] = []
    with open(log, "a", encoding="utf-8") as kept:
        kept.write(f"\n$ terraform {' '.join(arguments)}\n")
        process = subprocess.Popen(
            command, env=_environment(stack, data), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for line in process.stdout:
            kept.write(line)
            said.append(line)
            if progress:
                progress(line)
    if process.wait() != 0:
        errors = "".join(line for line in said if line.startswith(("│", "╷", "╵"))) or "".join(said[-20:])
        raise Problem(f"terraform {arguments[0]} failed\n{errors}", f"see {os.path.relpath(log)}")
    return "".join(said)


def _init(stack: Stack, *backend: str, data: str = "terraform") -> None:
    require_provider()
    mirror = plugin_mirror()
    plugins = [f"-plugin-dir={mirror}"] if mirror else []
    _call(stack, "init", "-input=false", "-no-color", "-lockfile=readonly", *plugins, *backend, data=data)


def init(stack: Stack) -> None:
    _init(stack, "-reconfigure", f"-backend-config=path={stack.folder / 'terraform.tfstate'}")


def apply(stack: Stack) -> None:
    """Brings the stack to what terraform/ says."""
    counts = {"planned": 0, "done": 0}

    def progress(line: str) -> None:
        if plan := re.match(r"Plan: (\d+) to add, (\d+) to change, (\d+) to destroy", line):
            counts["planned"] = sum(map(int, plan.groups()))
            say(f"terraform: {line.strip()}")
        elif re.search(r": (Creation|Modifications|Destruction) complete", line):
            counts["done"] += 1
            if counts["done"] % 10 == 0 or counts["done"] == counts["planned"]:
                say(f"terraform: {counts['done']} of {counts['planned']} done")

    _call(
        stack,
        "apply",
        "-auto-approve",
        "-input=false",
        "-no-color",
        f"-parallelism={_PARALLELISM}",
        "-var-file=environments/local.tfvars",
        f"-var=architecture={processor()}",
        f"-var=artifacts_dir={stack.artifacts}",
        f"-var=payment_api_url={stack.sandbox_url}",
        f"-var=carrier_api_url={stack.sandbox_url}",
        # Waits between retries are a fiftieth there, a dead invocation's lease is not: it must be over
        # before the retries are.
        *(["-var=timeout_override_s=8"] if stack.name == "faults" else []),
        progress=progress,
    )


def outputs(stack: Stack) -> dict:
    return {name: output["value"] for name, output in json.loads(_call(stack, "output", "-json")).items()}


def fingerprint(stack: Stack) -> str:
    """Changes with anything that an apply reads: configuration, state machine, functions."""
    files = [*MODULE.rglob("*.tf"), *MODULE.rglob("*.tfvars"), MODULE / ".terraform.lock.hcl"]
    files += [*(ROOT / "statemachine").glob("*.json"), *stack.artifacts.glob("*/bootstrap.zip")]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def check() -> None:
    """Format, validity, and terraform/tests. Reaches no stack: the provider there is a mock."""
    stack = stack_named("local")
    data = "terraform-check"
    _init(stack, "-backend=false", data=data)
    for arguments in (("fmt", "-check", "-recursive", "-diff"), ("validate", "-no-color"), ("test", "-no-color")):
        _call(stack, *arguments, data=data)
        say(f"terraform {arguments[0]}: fine")


if __name__ == "__main__":
    run_tool(check)
