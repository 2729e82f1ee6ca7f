"""What searches are measured against: queries written by hand, behind the least of a server.

`python -m tests.bench.search_floor URL DATABASE PORT SIZE` answers `GET /{name}?facets=1` with
a page of orders, how many there are, and the counts of their values.
"""

import asyncio
import sys
from typing import Any, Final

import uvicorn
from bson.codec_options import CodecOptions, TypeDecoder, TypeRegistry
from bson.decimal128 import Decimal128
from pydantic_core import to_json
from pymongo import AsyncMongoClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.bench.orders import created

Json = dict[str, Any]
ALL: Final[Json] = {"groups": "#live"}
NEWEST: Final = [("order.created", -1), ("_id", -1)]


class _Floats(TypeDecoder):
    bson_type = Decimal128

    def __init__(self) -> None:
        self._known: dict[bytes, float] = {}

    def transform_bson(self, value: Decimal128) -> float:
        known = self._known.get(value.bid)
        if known is None:
            known = self._known[value.bid] = float(value.to_decimal())
        return known


OPTIONS: Final[CodecOptions[Json]] = CodecOptions(
    tz_aware=True, type_registry=TypeRegistry([_Floats()])
)


def queries(size: int) -> dict[str, tuple[Json, Json]]:
    """Return ten typical searches among so many orders: the body for Kontor, the filter by hand."""
    number, middle, recent = size // 2, created(size // 2), created(size - 50)
    stores, statuses = ["WebShop"], ["New", "InProgress"]
    new = {"groups": {"$in": [f"#storeStatus webshop\x1f{one.lower()}" for one in statuses]}}
    return {
        "the newest": ({}, ALL),
        "new ones of a store": (
            {"selectedStores": stores, "selectedStatuses": statuses},
            new,
        ),
        "the reference's example": (
            {
                "selectedStores": stores,
                "selectedStatuses": statuses,
                "createdFrom": middle.isoformat(),
                "searchText": "Nord7",
                "sortOrder": "CreatedDescending",
            },
            {**new, "order.created": {"$gte": middle}, "keys": {"$regex": "^nord7"}},
        ),
        "two words": (
            {"searchText": "kari lie42"},
            {"$and": [{"keys": {"$regex": "^kari"}}, {"keys": {"$regex": "^lie42"}}]},
        ),
        "a customer's": (
            {"customerId": "customer77@example.com"},
            {"keys": "#customer customer77@example.com"},
        ),
        "a number": ({"orderNumber": f"ORD-{number:07}"}, {"_id": f"ORD-{number:07}"}),
        "a property": (
            {"property": {"key": "ErpReference", "value": f"SAP-{number:07}"}},
            {"keys": f"#property ErpReference\x1fSAP-{number:07}"},
        ),
        "changes of a store": (
            {"modifiedFrom": recent.isoformat(), "selectedStores": ["Oslo"]},
            {"order.modified": {"$gte": recent}, "groups": "#store oslo"},
        ),
        "a product": ({"productNumbers": ["SKU-00042"]}, {"keys": "#sku SKU-00042"}),
        "unpaid with a tag": (
            {"paymentStatuses": ["NotPaid"], "orderType": "Pos", "tags": ["gift"]},
            # In the order of Kontor's: MongoDB remembers one plan for both, by their order.
            {"groups": {"$all": ["#type pos", "#tag gift", "#paid NotPaid"]}},
        ),
    }


def application(url: str, database: str, asked: dict[str, Json]) -> Starlette:
    """Return the server; `asked` is a filter for each name."""
    client: AsyncMongoClient[Json] = AsyncMongoClient(url)
    orders = client[database].get_collection("orders", codec_options=OPTIONS)

    async def facets(match: Json) -> list[Json]:
        cursor = await orders.aggregate(
            [
                {"$match": {"facets": {"$lt": "~"}} if match == ALL else match},
                {"$group": {"_id": "$facets", "orders": {"$sum": 1}}},
                {"$project": {"_id": 0, "orders": 1, "each": {"$split": ["$_id", "\x1e"]}}},
                {"$unwind": "$each"},
                {"$group": {"_id": "$each", "count": {"$sum": "$orders"}}},
            ]
        )
        return await cursor.to_list(None)

    async def search(request: Request) -> Response:
        match = asked[request.path_params["name"]]
        page = orders.find(match, {"order": 1}).sort(NEWEST).limit(20)
        found, total, counts = await asyncio.gather(
            page.to_list(None),
            orders.count_documents(match),
            facets(match) if "facets" in request.query_params else asyncio.sleep(0, []),
        )
        body = {"items": [one["order"] for one in found], "totalCount": total, "facets": counts}
        return Response(to_json(body), media_type="application/json")

    return Starlette(routes=[Route("/{name}", search)])


def main() -> None:
    """Serve until told to stop."""
    url, database, port, size = sys.argv[1:]
    asked = {name: by_hand for name, (_, by_hand) in queries(int(size)).items()}
    app = application(url, database, asked)
    uvicorn.run(app, port=int(port), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
