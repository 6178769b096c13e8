"""Orders by queue, and what becomes of a message that is none."""

from __future__ import annotations

import pytest

import aws
from common import REGION
from support.shop import Shop
from support.waiting import PATIENCE_S, eventually

_QUEUE, _DEAD = "orders-local-orders", "orders-local-orders-dead-letters"
_NO_ORDER = '{"order_id": "check-no-order"}'


def test_an_order_by_queue_completes(shop: Shop) -> None:
    wanted = {"status": "completed", "workflow": {"status": "SUCCEEDED"}}
    shop.becomes(shop.send(1), wanted, patience_s=2 * PATIENCE_S)


@pytest.fixture
def dead_letter(shop: Shop) -> str:
    """What came out of the queue for what cannot be read, after something like that was sent."""
    before = shop.queue("get_queue_attributes", _QUEUE, AttributeNames=["VisibilityTimeout"])["Attributes"]
    # An unread message comes again after minutes; here, at once.
    shop.queue("set_queue_attributes", _QUEUE, Attributes={"VisibilityTimeout": "1"})
    try:
        shop.queue("send_message", _QUEUE, MessageBody=_NO_ORDER)
        messages: list[dict[str, str]] = eventually(
            lambda: shop.queue("receive_message", _DEAD, WaitTimeSeconds=1).get("Messages"),
            "a message that is no order ends in the dead-letter queue",
            patience_s=2 * PATIENCE_S,
        )
    finally:
        shop.queue("set_queue_attributes", _QUEUE, Attributes=before)
    return messages[0]["Body"]


def test_a_message_that_is_no_order_ends_in_the_dead_letter_queue(dead_letter: str) -> None:
    assert "check-no-order" in dead_letter


def test_an_alarm_looks_at_the_dead_letter_queue(shop: Shop) -> None:
    cloudwatch = aws.client("cloudwatch", shop.settings, REGION)
    alarms = cloudwatch.describe_alarms(AlarmNames=[f"{_DEAD}-not-empty"])["MetricAlarms"]
    watched = [(alarm["Namespace"], alarm["MetricName"], alarm["Dimensions"]) for alarm in alarms]
    dimensions = [{"Name": "QueueName", "Value": _DEAD}]
    assert watched == [("AWS/SQS", "ApproximateNumberOfMessagesVisible", dimensions)]
