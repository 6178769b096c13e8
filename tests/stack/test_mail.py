"""Mail that does not do its work: SES's events that operators hear of, and what they hear.

No mail bounces here, so that the rule itself is asked about events as AWS documents them (SES Developer Guide,
"Contents of event data that Amazon SES publishes").
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

import aws
from common import REGION
from support.shop import Shop

RULE = "orders-local-lost-mail"
OURS = "orders-local-mail"


@pytest.fixture(scope="module")
def bus(shop: Shop) -> Any:
    return aws.client("events", shop.settings, REGION)


def event(kind: str, configuration_set: str) -> str:
    mail = {
        "messageId": "message-1",
        "destination": ["ada@example.com"],
        "tags": {"ses:configuration-set": [configuration_set], "order_id": ["ord-1"], "execution": ["ord-1-1"]},
    }
    names = {"Bounce": "Email Bounced", "Complaint": "Email Complaint Received", "Reject": "Email Rejected"}
    return json.dumps(
        {
            "version": "0",
            "id": "event-1",
            "source": "aws.ses",
            "detail-type": names.get(kind, "Email Delivered"),
            "account": "000000000000",
            "time": "2026-01-01T00:00:00Z",
            "region": REGION,
            "resources": [f"arn:aws:ses:{REGION}:000000000000:configuration-set/{configuration_set}"],
            "detail": {"eventType": kind, "mail": mail},
        }
    )


@pytest.mark.parametrize(
    ("kind", "configuration_set", "told"),
    [
        ("Bounce", OURS, True),
        ("Complaint", OURS, True),
        ("Reject", OURS, True),
        ("Delivery", OURS, False),
        ("Bounce", "orders-prod-mail", False),
    ],
)
def test_operators_hear_of_mail_of_this_environment_that_is_lost(
    bus: Any, kind: str, configuration_set: str, told: bool
) -> None:
    pattern = bus.describe_rule(Name=RULE)["EventPattern"]
    matched = bus.test_event_pattern(EventPattern=pattern, Event=event(kind, configuration_set))
    assert matched["Result"] is told


def test_they_hear_of_the_order_and_of_no_address(bus: Any) -> None:
    (target,) = bus.list_targets_by_rule(Rule=RULE)["Targets"]
    assert target["Arn"].endswith(":orders-local-operators")
    transformer = target["InputTransformer"]
    assert transformer["InputPathsMap"] == {"order": "$.detail.mail.tags.order_id[0]", "what": "$.detail.eventType"}
    assert set(re.findall(r"<(\w+)>", transformer["InputTemplate"])) == {"order", "what"}


def test_ses_tells_the_bus_what_the_rule_is_about(shop: Shop) -> None:
    ses = aws.client("sesv2", shop.settings, REGION)
    (destination,) = ses.get_configuration_set_event_destinations(ConfigurationSetName=OURS)["EventDestinations"]
    assert destination["Enabled"]
    assert set(destination["MatchingEventTypes"]) == {"BOUNCE", "COMPLAINT", "REJECT"}
    assert destination["EventBridgeDestination"]["EventBusArn"].endswith(":event-bus/default")
