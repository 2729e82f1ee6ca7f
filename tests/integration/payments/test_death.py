import asyncio
import os
import signal
import sys
from decimal import Decimal
from uuid import uuid4

import pytest

from contracts.messages.orders import StepFinished, StepStatus
from contracts.messages.payments import AuthorizePayment, PaymentOperation
from services.payments.app import service
from services.payments.settings import Settings
from tests.harness import Wire, running
from tests.provider import Provider

_RUN = """
import asyncio
from services.payments.app import service
from services.payments.settings import Settings
asyncio.run(service(Settings.from_environment()).run())
"""


class TestAProcessThatDies:
    @pytest.mark.parametrize("point", ["after_call", "after_commit"])
    async def test_is_followed_by_one_that_charges_nothing_twice(
        self, wire: Wire, provider: Provider, payment_settings: Settings, point: str
    ) -> None:
        order_id = uuid4().hex
        command = AuthorizePayment(
            order_id=order_id,
            run_id=order_id,
            step=1,
            operations=(
                PaymentOperation(
                    payment_id="P1",
                    payment_method_name="Card",
                    amount=Decimal(100),
                    currency="NOK",
                    connector_id="psp",
                ),
            ),
        )

        dying = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _RUN,
            env={
                **os.environ,
                "KONTOR_MONGO_DATABASE": payment_settings.mongo_database,
                "KONTOR_TOPIC_PREFIX": payment_settings.topic_prefix,
                "KONTOR_PARTITIONS": str(payment_settings.partitions),
                "KONTOR_ALLOWED_NETWORKS": "127.0.0.0/8",
                "KONTOR_INSTANCE": "only",
                "KONTOR_CRASH_AT": f"{point}:1",
            },
            stdout=asyncio.subprocess.DEVNULL,
        )
        await wire.send(command, times=2)
        died = await asyncio.wait_for(dying.wait(), 30)
        heir = service(payment_settings.model_copy(update={"instance": "only"}))
        async with running(heir):
            answers = await wire.wait_for(
                "orders.commands", lambda one: one.key == order_id, within=60
            )

        assert died == -signal.SIGKILL
        finished = StepFinished.model_validate_json(answers[0].data)
        assert (finished.status, len(answers)) == (StepStatus.SUCCESS, 1)
        assert provider.total("authorize", order_id=order_id) == 100
        assert provider.received["authorize"] == 1
        assert provider.received["operation"] == 1
