"""Is an account ready for an environment? Looked at before anything is built or changed, all of it at once.

What keeps a deployment from going through, or the first order from being processed, is a problem; what somebody
should know is a note. What the caller's rights do not show is left out with a note: a deployer need not be able to
read the providers' keys.
"""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aws
import terraform
from common import Problem, is_loopback, opener, say

if TYPE_CHECKING:
    from deploy import Environment

# Lambda keeps so many of an account's concurrent executions for functions without a reservation
# (AWS Lambda Developer Guide, "Configuring reserved concurrency").
UNRESERVED = 100
# What stands in the tfvars until somebody has put in their own.
_PLACEHOLDERS = re.compile(r"[\w.+-]*@example\.(?:com|net|org)|se-123456\b|se-654321\b|\+1 555 0100\b")


@dataclass(frozen=True)
class Finding:
    """What was found; a problem has a remedy."""

    what: str
    remedy: str | None = None


def refuse_loopback(environment: str) -> None:
    """A shell that points at the local stack makes buckets there that look like AWS's."""
    named = {name: value for name, value in os.environ.items() if name.startswith("AWS_ENDPOINT_URL") and value}
    if any(is_loopback(url) for url in named.values()):
        raise Problem(
            f"{', '.join(sorted(named))} of this shell points at this machine, and `{environment}` is on AWS",
            'open a new shell: `eval "$(make -s env)"` is for the local stack alone',
        )
    for service in ("sts", "s3"):
        # A profile may name an endpoint, too.
        url = aws.client(service, dict(os.environ), "us-east-1").meta.endpoint_url
        if is_loopback(url):
            raise Problem(
                f"this shell's AWS profile has {url} as its endpoint, and `{environment}` is on AWS",
                "choose another profile: AWS_PROFILE",
            )


def check(environment: Environment) -> None:
    """Says who deploys where, and what was found; raises all problems together."""
    settings = environment.deployment.settings
    with aws.told("AWS does not know who you are", "sign in to AWS in this shell (aws sso login, AWS_PROFILE, keys)"):
        caller = environment.client("sts").get_caller_identity()
    say(f"looking at `{environment.name}` as {caller['Arn']}, account {caller['Account']}, {environment.region}")
    variables = given(environment)
    findings = [
        *_placeholders(environment, variables),
        *_state(environment, settings),
        *_concurrency(environment, variables),
        *_sender(environment, variables),
        *_key(environment, variables, "payment"),
        *_key(environment, variables, "carrier"),
    ]
    for note in (finding for finding in findings if finding.remedy is None):
        say(f"  note: {note.what}")
    problems = [finding for finding in findings if finding.remedy is not None]
    if len(problems) == 1:
        raise Problem(problems[0].what, str(problems[0].remedy))
    if problems:
        told = "".join(f"\n  - {problem.what}\n      what to do: {problem.remedy}" for problem in problems)
        raise Problem(f"`{environment.name}` is not ready:{told}", "mend these, then run the same command again")


def given(environment: Environment) -> dict[str, str]:
    """Each variable that the tfvars or the command line set, as it is written there."""
    text = (terraform.MODULE / "environments" / f"{environment.name}.tfvars").read_text()
    text = re.sub(r"(?m)^\s*(#|//).*$", "", text)
    found = dict(re.findall(r"(?ms)^(\w+)[ \t]*=[ \t]*(\{.*?^\}|\[.*?\]|[^\n]*)", text))
    for argument in environment.deployment.variables:
        name, _, value = argument.removeprefix("-var=").partition("=")
        found[name] = value
    return {name: value.strip() for name, value in found.items()}


def _value(environment: Environment, variables: Mapping[str, str], name: str) -> str:
    """Of a plain variable, its default included."""
    if name in variables:
        return variables[name].split("#")[0].strip().strip('"')
    return terraform.setting(environment.name, name)


def _placeholders(environment: Environment, variables: Mapping[str, str]) -> Iterator[Finding]:
    if environment.name == "local":
        return
    for name, value in variables.items():
        for placeholder in dict.fromkeys(_PLACEHOLDERS.findall(value)):
            yield Finding(
                f"{name} still has the placeholder {placeholder}",
                f"put what is yours into terraform/environments/{environment.name}.tfvars",
            )


def _state(environment: Environment, settings: dict[str, str]) -> Iterator[Finding]:
    if not aws.has_bucket(settings, environment.region, environment.bucket):
        yield Finding(
            f"this account has no bucket {environment.bucket} for Terraform's state yet",
            f"make state-bucket ENV={environment.name}",
        )


def _concurrency(environment: Environment, variables: Mapping[str, str]) -> Iterator[Finding]:
    """As exactly as can be said without a plan: where the environment names its own bounds, the plan tells."""
    if variables.get("reserved_concurrency", "{}") != "{}":
        return
    rows: dict[str, dict[str, Any]] = json.loads((terraform.MODULE / "functions.json").read_text())
    reserved = sum(row["at_once"] for row in rows.values())
    names = [f"orders-{environment.name}-{name}" for name in rows]
    yield from concurrency(environment, reserved, names)


