"""Orders as clients read them."""

from dataclasses import dataclass

from contracts.stored import order_json
from services.api.domain import Client
from services.chassis.mongo import Bson, Database


@dataclass(frozen=True, slots=True)
class FoundOrder:
    """An order as JSON, and the number of its last event."""

    body: bytes
    version: int


class Orders:
    """The collection `orders`, which the workflow service owns."""

    def __init__(self, database: Database) -> None:
        self._orders = database["orders"]

    async def get(self, id_: str, client: Client) -> FoundOrder | None:
        """Return the order; None if there is none in this client's scope."""
        found = await self._orders.find_one({"_id": id_}, {"order": 1, "version": 1})
        if found is None or not _sees(client, found):
            return None
        return FoundOrder(order_json(found["order"]), found["version"])

    async def is_visible(self, id_: str, client: Client) -> bool:
        """Tell whether there is such an order in this client's scope."""
        found = await self._orders.find_one({"_id": id_}, {"order.storeId": 1, "order.marketId": 1})
        return found is not None and _sees(client, found)


def _sees(client: Client, found: Bson) -> bool:
    order = found["order"]
    return client.sees(store_id=order.get("storeId"), market_id=order.get("marketId"))
