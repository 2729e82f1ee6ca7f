import asyncio
import os
import signal
import sys
from datetime import timedelta
from uuid import uuid4

from contracts.messages.notifications import SendNotification
from contracts.messages.orders import StepFinished, StepStatus
from services.chassis.clock import MovableClock
from services.chassis.settings import ChassisSettings
from services.notifications.app import service
from services.notifications.settings import Settings
from tests.harness import Wire, database, running
from tests.mail import mail_server

_RUN = """
import asyncio
from services.notifications.app import service
from services.notifications.settings import Settings
asyncio.run(service(Settings.from_environment()).run())
"""


class TestAProcessThatDiesAfterTheMailWasTaken:
    async def test_is_followed_by_one_that_repeats_the_mail_once_recognisably(
        self, settings: ChassisSettings, wire: Wire
    ) -> None:
        command = SendNotification(
            order_id=uuid4().hex,
            run_id="run",
            step=3,
            answer=True,
            order_number="ORD-1",
            status="New",
            recipient="kari@example.com",
        )
        clock = MovableClock()
        clock.advance(timedelta(minutes=2))  # past the lease of the process that died

        async with mail_server() as server:
            dying = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                _RUN,
                env={
                    **os.environ,
                    "KONTOR_MONGO_DATABASE": settings.mongo_database,
                    "KONTOR_TOPIC_PREFIX": settings.topic_prefix,
                    "KONTOR_PARTITIONS": str(settings.partitions),
                    "KONTOR_SMTP_URL": server.url,
                    "KONTOR_CRASH_AT": "after_call:1",
                },
                stdout=asyncio.subprocess.DEVNULL,
            )
            await wire.send(command)
            died = await asyncio.wait_for(dying.wait(), 30)
            ours = Settings.model_validate({**settings.model_dump(), "smtp_url": server.url})
            async with running(service(ours, clock=clock)):
                (envelope,) = await wire.wait_for("orders.commands", within=30)

        async with database(settings) as mongo:
            (record,) = await mongo["notifications"].find({}).to_list(None)
        answer = StepFinished.model_validate_json(envelope.data)
        assert died == -signal.SIGKILL
        assert answer.status is StepStatus.SUCCESS
        assert len(server.kept) == 2
        assert server.kept[0].raw == server.kept[1].raw
        assert (record["state"], record["unresolved"]) == ("sent", 1)
