"""Orders through an environment that has just been deployed, with the providers' test keys.

    smoke.py --env dev|prod
    smoke.py --stack e2e        a local stack in the place of AWS

One order goes all the way. What the providers have in their books is held against what the shop says, and then
taken back there. Another one waits for a review, is cancelled, and must have left nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aws
import readiness
import terraform
from common import ROOT, STACK_NAMES, TARGET, Problem, aws_environment, found_in, opener, run_tool, say, stack_named

# The worst case of a few retries on cold functions.
_PATIENCE_S = 180
_ARTICLE, _REVIEWED_ARTICLE = "SMOKE-01", "SMOKE-02"
# Above what Stripe takes at least in USD (docs.stripe.com/currencies, "Minimum and maximum charge amounts").
_PRICE = 100
# An address that carriers know: the one of ShipStation's own examples (docs.shipstation.com).
_ADDRESS = {
    "name": "Smoke Test",
    "line1": "525 S Winchester Blvd",
    "line2": None,
    "city": "San Jose",
    "region": "CA",
    "postal_code": "95128",
    "country": "US",
}
# Where the address is abroad, the parcel is declared.
_CUSTOMS = {"hs_code": "491199", "origin": "US", "description": "Printed matter"}

Json = dict[str, Any]


def main() -> None:
    of_the_command_line("Orders through an environment, and what the providers say of them.", smoke)


def of_the_command_line(description: str, does: Callable[[Environment], None]) -> None:
    """Does it to the environment that the command line names."""
    parser = argparse.ArgumentParser(description=description)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--env", help="names terraform/environments/<env>.tfvars")
    where.add_argument("--stack", choices=STACK_NAMES, help="a local stack, for tests")
    arguments = parser.parse_args()
    environment = of_stack(arguments.stack) if arguments.stack else of_environment(arguments.env)
    with aws.told("AWS refuses it", "see above; once it is mended, run the same command again"):
        does(environment)


@dataclass(frozen=True)
class Environment:
    """Where it is, and how it is asked."""

    name: str
    endpoints_file: Path
    settings: dict[str, str]
    region: str

    @property
    def endpoints(self) -> Json:
        try:
            endpoints: Json = json.loads(self.endpoints_file.read_text())
        except FileNotFoundError:
            remedy = f"make deploy ENV={self.name} writes it, also when nothing has changed"
            raise Problem(f"there is no {os.path.relpath(self.endpoints_file)}", remedy) from None
        return endpoints

    def client(self, service: str) -> Any:
        return aws.client(service, self.settings, self.region)


def of_stack(name: str) -> Environment:
    stack = stack_named(name)
    return Environment("local", stack.endpoints_file, aws_environment(stack), "us-east-1")


def of_environment(name: str) -> Environment:
    terraform.require_environment(name)
    readiness.refuse_loopback(name)
    region = terraform.setting(name, "region")
    return Environment(name, TARGET / "deploy" / name / "endpoints.json", dict(os.environ), region)


def smoke(environment: Environment) -> None:
    providers = Providers(environment)
    shop = Shop(environment)
    mark = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    say("putting two articles into the catalogue")
    limit = shop.review_limit()
    shop.put_articles({_ARTICLE: _PRICE, _REVIEWED_ARTICLE: (limit or 0) + _PRICE})

    order = f"smoke-{mark}"
    say(f"{order}: all the way")
    shop.submit(order, _ARTICLE, _PRICE)
    view = shop.wait(order, lambda view: bool(view["workflow"]["status"] != "RUNNING"))
    if view["status"] != "completed":
        raise Problem(f"{order} is {view['status']}, not completed", f"orderctl status {order} tells why")
    payment, label = shop.effects(view)
    say(f"{order}: completed; comparing it with the providers' books")
    providers.expect_paid(payment, order, _PRICE)
    providers.expect_label(label, view["shipment"]["tracking_number"])
    say("taking the money and the label back")
    providers.refund(payment, order, _PRICE)
    providers.void(label)

    if limit is None:
        say("no order is reviewed here, so that none can be cancelled while it waits: that part is left out")
    else:
        order = f"smoke-{mark}-cancelled"
        say(f"{order}: waits for a review, and is cancelled")
        shop.submit(order, _REVIEWED_ARTICLE, limit + _PRICE)
        shop.wait(order, lambda view: bool(view["status"] == "in_review"))
        shop.call("POST", f"/orders/{order}/cancel")
        view = shop.wait(order, lambda view: bool(view["workflow"]["status"] != "RUNNING"))
        if view["status"] != "cancelled":
            raise Problem(f"{order} is {view['status']}, not cancelled", f"orderctl status {order} tells why")
        providers.expect_nothing(order)
    say(f"`{environment.name}` processes orders")


class Shop:
    """The front door, and the operators' tools."""

    def __init__(self, environment: Environment):
        self._environment = environment
        self._intake: str = environment.endpoints["intake"]

    def review_limit(self) -> int | None:
        """Above so many US cents an order is reviewed; None if none is."""
        limits: dict[str, int] = json.loads(_settings_of(self._environment, "validate")["REVIEW_LIMITS"])
        return limits.get("USD")

    def put_articles(self, prices: Mapping[str, int]) -> None:
        articles = [
            {"sku": sku, "unit_price": price, "currency": "USD", "available": 1000, "customs": _CUSTOMS}
            for sku, price in prices.items()
        ]
        file = self._environment.endpoints_file.parent / "smoke-articles.json"
        file.write_text(json.dumps(articles))
        command = [str(TARGET / "debug" / "orderctl"), "--endpoints", str(self._environment.endpoints_file)]
        if not Path(command[0]).exists():
            raise Problem("target/debug/orderctl has not been built", "cargo build --bin orderctl")
        done = subprocess.run(
            [*command, "catalogue", str(file)],
            cwd=ROOT,
            env={**os.environ, **self._environment.settings},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Problem(
                f"the articles could not be put: {done.stderr.strip()}", "may you write to the stock's table?"
            )

    def submit(self, order: str, sku: str, price: int) -> None:
        document = {
            "schema_version": 1,
            "order_id": order,
            "currency": "USD",
            # SES's own mailbox for tests: what is sent there succeeds and counts nowhere
            # (Amazon SES Developer Guide, "Using the mailbox simulator").
            "customer": {"customer_id": "smoke", "name": "Smoke Test", "email": "success@simulator.amazonses.com"},
            "payment": {"method": "pm_card_visa"},
            "shipping_address": _ADDRESS,
            "lines": [{"sku": sku, "quantity": 1, "unit_price": price}],
            "shipping_fee": 0,
            "tax": 0,
            "total": price,
        }
        self.call("POST", "/orders", document)

    def wait(self, order: str, wanted: Any) -> Json:
        until = time.monotonic() + _PATIENCE_S
        while not wanted(view := self.call("GET", f"/orders/{order}")):
            if time.monotonic() > until:
                raise Problem(f"{order} is still {view['status']} after {_PATIENCE_S} s", f"orderctl status {order}")
            time.sleep(1)
        return view

    def effects(self, view: Json) -> tuple[str, str]:
        """The providers' names for the payment and the label, as the steps have answered."""
        workflow = self._environment.client("stepfunctions")
        pages = workflow.get_paginator("get_execution_history").paginate(executionArn=view["workflow"]["execution_arn"])
        exited = {
            event["stateExitedEventDetails"]["name"]: json.loads(event["stateExitedEventDetails"].get("output", "{}"))
            for page in pages
            for event in page["events"]
            if event["type"] == "TaskStateExited"
        }
        return exited["ChargePayment"]["payment_id"], exited["ShipOrder"]["label_id"]

    def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """Signed by this shell's credentials, as every caller's requests are."""
        import botocore.auth
        import botocore.awsrequest

        data = json.dumps(body) if body is not None else ""
        request = botocore.awsrequest.AWSRequest(
            method, self._intake + path, data=data, headers={"content-type": "application/json"}
        )
        session = aws.session(self._environment.settings)
        botocore.auth.SigV4Auth(session.get_credentials(), "execute-api", self._environment.region).add_auth(request)
        return _answer(method, self._intake + path, dict(request.headers), data.encode() or None)


class Providers:
    """Their books, by their own interfaces and with none of our adapters."""

    def __init__(self, environment: Environment):
        self._payment = _settings_of(environment, "charge")
        self._carrier = _settings_of(environment, "ship")
        secrets = environment.client("secretsmanager")
        keys = {}
        for name, settings in (("payment", self._payment), ("carrier", self._carrier)):
            arn = settings[f"{name.upper()}_SECRET_ARN"]
            keys[name] = secrets.get_secret_value(SecretId=arn)["SecretString"].strip()
        if not keys["payment"].startswith(("sk_test_", "rk_test_")) or not keys["carrier"].startswith("TEST_"):
            raise Problem(
                f"`{environment.name}` has a live key of Stripe or ShipStation: its orders cost money",
                "put keys of the providers' test modes into its secrets (sk_test_…, TEST_…), or do without",
            )
        version = found_in(ROOT / "crates/charge/src/stripe.rs", r'API_VERSION: &str = "([^"]+)"')
        self._payment_headers = {"authorization": f"Bearer {keys['payment']}", "stripe-version": version}
        self._carrier_headers = {"api-key": keys["carrier"]}

    def expect_paid(self, payment: str, order: str, amount: int) -> None:
        found = self._stripe("GET", f"/v1/payment_intents/{payment}")
        told = (found["status"], found["amount_received"], found["currency"], found["metadata"].get("order_id"))
        _expect("Stripe's payment", told, ("succeeded", amount, "usd", order))

    def refund(self, payment: str, order: str, amount: int) -> None:
        made = self._stripe("POST", "/v1/refunds", {"payment_intent": payment}, {"idempotency-key": f"{order}-smoke"})
        _expect("Stripe's refund", (made["status"], made["amount"]), ("succeeded", amount))

    def expect_nothing(self, order: str) -> None:
        query = urllib.parse.urlencode({"query": f"metadata['order_id']:'{order}'"})
        found = self._stripe("GET", f"/v1/payment_intents/search?{query}")["data"]
        _expect(f"Stripe's payments of {order}", [payment["id"] for payment in found], [])

    def expect_label(self, label: str, tracking: str) -> None:
        found = self._shipstation("GET", f"/v2/labels/{label}")
        told = (found["voided"], found["tracking_number"])
        _expect("ShipStation's label", told, (False, tracking))

    def void(self, label: str) -> None:
        answer = self._shipstation("PUT", f"/v2/labels/{label}/void")
        _expect("ShipStation's answer to voiding the label", answer["approved"], True)
        _expect("ShipStation's label", self._shipstation("GET", f"/v2/labels/{label}")["voided"], True)

    def _stripe(
        self, method: str, path: str, form: Mapping[str, str] | None = None, more: Mapping[str, str] | None = None
    ) -> Json:
        url = self._payment["PAYMENT_API_URL"] + path
        data = urllib.parse.urlencode(form).encode() if form else None
        headers = {**self._payment_headers, **(more or {}), "content-type": "application/x-www-form-urlencoded"}
        return _answer(method, url, headers, data)

    def _shipstation(self, method: str, path: str) -> Json:
        url = self._carrier["CARRIER_API_URL"] + path
        return _answer(method, url, self._carrier_headers, None)


def _settings_of(environment: Environment, function: str) -> dict[str, str]:
    """What the deployed function has, so that nothing is looked at elsewhere than there."""
    # arn:…:function:orders-dev-charge
    named = environment.endpoints["asked_functions"]["charge"].split(":")[6].rpartition("-")[0]
    configuration = environment.client("lambda").get_function_configuration(FunctionName=f"{named}-{function}")
    settings: dict[str, str] = configuration["Environment"]["Variables"]
    return settings


def _expect(what: str, found: Any, wanted: Any) -> None:
    if found != wanted:
        raise Problem(f"{what} is {found!r}, not {wanted!r}", "look at the order's timeline and the provider's page")


def _answer(method: str, url: str, headers: Mapping[str, str], data: bytes | None) -> Json:
    request = urllib.request.Request(url, data, dict(headers), method=method)
    try:
        with opener(url).open(request, timeout=60) as answer:
            found: Json = json.loads(answer.read() or b"{}")
            return found
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")[:500]
        raise Problem(f"{method} {url} answers {error.code}: {text}", "see the answer") from None
    except OSError as error:
        raise Problem(
            f"{method} {url} does not answer: {error}", "is it up, and this machine on the network?"
        ) from None


if __name__ == "__main__":
    run_tool(main)
