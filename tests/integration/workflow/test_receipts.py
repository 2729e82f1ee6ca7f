"""Tills that bring one number at the same moment: the sale of one is stored."""

from uuid import uuid4

from pydantic_core import from_json

from contracts.messages.orders import EraseOrder, PlacePosOrder
from contracts.messages.replies import REPLIES
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from services.workflow.app import service
from services.workflow.settings import Settings
from tests.builders import an_order
from tests.harness import Wire, running

SALES = 40


def a_sale(number: str, **changes: object) -> PlacePosOrder:
    id_ = uuid4().hex
    order = an_order(id=id_, order_number=number, order_type="Pos", status="Completed", **changes)
    return PlacePosOrder(order_id=id_, order=order, user="till", origin="PUT")


async def answers(wire: Wire, *commands: PlacePosOrder | EraseOrder) -> list[int]:
    """Send all of them together, each twice; return with which status each was answered."""
    sent = [wire.sealed(command, reply_to=1) for command in commands]
    await wire.producer.send(sent * 2)
    ids = {str(one.id) for one in sent}
    found = await wire.wait_for(
        REPLIES,
        lambda one: one.key in ids and b'"statusCode":202' not in one.data,
        count=len(ids),
        within=60,
    )
    status = {one.key: from_json(one.data)["statusCode"] for one in found}
    return [status[str(one.id)] for one in sent]


class TestANumber:
    async def test_is_one_sales_whichever_processes_store_them(
        self, settings: ChassisSettings, wire: Wire, db: Database
    ) -> None:
        ours = Settings(**settings.model_dump())
        numbers = [f"R-{uuid4().hex[:10]}" for _ in range(SALES)]
        pairs = [(a_sale(number), a_sale(number)) for number in numbers]
        async with running(service(ours)), running(service(ours)):
            said = await answers(wire, *(sale for pair in pairs for sale in pair))

        assert sorted(said) == [201] * SALES + [409] * SALES
        stored = await db["orders"].find({"order.orderNumber": {"$in": numbers}}).to_list(None)
        receipts = await db["receipts"].find({"_id": {"$in": numbers}}).to_list(None)
        has = {one["order"]["orderNumber"]: one["_id"] for one in stored}
        assert len(stored) == len(has) == SALES
        assert {one["_id"]: one["orderId"] for one in receipts} == has

    async def test_is_free_when_its_sale_is_deleted_for_good(
        self, settings: ChassisSettings, wire: Wire, db: Database
    ) -> None:
        number = f"R-{uuid4().hex[:10]}"
        sale, other = a_sale(number), a_sale(number)
        erasing = EraseOrder(order_id=sale.order_id, user="shop", origin="DELETE")
        async with running(service(Settings(**settings.model_dump()))):
            said = await answers(wire, sale)
            said += await answers(wire, erasing)
            left = await db["receipts"].find_one({"_id": number})
            said += await answers(wire, other)

        assert said == [201, 200, 201]
        assert left is None
