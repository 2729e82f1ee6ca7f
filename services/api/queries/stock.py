"""Stock as clients read it (domain 4.7)."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final, Self

from pydantic import Field, ValidationError

from contracts.fields import Flag, ListOf
from contracts.messages.inventory import AvailableToPromise
from contracts.model import Model
from contracts.moment import Moment
from contracts.money import LARGEST, Amount
from contracts.note import PropertyItem
from contracts.settings import Configuration
from services.chassis.mongo import Bson, Database

MOST_CODES: Final = 1000
"""SKUs that one search may name (S1, bulk operations)."""
MOST_HITS: Final = 1000
"""What one answer holds; what is more is fetched by `scrollId`."""
WEB_WAREHOUSE: Final = "WebWarehouse"
"""The role of a store that sends what is sold on the web."""


class InventorySearchRequest(Model):
    """Which stock records are wanted (OmniumInventorySearchRequest); absent means any."""

    product_codes: Annotated[list[str], Field(max_length=MOST_CODES)] | None = None
    """SKUs."""
    warehouse_codes: ListOf[str] | None = None
    market_id: str | None = None
    """Only warehouses of this market."""
    market_group_id: str | None = None
    """Only warehouses of this group's markets."""
    is_web_warehouse: Flag = False
    """Only the warehouses with the role WebWarehouse, else the main one."""
    is_in_stock: Flag | None = None
    last_modified: Moment = None
    """Only what changed at or after this time."""
    is_batches_excluded: Flag | None = None


class InventoryItem(Model):
    """How much there is of a SKU in a warehouse (OmniumInventoryItem)."""

    sku: str
    warehouse_code: str
    inventory: Amount
    reserved_inventory: Amount
    calculated_inventory: Amount
    """What no order holds."""
    cost: Amount | None = None
    cost_currency: str | None = None
    cost_total: Amount | None = None
    """Of all there is; absent where that is more than an amount may be."""
    location: str | None = None
    min_quantity: Amount | None = None
    max_quantity: Amount | None = None
    reorder_min_quantity: Amount | None = None
    is_virtual: bool | None = None
    physical_warehouse_code: str | None = None
    properties: list[PropertyItem] | None = None
    atp: list[AvailableToPromise] | None = None
    created: datetime
    modified: datetime

    @classmethod
    def of(cls, stored: Bson) -> Self:
        """Read a stock record."""
        cost, inventory = stored.get("cost"), stored["inventory"]
        return cls.model_validate(
            {
                **stored,
                "calculatedInventory": inventory - stored["reservedInventory"],
                "costTotal": None if cost is None else _money(cost * inventory),
            }
        )


class InventoryResult(Model):
    """A page of stock records (OmniumInventoryItemOmniumResult)."""

    result: list[InventoryItem]
    total_hits: int
    scroll_id: str | None = None
    """Where the next page is; absent on the last one."""


class _Scroll(Model):
    """What a scroll id says: the search, and the record after which to go on."""

    search: InventorySearchRequest
    after: str


@dataclass(frozen=True, slots=True)
class Stock:
    """The collection `stock`, which the inventory service owns."""

    database: Database

    async def search(
        self,
        wanted: InventorySearchRequest,
        configuration: Configuration,
        *,
        after: str | None = None,
    ) -> InventoryResult:
        """Return the records that fit, in order of their ids, at most a thousand at a time."""
        query = _query(wanted, configuration)
        stock = self.database["stock"]
        hits = await stock.count_documents(query)
        if after is not None:
            query = {"$and": [query, {"_id": {"$gt": after}}]}
        found = await stock.find(query).sort("_id", 1).limit(MOST_HITS + 1).to_list(None)
        page, more = found[:MOST_HITS], len(found) > MOST_HITS
        return InventoryResult(
            result=[InventoryItem.of(stored) for stored in page],
            total_hits=hits,
            scroll_id=_scroll_id(wanted, page[-1]["_id"]) if more else None,
        )

    async def scroll(self, id_: str, configuration: Configuration) -> InventoryResult | None:
        """Return the next page; None if this is no scroll id of ours."""
        try:
            raw = base64.b64decode(id_ + "=" * (-len(id_) % 4), altchars=b"-_", validate=True)
            scroll = _Scroll.model_validate_json(raw)
        except (binascii.Error, ValidationError, ValueError):
            return None
        return await self.search(scroll.search, configuration, after=scroll.after)


def _query(wanted: InventorySearchRequest, configuration: Configuration) -> Bson:
    query: Bson = {}
    if wanted.product_codes:
        query["sku"] = {"$in": wanted.product_codes}
    warehouses = [set(wanted.warehouse_codes)] if wanted.warehouse_codes else []
    warehouses += _of_markets(wanted, configuration)
    if warehouses:
        query["warehouseCode"] = {"$in": sorted(set.intersection(*warehouses))}
    if wanted.is_in_stock is not None:
        query["isInStock"] = wanted.is_in_stock
    if wanted.last_modified is not None:
        query["modified"] = {"$gte": wanted.last_modified}
    return query


def _of_markets(wanted: InventorySearchRequest, configuration: Configuration) -> list[set[str]]:
    """Return the sets of warehouses that must each hold the one of a record."""
    sets = []
    if wanted.market_id:
        sets.append(_selling_in([wanted.market_id], configuration))
    if wanted.market_group_id:
        group = wanted.market_group_id.casefold()
        markets = [
            market.market_id
            for market in configuration.markets
            if (market.market_group_id or "").casefold() == group
        ]
        sets.append(_selling_in(markets, configuration))
    if wanted.is_web_warehouse:
        web = {one.store_id for one in configuration.stores if WEB_WAREHOUSE in one.roles}
        main = {one.store_id for one in configuration.stores if one.is_main_warehouse}
        sets.append(web or main)
    return sets


def _selling_in(markets: Iterable[str], configuration: Configuration) -> set[str]:
    words = {market.casefold() for market in markets}
    if not words:
        return set()
    return {
        store.store_id
        for store in configuration.stores
        if not store.market_ids or words & {one.casefold() for one in store.market_ids}
    }


def _scroll_id(wanted: InventorySearchRequest, after: str) -> str:
    text = _Scroll(search=wanted, after=after).model_dump_json(exclude_none=True)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _money(amount: Decimal) -> Decimal | None:
    return amount.quantize(Decimal("0.01")) if abs(amount) <= LARGEST else None
