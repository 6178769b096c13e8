"""Terraform: the tool itself, its provider, and what is done with them, for a local stack and for AWS.

terraform.py    checks format, configuration and settings without any account
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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aws
from common import ROOT, TARGET, Problem, Stack, aws_environment, found_in, run_tool, say

MODULE = ROOT / "terraform"
OLDEST = (1, 11)
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

# Hears each line that Terraform says.
Progress = Callable[[str], None]


def processor() -> str:
    return "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"


def _platform() -> str:
    return f"{platform.system().lower()}_{'arm64' if processor() == 'arm64' else 'amd64'}"


# --- the tool ---------------------------------------------------------------------------------


def _version_of(binary: str) -> tuple[int, ...]:
    try:
        shown = subprocess.run(
            [binary, "version", "-json"], capture_output=True, text=True, check=False, env=_complete(os.environ)
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


def _folders(start: Path, depth: int) -> Iterator[Path]:
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
    return found_in(MODULE / ".terraform.lock.hcl", r'version\s*=\s*"([^"]+)"')


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


@dataclass(frozen=True)
class Deployment:
    """terraform/ applied to one account: a local stack, or an environment on AWS."""

    # Names environments/<environment>.tfvars and .s3.tfbackend.
    environment: str
    # Terraform's own data, the plan and the log.
    folder: Path
    # Environment variables that decide which AWS it goes to, and as whom.
    settings: dict[str, str]
    # Beyond what the environment's tfvars say.
    variables: tuple[str, ...] = ()

    @property
    def log(self) -> Path:
        return self.folder / "logs" / "terraform.log"

    @property
    def plan_file(self) -> Path:
        return self.folder / "plan"


def of_stack(stack: Stack) -> Deployment:
    """A local stack, from nothing but its own settings: none of this shell's may bend it."""
    bending = ("AWS_", "TF_CLI_ARGS", "TF_DATA_DIR", "TF_VAR_", "TF_WORKSPACE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(bending)}
    variables = [
        f"-var=architecture={processor()}",
        f"-var=artifacts_dir={stack.artifacts}",
        f"-var=payment_api_url={stack.sandbox_url}",
        f"-var=carrier_api_url={stack.sandbox_url}",
        # By path: not every client resolves <id>.execute-api.localhost.
        f"-var=console_url={stack.aws_url}/_aws/execute-api/{{api_id}}",
    ]
    if stack.name != "local":
        # Waits between retries are a fiftieth there, and so is what is too long for them.
        variables.append("-var=monitoring={keeps_failing_after_s=4}")
    if stack.name == "faults":
        # Waits between retries are a fiftieth there, a dead invocation's lease is not: it must be over
        # before the retries are.
        variables.append("-var=timeout_override_s=8")
    return Deployment("local", stack.folder, {**kept, **aws_environment(stack)}, tuple(variables))


def _complete(settings: Mapping[str, str]) -> dict[str, str]:
    environment = {
        **settings,
        "TF_IN_AUTOMATION": "1",
        "CHECKPOINT_DISABLE": "1",
        # Most of a call is decoding the provider's schema; less garbage collection takes a fifth off it.
        "GOGC": "400",
    }
    # Terraform complains about a configuration file that is named and does not exist.
    if not Path(environment.get("TF_CLI_CONFIG_FILE", os.devnull)).exists():
        del environment["TF_CLI_CONFIG_FILE"]
    return environment


def _call(deployment: Deployment, *arguments: str, progress: Progress | None = None) -> str:
    """One call of Terraform. Everything it says is kept in the log; a failure shows its errors."""
    log = deployment.log
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [binary(), f"-chdir={MODULE}", *arguments]
    environment = {**_complete(deployment.settings), "TF_DATA_DIR": str(deployment.folder / "terraform")}
    said: list[str] = []
    with (
        log.open("a", encoding="utf-8") as kept,
        subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        kept.write(f"\n$ terraform {' '.join(arguments)}\n")

        def follow() -> None:
            for line in process.stdout or ():
                kept.write(line)
                said.append(line)
                if progress:
                    progress(line)

        try:
            follow()
        except KeyboardInterrupt:
            # It has got the interrupt as well. Left alone, it would lose track of what it has just made.
            say("terraform finishes what it has begun, and writes down what there is; please wait")
            follow()
            process.wait()
            raise
    if process.returncode != 0:
        boxed = [line for line in said if line.startswith(("│", "╷", "╵"))]
        # Without colours there are no boxes; what is planned stands before the errors.
        first = next((number for number, line in enumerate(said) if line.startswith("Error:")), -20)
        errors = "".join(boxed or said[first:])
        raise Problem(f"terraform {arguments[0]} failed\n{errors}", f"see {os.path.relpath(log)}")
    return "".join(said)


def _init(deployment: Deployment, *backend: str) -> None:
    require_provider()
    mirror = plugin_mirror()
    plugins = [f"-plugin-dir={mirror}"] if mirror else []
    _call(deployment, "init", "-input=false", "-no-color", "-lockfile=readonly", *plugins, *backend)


def require_environment(name: str) -> None:
    """Of those on AWS. Only ever a name, and never a path."""
    if name == "local":
        raise Problem("`local` is the stack on this machine", "make up, make down")
    known = sorted(file.stem for file in (MODULE / "environments").glob("*.tfvars") if file.stem != "local")
    if name not in known:
        raise Problem(
            f"there is no environment {name!r}",
            f"choose one of {', '.join(known)}, or write terraform/environments/<name>.tfvars and .s3.tfbackend",
        )
    _require_own_files(name, known)


def _require_own_files(name: str, known: list[str]) -> None:
    """A copy of another environment's files that still has its name would plan against what that one has."""
    folder = MODULE / "environments"
    variables, backend = folder / f"{name}.tfvars", folder / f"{name}.s3.tfbackend"
    if not backend.exists():
        others = f"cp {folder.relative_to(ROOT)}/{{prod,{name}}}.s3.tfbackend, and put {name}'s key into it"
        raise Problem(f"{name} has no {backend.relative_to(ROOT)}: where Terraform keeps its state", others)
    for file, wanted in ((variables, f'environment = "{name}"'), (backend, f'key = "orders/{name}.tfstate"')):
        written = re.sub(r"[ \t]*=[ \t]*", " = ", file.read_text())
        if not re.search(rf"^{re.escape(wanted)}[ \t]*(#.*)?$", written, re.MULTILINE):
            raise Problem(f"{file.relative_to(ROOT)} is not {name}'s own", f"it needs the line: {wanted}")
    # Policies tell environments apart by the beginnings of names.
    for shorter, longer in ((a, b) for a in known for b in known if b.startswith(f"{a}-")):
        raise Problem(
            f"the environment {longer} begins with the name of {shorter} and a hyphen",
            "rename one of them: whoever may deploy the one could reach the other",
        )


def setting(environment: str, name: str) -> str:
    """A plain input as Terraform takes it: of the environment's tfvars, else of this shell, else the default."""
    if environment != "local":
        require_environment(environment)
    files = [MODULE / "environments" / f"{environment}.tfvars", MODULE / "variables.tf"]
    value = r'(?:"([^"\n]*)"|([^"#/\s]+))[ \t]*(?:(?:#|//).*)?$'
    if found := re.search(rf"^[ \t]*{name}[ \t]*=[ \t]*{value}", files[0].read_text(), re.MULTILINE):
        return found[1] or found[2]
    if said := os.environ.get(f"TF_VAR_{name}"):
        return said
    declared = rf'^variable "{name}" {{(?:(?!^}}).)*?^  default[ ]+= {value}'
    if found := re.search(declared, files[1].read_text(), re.MULTILINE | re.DOTALL):
        return found[1] or found[2]
    raise Problem(f"terraform/variables.tf has no plain default for {name}", "declare the variable with one")


def init(deployment: Deployment) -> None:
    region = setting(deployment.environment, "region")
    bucket = aws.state_bucket_name(deployment.settings, region)
    rest = MODULE / "environments" / f"{deployment.environment}.s3.tfbackend"
    backend = [f"-backend-config={rest}", f"-backend-config=region={region}", f"-backend-config=bucket={bucket}"]
    _init(deployment, "-reconfigure", *backend)


def _inputs(deployment: Deployment) -> list[str]:
    return [
        "-input=false",
        "-no-color",
        f"-var-file=environments/{deployment.environment}.tfvars",
        *deployment.variables,
    ]


def _counting(planned: int = 0) -> Progress:
    """Tells how far an apply has got, every ten resources."""
    counts = {"planned": planned, "done": 0}

    def progress(line: str) -> None:
        if plan := re.match(r"Plan: (\d+) to add, (\d+) to change, (\d+) to destroy", line):
            counts["planned"] = sum(map(int, plan.groups()))
            say(f"terraform: {line.strip()}")
        elif re.search(r": (Creation|Modifications|Destruction) complete", line):
            counts["done"] += 1
            if counts["done"] % 10 == 0 or counts["done"] == counts["planned"]:
                say(f"terraform: {counts['done']} of {counts['planned']} done")

    return progress


def apply(deployment: Deployment, *variables: str) -> None:
    """Brings the account to what terraform/ says, unasked."""
    arguments = ["-auto-approve", f"-parallelism={_PARALLELISM}", *_inputs(deployment), *variables]
    _call(deployment, "apply", *arguments, progress=_counting())


@dataclass(frozen=True)
class Plan:
    """What an apply would do."""

    # As Terraform tells it.
    text: str
    # As its JSON has it.
    values: dict[str, Any]

    @property
    def changes(self) -> dict[str, dict[str, Any]]:
        """Each resource that would change, and how."""
        changes = {change["address"]: change["change"] for change in self.values.get("resource_changes", [])}
        return {
            address: change for address, change in changes.items() if change["actions"] not in (["no-op"], ["read"])
        }

    @property
    def half_made(self) -> list[str]:
        """What an apply was interrupted in making, and what is protected from being deleted already.

        Terraform would delete it and make it anew, and AWS refuses that.
        """
        return [
            change["address"]
            for change in self.values.get("resource_changes", [])
            if change.get("action_reason") == "replace_because_tainted"
            and (
                change["change"]["before"].get("deletion_protection_enabled")
                or change["change"]["before"].get("deletion_protection") == "ACTIVE"
            )
        ]


def untaint(deployment: Deployment, addresses: list[str]) -> None:
    """What is there under these addresses is kept, and brought to what terraform/ says by the next apply."""
    for address in addresses:
        _call(deployment, "untaint", "-no-color", address)


def taint(deployment: Deployment, address: str) -> None:
    """What an apply does to what it was interrupted in making."""
    _call(deployment, "taint", "-no-color", "-allow-missing", address)


def check_variables(deployment: Deployment) -> None:
    """Whether Terraform takes what the environment sets: a plan without a look at what is there."""
    _call(deployment, "plan", "-refresh=false", "-lock=false", f"-parallelism={_PARALLELISM}", *_inputs(deployment))


def plan(deployment: Deployment, *variables: str) -> Plan:
    """Plans, and keeps the plan for `apply_plan`."""
    arguments = [f"-out={deployment.plan_file}", f"-parallelism={_PARALLELISM}", *_inputs(deployment), *variables]
    text = _call(deployment, "plan", *arguments)
    # Without the hundred lines about what was looked at.
    told = [
        line
        for line in text.splitlines()
        if not re.search(r": (Refreshing state|Reading|Read complete|Still reading)", line)
    ]
    return Plan("\n".join(told), shown(deployment))


def shown(deployment: Deployment) -> dict[str, Any]:
    """The last plan as Terraform's JSON."""
    plan: dict[str, Any] = json.loads(_call(deployment, "show", "-json", str(deployment.plan_file)))
    return plan


def apply_plan(deployment: Deployment, planned: int) -> None:
    """Does what the last plan says, and nothing else."""
    arguments = ["-input=false", "-no-color", f"-parallelism={_PARALLELISM}", str(deployment.plan_file)]
    _call(deployment, "apply", *arguments, progress=_counting(planned))


def destroy(deployment: Deployment) -> None:
    """Takes everything away that it made."""
    _call(
        deployment,
        "destroy",
        "-auto-approve",
        f"-parallelism={_PARALLELISM}",
        *_inputs(deployment),
        progress=_counting(),
    )


def outputs(deployment: Deployment) -> dict[str, Any]:
    return {name: output["value"] for name, output in json.loads(_call(deployment, "output", "-json")).items()}


def fingerprint(stack: Stack) -> str:
    """Changes with anything that an apply reads: configuration, state machine, functions."""
    files = [file for kind in ("*.tf", "*.tfvars", "*.json") for file in MODULE.rglob(kind)]
    files.append(MODULE / ".terraform.lock.hcl")
    files += [*(ROOT / "statemachine").glob("*.json"), *stack.artifacts.glob("*/bootstrap.zip")]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def check() -> None:
    """Format, validity, and terraform/tests. Reaches no account: the provider there is a mock."""
    _require_refusals()
    nowhere = Deployment("local", TARGET / "check-terraform", dict(os.environ))
    _init(nowhere, "-backend=false")
    tests = [["-filter=tests/settings.tftest.hcl"]]
    tests += [
        ["-filter=tests/environments.tftest.hcl", f"-var-file=environments/{file.name}"]
        for file in sorted((MODULE / "environments").glob("*.tfvars"))
    ]
    for arguments in (
        ("fmt", "-check", "-recursive", "-diff"),
        ("validate", "-no-color"),
        *(("test", "-no-color", *test) for test in tests),
    ):
        _call(nowhere, *arguments)
        say(f"terraform {' '.join(arguments)}: fine")


def _require_refusals() -> None:
    """Every validation in variables.tf has a test in which it refuses something."""
    refusals = " ".join(
        re.findall(r"expect_failures = \[(.*?)\]", (MODULE / "tests/settings.tftest.hcl").read_text(), re.DOTALL)
    )
    for block in (MODULE / "variables.tf").read_text().split('\nvariable "')[1:]:
        name, validations = block.split('"')[0], block.count("validation {")
        # A yes or no has nothing but its environment to be wrong in.
        if not validations and "= bool\n" in block:
            continue
        if len(re.findall(rf"var\.{name}\b", refusals)) < max(validations, 1):
            raise Problem(
                f"variable {name} has {validations} validations, "
                "and tests/settings.tftest.hcl does not see each refuse something",
                "give the variable a validation, and add a run with a bad value and its expect_failures",
            )


if __name__ == "__main__":
    run_tool(check)
