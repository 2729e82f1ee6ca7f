"""Orders as clients read them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from contracts.stored import plain_order_json
from contracts.terms import HIDDEN, KEYS, NUMBER, term
from services.api.domain import Client
from services.api.queries.loader import Loader
from services.chassis.mongo import NUMBERS, Bson, Database

MOST_ALIKE: Final = 100
"""Of so many orders with one cart or secret key, the newest in the client's scope is found."""

_PLACE: Final[Bson] = {"order.storeId": 1, "order.marketId": 1}


@dataclass(frozen=True, slots=True)
class Place:
    """Whose an order is."""

    store_id: str | None
    market_id: str | None

    def seen_by(self, client: Client) -> bool:
        """Tell whether what is there is in the client's scope."""
        return client.sees(store_id=self.store_id, market_id=self.market_id)


@dataclass(frozen=True, slots=True)
class FoundOrder:
    """An order as JSON, the number of its last event, and whose it is."""

    body: bytes
    version: int
    place: Place


class Orders:
    """The collection `orders`, which the workflow service owns."""

    def __init__(self, database: Database) -> None:
        self._orders = database.get_collection("orders", codec_options=NUMBERS)
        self._whole = Loader(self._load)
        self._places = Loader(self._load_places)

    async def get(self, id_: str, client: Client) -> FoundOrder | None:
        """Return the order; None if there is none in this client's scope."""
        found = await self._whole.get(id_)
        return found if found is not None and found.place.seen_by(client) else None

    def _load(self, ids: Sequence[str]) -> dict[str, FoundOrder]:
        found = self._orders.delegate.find({"_id": {"$in": ids}}, {"order": 1, "version": 1})
        return {one["_id"]: _found(one) for one in found}

    def _load_places(self, ids: Sequence[str]) -> dict[str, Place]:
        found = self._orders.delegate.find({"_id": {"$in": ids}}, _PLACE)
        return {one["_id"]: _place(one) for one in found}

    async def is_visible(self, id_: str, client: Client) -> bool:
        """Tell whether there is such an order in this client's scope."""
        return await self.market_of(id_, client) is not None

    async def market_of(self, id_: str, client: Client) -> str | None:
        """Return the order's market; None if there is no such order in this client's scope."""
        place = await self._places.get(id_)
        return place.market_id or "" if place is not None and place.seen_by(client) else None

    async def many(self, ids: Collection[str], client: Client) -> dict[str, bytes]:
        """Return as JSON, by id, those of the orders that are in this client's scope."""
        cursor = self._orders.find({"_id": {"$in": list(ids)}}, {"order": 1})
        return {
            found["_id"]: plain_order_json(found["order"])
            async for found in cursor
            if _sees(client, found)
        }

    async def places(self, ids: Iterable[str]) -> dict[str, Place]:
        """Return store and market of those of the orders that there are, whosever they are."""
        cursor = self._orders.find({"_id": {"$in": list(ids)}}, _PLACE)
        return {found["_id"]: _place(found) async for found in cursor}

    async def visible(self, ids: Collection[str], client: Client) -> set[str]:
        """Return which of the orders are in this client's scope."""
        cursor = self._orders.find({"_id": {"$in": list(ids)}}, _PLACE)
        return {found["_id"] async for found in cursor if _sees(client, found)}

    async def is_number_taken(self, number: str, *, by_another_than: str) -> bool:
        """Tell whether another order has this number, whosever it is and deleted or not."""
        found_by = term(NUMBER, number)
        others = {
            KEYS: {"$in": [found_by, HIDDEN + found_by]},
            "order.orderNumber": number,  # ids have that term too
            "_id": {"$ne": by_another_than},
        }
        return await self._orders.find_one(others, {"_id": 1}) is not None

    async def of_cart(self, cart_id: str, client: Client) -> FoundOrder | None:
        """Return the order that was made of this cart, of several the newest."""
        return await self._newest({"order.orderForm.cartId": cart_id}, client)

    async def with_secret_key(self, key: str, client: Client) -> FoundOrder | None:
        """Return the order with this secret key, of several the newest.

        It is looked up by its hash, so how long that takes says nothing about any other key.
        """
        return await self._newest({"secretKeyHash": sha256(key.encode()).digest()}, client)

    async def _newest(self, query: Bson, client: Client) -> FoundOrder | None:
        # The order itself is read only if it is answered: whatever fails takes equally long.
        cursor = self._orders.find(query, _PLACE).sort([("order.created", -1), ("_id", 1)])
        for found in await cursor.to_list(MOST_ALIKE):
            if _sees(client, found):
                return await self.get(found["_id"], client)
        return None


def _found(found: Bson) -> FoundOrder:
    return FoundOrder(plain_order_json(found["order"]), found["version"], _place(found))


def _place(found: Bson) -> Place:
    order = found["order"]
    return Place(order.get("storeId"), order.get("marketId"))


def _sees(client: Client, found: Bson) -> bool:
    return _place(found).seen_by(client)
