"""How the database is laid out, as far as tests look into it or plant something in it.

Nothing else here names a table, a key, an item or an attribute of the read models.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

import aws
from common import REGION

# A value or an item as DynamoDB has it, with its types.
Typed = dict[str, Any]

# The keys of the orders' table, of the stock's, and of the read models'.
_ORDER, _PART, _SKU = "order_id", "item", "sku"
_ROW, _SORT = "pk", "sk"
# The items of an order, and its row among the read models.
_DOCUMENT, _PERSONAL, _STATE, _REVIEW = "order", "personal", "state", "review"
_PROJECTION = "projection"
# The read models of what operators were notified of.
_NOTICES = "notices"
# What the state of an order has before anybody has worked on it.
_KEPT_OF_STATE = (_PART, "version", "attempt", "customer_id", "total")
_UNSTARTED_STATE: Typed = {
    "stage": {"S": "received"},
    "received_at": {"N": "1700000000000"},
    "reserved_lines": {"N": "0"},
}


class Projection:
    """What operators know of an order."""

    def __init__(self, item: Typed):
        self._item = item

    @property
    def incidents(self) -> list[str]:
        return list(decoded(self._item.get("incidents", {"M": {}})))

    @property
    def is_looked_at_again(self) -> bool:
        """Open orders are; what is over is not."""
        return "due_at" in self._item


class Tables:
    """The database of a stack."""

    def __init__(self, settings: dict[str, str], endpoints: Mapping[str, Any]):
        self._client = aws.client("dynamodb", settings, REGION)
        self._orders: str = endpoints["orders_table"]
        self._read_models: str = endpoints["read_models_table"]

    # --- orders

    def change_state(self, order: str, expression: str, **values: Any) -> None:
        """An update of the order's state. A name after `#` is one that DynamoDB reserves; `:value` is given by name."""
        self._change(order, _STATE, expression, values)

    def review_token(self, order: str) -> str | None:
        """With which the execution that waits for a decision is woken. It is noted a moment after the order waits."""
        token = self._item(order, _REVIEW).get("task_token")
        return decoded(token) if token else None

    def erase_personal_data(self, order: str) -> None:
        self._client.delete_item(TableName=self._orders, Key=self._key(order, _PERSONAL))

    def accept_unstarted(self, order: str, model: str) -> None:
        """A new order that is like `model` was when it had come in, long ago; its execution is not started."""
        for part in (_DOCUMENT, _PERSONAL, _STATE):
            item = self._item(model, part)
            if part == _STATE:
                item = {name: item[name] for name in _KEPT_OF_STATE} | _UNSTARTED_STATE
            self._client.put_item(TableName=self._orders, Item={**item, _ORDER: encoded(order)})
        # The way in announces it to the monitor.
        announcement: dict[str, str | int] = {_ORDER: order, "open_shard": "0", "due_at": 0, "revision": 1}
        row = self._row(order) | {name: encoded(value) for name, value in announcement.items()}
        self._client.put_item(TableName=self._read_models, Item=row)

    def forget(self, order: str) -> None:
        """As if there had never been such an order."""
        self._empty(self._orders, {_ORDER: order}, _PART)
        self._client.delete_item(TableName=self._read_models, Key=self._row(order))

    # --- the read models

    def projection(self, order: str) -> Projection:
        found = self._client.get_item(TableName=self._read_models, Key=self._row(order), ConsistentRead=True)
        return Projection(found.get("Item", {}))

    def make_due(self, *orders: str) -> None:
        """So that the next sweep looks at them first, whatever it was going to do."""
        for order in orders:
            expression = "SET due_at = :long_ago, open_shard = if_not_exists(open_shard, :shard)"
            self._update(self._read_models, self._row(order), expression, {"long_ago": 0, "shard": "0"})

    def forget_notices(self) -> None:
        """As if operators had been notified of nothing yet, whatever ran on this stack before."""
        self._empty(self._read_models, {_ROW: _NOTICES}, _SORT)

    # --- items

    def _item(self, order: str, part: str) -> Typed:
        found = self._client.get_item(TableName=self._orders, Key=self._key(order, part), ConsistentRead=True)
        item: Typed = found.get("Item", {})
        return item

    def _key(self, order: str, part: str) -> Typed:
        return {_ORDER: encoded(order), _PART: encoded(part)}

    def _row(self, order: str) -> Typed:
        return {_ROW: encoded(f"order#{order}"), _SORT: encoded(_PROJECTION)}

    def _empty(self, table: str, partition: Mapping[str, str], sort: str) -> None:
        """Deletes all items of a partition."""
        ((key, value),) = partition.items()
        query = {
            "TableName": table,
            "KeyConditionExpression": "#key = :value",
            "ExpressionAttributeValues": {":value": encoded(value)},
            "ProjectionExpression": "#key, #sort",
            "ExpressionAttributeNames": {"#key": key, "#sort": sort},
        }
        for found in self._client.query(**query)["Items"]:
            self._client.delete_item(TableName=table, Key=found)

    def _change(self, order: str, part: str, expression: str, values: Mapping[str, Any]) -> None:
        self._update(self._orders, self._key(order, part), expression, values)

    def _update(self, table: str, key: Typed, expression: str, values: Mapping[str, Any]) -> None:
        names = {f"#{word}": word for word in re.findall(r"#(\w+)", expression)}
        self._client.update_item(
            TableName=table,
            Key=key,
            UpdateExpression=expression,
            **({"ExpressionAttributeNames": names} if names else {}),
            **(
                {"ExpressionAttributeValues": {f":{name}": encoded(value) for name, value in values.items()}}
                if values
                else {}
            ),
        )


def ago_ms(days: float) -> int:
    """A time in the past as the database has it."""
    return int((time.time() - days * 24 * 3600) * 1000)


def encoded(value: str | int | Mapping[str, Any]) -> Typed:
    """A value as DynamoDB has it."""
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int):
        return {"N": str(value)}
    return {"M": {name: encoded(part) for name, part in value.items()}}


def decoded(value: Typed) -> Any:
    """The other way round."""
    (kind, content), *_ = value.items()
    if kind == "M":
        return {name: decoded(part) for name, part in content.items()}
    if kind == "L":
        return [decoded(part) for part in content]
    return int(content) if kind == "N" else content


# --- for the walk through the rights ---------------------------------------------------------


def key_of_nobody(table: str) -> Typed:
    """The key of an item that is not there, in the table of this name."""
    keys = {"stock": {_SKU: "RIGHTS"}, "models": {_ROW: "order#rights", _SORT: _PROJECTION}}
    key = keys.get(table.rpartition("-")[2], {_ORDER: "rights", _PART: _STATE})
    return {name: encoded(value) for name, value in key.items()}


def has_orders(table: str) -> bool:
    """Whether the table of this name or ARN is the one with the orders' documents and ledger."""
    return table.endswith("-orders")
