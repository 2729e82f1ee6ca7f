from uuid import uuid4

from contracts.messages.notifications import SendNotification
from contracts.messages.orders import StepFinished, StepStatus
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from services.notifications.app import service
from services.notifications.settings import Settings
from tests.harness import Wire, database, running, until


async def until_waiting(mongo: Database, order_id: str) -> None:
    """Return as soon as the order's mail waits for its second attempt."""

    async def found() -> bool:
        query = {"lane": order_id, "attempt": 1, "owner": None}
        return await mongo["notifications_calls"].find_one(query) is not None

    await until(found)


class TestWithoutAMailServer:
    async def test_a_notification_is_skipped_with_a_warning_and_nothing_else(
        self, settings: ChassisSettings, wire: Wire
    ) -> None:
        ours = Settings.model_validate(settings.model_dump())
        waiting, saved = (
            SendNotification(
                order_id=uuid4().hex,
                run_id="run",
                step=3,
                answer=answer,
                order_number="ORD-1",
                status="New",
                recipient="kari@example.com",
            )
            for answer in (True, False)
        )

        async with running(service(ours)):
            ids = [await wire.send(one, times=2) for one in (saved, waiting)]
            (envelope,) = await wire.wait_for("orders.commands")

        async with database(settings) as mongo:
            records = await mongo["notifications"].find({}).to_list(None)
            calls = await mongo["notifications_calls"].count_documents({})
            letters = await mongo["dead_letters"].count_documents({})
        answer = StepFinished.model_validate_json(envelope.data)
        assert (envelope.key, answer.status, answer.reason) == (
            waiting.order_id,
            StepStatus.WARNING,
            "no mail server configured",
        )
        assert {record["_id"] for record in records} <= {str(one) for one in ids}
        assert {(record["state"], record["reason"]) for record in records} == {
            ("skipped", "no mail server configured")
        }
        assert (calls, letters) == (0, 0)

    async def test_a_mail_that_was_promised_before_the_server_went_is_skipped_too(
        self, settings: ChassisSettings, wire: Wire
    ) -> None:
        gone = Settings.model_validate({**settings.model_dump(), "smtp_url": "smtp://127.0.0.1:1"})
        ours = Settings.model_validate(settings.model_dump())
        order_id = uuid4().hex
        command = SendNotification(
            order_id=order_id,
            run_id="run",
            step=3,
            answer=True,
            order_number="ORD-1",
            status="New",
            recipient="kari@example.com",
        )

        async with database(settings) as mongo:
            async with running(service(gone)):
                await wire.send(command)
                await until_waiting(mongo, order_id)
            async with running(service(ours)):
                (envelope,) = await wire.wait_for(
                    "orders.commands", lambda found: found.key == order_id, within=30
                )

        answer = StepFinished.model_validate_json(envelope.data)
        assert (answer.status, answer.reason) == (StepStatus.WARNING, "no mail server configured")
