"""An order on paper, in a file and at a connector, after it went through all services."""

import csv
import io

from pydantic_core import from_json

from tests.builders import the_reference_body
from tests.journeys.world import World, an_order
from tests.pdf import pages
from tests.receiver import Receiver

EXPORT = "/api/Orders/ExportOrders"
NAME = "=Ola #panic() مرحبا"


async def test_an_order_is_printed_and_exported_as_it_was_stored(world: World) -> None:
    await world.stock(10, sku="SKU-001", warehouse="MainWarehouse")
    order = await world.placed(the_reference_body() | {"customerName": NAME, "tags": ["vip"]})
    order_id = order["id"]
    await world.placed(an_order(customerName="Kari Nordmann", tags=["other"]))
    markets = (await world.shop("GET", "/api/Settings/Markets")).json
    await world.configure("Markets", [market | {"language": "en"} for market in markets])

    receipt = await world.shop("GET", f"/api/Orders/GetOrderAsPdf/{order_id}")
    lines = await world.shop("POST", EXPORT, {"search": {"tags": ["VIP"]}})
    table = await world.shop("POST", EXPORT, {"search": {"searchText": "ola"}, "format": "csv"})

    (page,) = pages(receipt.body)
    printed = page.splitlines()
    assert {"Receipt", order_id, "SKU-001", "NOK 998.00", "199.60", "مرحبا"} <= set(printed)
    assert "=Ola #panic() " in printed
    read = await world.read(order_id)
    assert "ignored-fields" not in lines.headers
    assert [from_json(line) for line in lines.body.splitlines()] == [read]
    (row,) = csv.DictReader(io.StringIO(table.body.decode(), newline=""))
    assert (row["id"], row["total"], row["customerName"]) == (order_id, "998", f"'{NAME}")

    async with Receiver() as receiver:
        erp = receiver.hook("erp")
        await world.configure("Connectors", [{"connectorId": "erp", "host": erp.url}])

        sent = await world.shop("POST", EXPORT, {"connectorId": "erp", "orderIds": [order_id]})

        (result,) = sent.json
        assert result["logItems"][0]["isSuccess"] is True
        assert from_json(erp.got[0].body) == result["item"] == read
