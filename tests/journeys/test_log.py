"""What is told of an order besides its events: `GET Orders/{id}/Events?log=true` (decided 5.6)."""

from tests.harness import until
from tests.journeys.world import Json, World, an_order
from tests.receiver import Receiver, status


async def log_of(world: World, order_id: str, **query: str) -> Json:
    """Return the events of the order with its log."""
    path = f"/api/Orders/{order_id}/Events"
    answer = await world.shop("GET", path, query={"log": "true", **query})
    assert answer.status == 200, answer.json
    return answer.json


def said(page: Json) -> list[tuple[int, str]]:
    return [(one["operationId"], one["category"]) for one in page["log"]]


class TestTheLogOfAnOrder:
    async def test_has_its_runs_its_exports_and_what_was_left_out(self, world: World) -> None:
        order = await world.placed(an_order(paid=True, colour="blue"))
        order_id, patch = order["id"], {"taggs": ["typo"]}
        async with Receiver() as receiver:
            erp = receiver.hook("erp")
            await world.configure("Connectors", [{"connectorId": "erp", "host": erp.url}])

            again = await world.shop("POST", "/api/Orders/AddMany", [an_order(id=order_id)])
            more = await world.shop("POST", "/api/Orders/ImportMany", [an_order(id=order_id)])
            typo = await world.shop("PATCH", f"/api/Orders/{order_id}/PatchOrder", patch)
            export = {"connectorId": "erp", "orderIds": [order_id]}
            sent = await world.shop("POST", "/api/Orders/ExportOrders", export)
            erp.next(status(500))
            failed = await world.shop("POST", "/api/Orders/ExportOrders", export)
        await world.entered(order_id, "InProgress")

        async def all_noted() -> bool:
            return await world.db["order_log"].count_documents({"orderId": order_id}) == 5

        await until(all_noted, within=30)
        await world.quiet()

        page = await log_of(world, order_id)
        assert (again.status, more.status, typo.status) == (204, 204, 200)
        assert (sent.status, failed.status) == (200, 200)
        assert said(page) == [
            (900008, "Information"),
            (111100, "Workflow"),
            (111102, "Workflow"),
            (900007, "BatchAdd"),
            (900007, "Imported"),
            (900008, "Information"),
            (110103, "Exported"),
            (110103, "Exported"),
            (111100, "Workflow"),
            (111102, "Workflow"),
        ]
        unknown, _, run, *_, misspelt, _, missed, _, without_steps = page["log"]
        assert unknown["message"].endswith("ignored: colour")
        assert misspelt["message"].endswith("ignored: taggs")
        assert run["message"].startswith("The workflow was completed: IncreaseReservedInventory")
        assert without_steps["message"] == "The workflow was completed: no step was to run"
        assert (run["user"], run["origin"]) == ("owner", "POST /api/Orders")
        assert (missed["isError"], missed["message"][:27]) == (True, "The export to erp failed: t")
        assert [one["sequence"] for one in page["items"]] == [1, 2]
        plain = await world.shop("GET", f"/api/Orders/{order_id}/Events")
        assert plain.json == {name: page[name] for name in ("items", "nextAfter")}

    async def test_tells_of_each_step_where_it_is_to_be_verbose(self, world: World) -> None:
        await world.configure("OrderSettings", {"useVerboseLogging": True})

        try:
            order = await world.placed(an_order(paid=True))
            page = await log_of(world, order["id"])
        finally:
            await world.configure("OrderSettings", {})

        assert said(page) == [
            (111100, "Workflow"),
            *[(111103, "WorkflowStep")] * 3,
            (111102, "Workflow"),
        ]
        _, stock, money, mail, _ = (one["message"] for one in page["log"])
        assert stock.startswith("IncreaseReservedInventory: ")
        assert money.startswith("AuthorizePayment: Success after ")
        assert mail == "Notification: left until the order is saved"

    async def test_is_read_page_by_page_and_goes_with_the_order(self, world: World) -> None:
        order_id = (await world.placed(an_order(paid=True)))["id"]
        for _ in range(3):
            await world.shop("POST", "/api/Orders/AddMany", [an_order(id=order_id)])

        first = await log_of(world, order_id, take="2")
        rest = await log_of(
            world, order_id, after=str(first["nextAfter"]), logAfter=first["nextLogAfter"]
        )
        bad = await world.shop("GET", f"/api/Orders/{order_id}/Events", query={"log": "perhaps"})

        assert said(first)[2:] == [(900007, "BatchAdd")] * 2
        assert (said(rest), rest["items"]) == ([(900007, "BatchAdd")], [])
        assert bad.status == 400
        gone = await world.shop("DELETE", f"/api/Orders/{order_id}?deletePermanently=true")
        await world.quiet()
        assert gone.status == 200
        assert await world.db["order_log"].count_documents({"orderId": order_id}) == 0
