"""A sandbox of these suites' own, and the providers' own clients pointed at it."""

from __future__ import annotations

import subprocess
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import stripe

from common import ROOT, TARGET, found_in
from providers.exchanges import AsV2, Exchanges, Recorded

# The one that the adapter asks for, whatever the client's own is.
API_VERSION = found_in(ROOT / "crates" / "charge" / "src" / "stripe.rs", r'API_VERSION: &str = "([^"]+)"')


class Sandbox:
    """The sandbox's other side: faults, and its books."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def post(self, path: str, body: Any = None) -> None:
        self._session.post(f"{self.url}/_sandbox/{path}", json=body).raise_for_status()

    def plant(self, operation: str, mode: str, provider: str = "payment", **more: Any) -> None:
        """A fault for whatever order comes next."""
        self.post("faults", {"provider": provider, "operation": operation, "mode": mode, "order_id": "*", **more})

    def happens(self, event: str, order_id: str = "ord-1") -> None:
        """Something that nobody here has done."""
        self.post("events", {"provider": "payment", "order_id": order_id, "event": event})

    def ledger(self) -> dict[str, list[dict[str, Any]]]:
        ledger: dict[str, list[dict[str, Any]]] = self._session.get(f"{self.url}/_sandbox/ledger").json()
        return ledger


@pytest.fixture(scope="session")
def _process() -> Iterator[Sandbox]:
    binary = TARGET / "debug" / "sandbox"
    if not binary.exists():
        pytest.exit(f"{binary} is missing: cargo build -p sandbox", returncode=2)
    with subprocess.Popen([binary, "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        started = process.stdout.readline()
        yield Sandbox(started.rpartition(" ")[2].strip())
        process.terminate()


@pytest.fixture
def sandbox(_process: Sandbox) -> Sandbox:
    _process.post("reset")
    return _process


@pytest.fixture
def exchanges() -> Iterator[Exchanges]:
    """Every answer of a test is as the provider describes it."""
    exchanges = Exchanges()
    yield exchanges
    assert exchanges.answers, "nothing was asked"
    assert not exchanges.wrong, "\n".join(exchanges.wrong)


@pytest.fixture
def payments(sandbox: Sandbox, exchanges: Exchanges) -> stripe.StripeClient:
    return client(sandbox, exchanges, "sk_test_local")


def client(sandbox: Sandbox, exchanges: Exchanges, key: str) -> stripe.StripeClient:
    """Stripe's own client, which tries nothing again by itself."""
    http = stripe.RequestsClient(session=Recorded(exchanges))
    return stripe.StripeClient(
        key,
        stripe_version=API_VERSION,
        base_addresses={"api": sandbox.url},
        max_network_retries=0,
        http_client=http,
    )


@pytest.fixture
def carrier(sandbox: Sandbox, exchanges: Exchanges) -> Any:
    """The carrier's own client."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from shipengine import ShipEngine
    carrier = ShipEngine({"api_key": "TEST_local", "base_uri": sandbox.url, "retries": 0})
    carrier.client.session = AsV2(exchanges)
    return carrier


@pytest.fixture
def raw(exchanges: Exchanges) -> Recorded:
    """For what no client asks."""
    session = Recorded(exchanges)
    session.headers["API-Key"] = "TEST_local"
    return session