def concurrency(environment: Environment, reserved: int, names: list[str]) -> Iterator[Finding]:
    """Lambda refuses a reservation late, in the middle of an apply."""
    functions = environment.client("lambda")
    free = functions.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    ours = 0
    for name in names:
        try:
            ours += functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions", 0)
        except functions.exceptions.ResourceNotFoundException:
            continue
    if reserved and reserved - ours + UNRESERVED > free:
        yield Finding(
            f"this account can reserve {max(free + ours - UNRESERVED, 0)} concurrent executions "
            f"({UNRESERVED} must stay unreserved), and {reserved} are wanted",
            "ask for a higher quota (Service Quotas, Lambda, Concurrent executions), or, outside of prod, set "
            f"reserved_concurrency = null in {environment.name}.tfvars",
        )


def _sender(environment: Environment, variables: Mapping[str, str]) -> Iterator[Finding]:
    import botocore.exceptions

    address = _value(environment, variables, "sender_address")
    expected = _value(environment, variables, "sender_is_verified") == "true"
    mail = environment.client("sesv2")
    verified: dict[str, bool] = {}
    try:
        account = mail.get_account()
        sandboxed = not account["ProductionAccessEnabled"]
        daily = account.get("SendQuota", {}).get("Max24HourSend")
        for identity in (address, address.rpartition("@")[2]):
            try:
                found = mail.get_email_identity(EmailIdentity=identity)
                verified[identity] = found.get("VerifiedForSendingStatus", False)
            except mail.exceptions.NotFoundException:
                continue
    except botocore.exceptions.ClientError as error:
        yield Finding(f"SES was not looked at ({error.response['Error']['Code']})")
        return
    if sandboxed and environment.name != "local":
        yield Finding(
            "SES is in its sandbox: it mails verified addresses only, so no customer of yours. "
            "Ask for production access in SES's console"
        )
    elif daily is not None and daily >= 0 and environment.name != "local":
        yield Finding(f"SES sends at most {daily:.0f} mails a day for this account; an order takes one")
    if expected and not any(verified.values()):
        yield Finding(
            f"sender_is_verified is true, and SES has verified neither {address} nor its domain",
            "verify one of them in SES, or leave sender_is_verified out: Terraform asks SES then",
        )
    if not expected and address in verified and not _is_deployed(environment):
        yield Finding(
            f"SES of this account knows {address} already, and Terraform cannot make it once more",
            f"sender_is_verified = true in terraform/environments/{environment.name}.tfvars",
        )
    if not expected and verified.get(address) is False and environment.name != "local":
        yield Finding("the sender's address is not confirmed yet: SES has sent it a mail with a link")


def _is_deployed(environment: Environment) -> bool:
    """Whether Terraform has a state of it."""
    s3 = environment.client("s3")
    try:
        s3.head_object(Bucket=environment.bucket, Key=f"orders/{environment.name}.tfstate")
    except s3.exceptions.ClientError:
        return False
    return True


def _key(environment: Environment, variables: Mapping[str, str], provider: str) -> Iterator[Finding]:
    """By a call that changes nothing."""
    import botocore.exceptions

    secrets = environment.client("secretsmanager")
    name = f"orders-{environment.name}/{provider}"
    key = ""
    try:
        key = secrets.get_secret_value(SecretId=name).get("SecretString", "").strip()
    except secrets.exceptions.ResourceNotFoundException:
        pass
    except botocore.exceptions.ClientError as error:
        yield Finding(f"the key in {name} was not looked at ({error.response['Error']['Code']})")
        return
    if not key:
        yield Finding(f"{name} has no key yet; once it is deployed, `make deploy` says how it gets one")
        return
    url = _value(environment, variables, f"{provider}_api_url")
    if provider == "payment":
        query = urllib.parse.urlencode({"query": "metadata['order_id']:'preflight'"})
        status = _status(f"{url}/v1/payment_intents/search?{query}", {"authorization": f"Bearer {key}"})
    else:
        status = _status(f"{url}/v2/labels?page_size=1", {"api-key": key})
    if status in (401, 403):
        yield Finding(
            f"{urllib.parse.urlsplit(url).hostname} does not take the key in {name} ({status})",
            f"put the right one in: aws secretsmanager put-secret-value --secret-id {name} "
            "--secret-string file:///dev/stdin",
        )
    elif status != 200:
        yield Finding(f"whether {url} takes the key in {name} could not be determined ({status or 'no answer'})")
    elif environment.name == "prod" and key.startswith(("sk_test_", "rk_test_", "TEST_")):
        yield Finding(f"the key in {name} is one of the provider's test mode: no money moves with it")


def _status(url: str, headers: dict[str, str]) -> int:
    """Of a GET; 0 if nobody answers."""
    try:
        with opener(url).open(urllib.request.Request(url, headers=headers), timeout=15) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
