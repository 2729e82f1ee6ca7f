from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from contracts.message import Envelope
from contracts.messages.notifications import ForgetNotifications, SendNotification
from contracts.messages.orders import StepFinished, StepStatus
from services.chassis.clock import MovableClock
from services.chassis.mongo import Bson, Database
from services.chassis.settings import ChassisSettings
from services.notifications.app import service
from services.notifications.settings import Settings
from tests.harness import Wire, database, running, until
from tests.mail import MailServer, mail_server


@pytest.fixture(scope="module")
async def mongo(settings: ChassisSettings) -> AsyncIterator[Database]:
    async with database(settings) as found:
        yield found


@pytest.fixture(scope="module")
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="module")
async def server(settings: ChassisSettings, clock: MovableClock) -> AsyncIterator[MailServer]:
    """The mail server of the one service that this module runs."""
    async with mail_server() as server:
        ours = Settings.model_validate(
            {**settings.model_dump(), "smtp_url": server.url, "smtp_sender": "shop@shop.example"}
        )
        async with running(service(ours, clock=clock)):
            yield server


def a_command(order_id: str, **changes: object) -> SendNotification:
    members: dict[str, object] = {
        "order_id": order_id,
        "run_id": "run",
        "step": 3,
        "answer": True,
        "order_number": f"ORD-{order_id}",
        "status": "New",
        "recipient": f"{order_id}@example.com",
    }
    return SendNotification.model_validate(members | changes)


def told(envelope: Envelope) -> StepFinished:
    return StepFinished.model_validate_json(envelope.data)


async def the_answer(wire: Wire, order_id: str) -> StepFinished:
    (envelope,) = await wire.wait_for("orders.commands", lambda found: found.key == order_id)
    return told(envelope)


async def the_record(mongo: Database, message_id: UUID, state: str) -> Bson:
    """Return the notification's document as soon as it has the state."""

    async def found() -> Bson | None:
        return await mongo["notifications"].find_one({"_id": str(message_id), "state": state})

    record = await until(found)
    assert record is not None
    return record


async def nothing_is_left(mongo: Database, collection: str, **which: str) -> bool:
    return await mongo[collection].find_one(which) is None


async def until_waiting(mongo: Database, order_id: str, attempts: int) -> None:
    """Return as soon as the order's mail waits for the attempt after this many."""

    async def found() -> bool:
        query = {"lane": order_id, "attempt": attempts, "owner": None}
        return await mongo["notifications_calls"].find_one(query) is not None

    await until(found)


@pytest.mark.usefixtures("server")
class TestSendNotification:
    async def test_sends_one_mail_for_a_message_that_comes_twice(
        self, server: MailServer, wire: Wire, mongo: Database
    ) -> None:
        order_id = uuid4().hex

        message_id = await wire.send(a_command(order_id), times=2)

        answer = await the_answer(wire, order_id)
        record = await the_record(mongo, message_id, "sent")
        mails = [kept for kept in server.kept if kept.recipients == [f"{order_id}@example.com"]]
        assert (answer.status, answer.run_id, answer.step) == (StepStatus.SUCCESS, "run", 3)
        assert [kept.mail["Subject"] for kept in mails] == [
            f"We have received your order ORD-{order_id}"
        ]
        assert (record["orderId"], record["attempts"], record["unresolved"]) == (order_id, 1, 0)
        assert record["recipient"] == f"{order_id}@example.com"

    async def test_keeps_a_success_to_itself_when_no_step_waits(
        self, wire: Wire, mongo: Database
    ) -> None:
        silent, loud = uuid4().hex, uuid4().hex

        message_id = await wire.send(a_command(silent, answer=False))

        await the_record(mongo, message_id, "sent")
        await wire.send(a_command(loud))
        await the_answer(wire, loud)
        assert not [found for found in wire.on("orders.commands") if found.key == silent]

    async def test_warns_of_an_order_without_an_address(self, wire: Wire, mongo: Database) -> None:
        order_id = uuid4().hex

        message_id = await wire.send(a_command(order_id, recipient=None))

        answer = await the_answer(wire, order_id)
        record = await the_record(mongo, message_id, "skipped")
        assert answer.status is StepStatus.WARNING
        assert answer.reason == record["reason"] == "the order has no e-mail address"

    async def test_tells_of_a_refused_recipient_even_after_the_order_was_saved(
        self, server: MailServer, wire: Wire, mongo: Database
    ) -> None:
        order_id = uuid4().hex
        server.refusals.append("550 5.1.1 no such user")

        message_id = await wire.send(a_command(order_id, answer=False), times=2)

        answer = await the_answer(wire, order_id)
        record = await the_record(mongo, message_id, "failed")
        assert answer.status is StepStatus.ERROR
        assert answer.reason == record["reason"] == "the mail server said 550 5.1.1 no such user"

    async def test_comes_back_later_when_the_server_asks_and_keeps_the_order_of_mails(
        self, server: MailServer, wire: Wire, mongo: Database, clock: MovableClock
    ) -> None:
        order_id = uuid4().hex
        server.refusals.append("451 4.7.1 come back")

        first = await wire.send(a_command(order_id))
        await until_waiting(mongo, order_id, 1)
        second = await wire.send(a_command(order_id, status="Ship"))
        clock.advance(timedelta(seconds=6))

        await the_record(mongo, second, "sent")
        record = await the_record(mongo, first, "sent")
        subjects = [kept.mail["Subject"] for kept in server.kept if order_id in str(kept.raw)]
        assert record["attempts"] == 2
        assert [subject.partition(" ORD")[0] for subject in subjects] == [
            "We have received your order",
            "Your order",
        ]

    async def test_forgets_an_order_and_does_not_send_what_waits(
        self, server: MailServer, wire: Wire, mongo: Database, clock: MovableClock
    ) -> None:
        order_id, other = uuid4().hex, uuid4().hex
        sent = await wire.send(a_command(order_id))
        await the_record(mongo, sent, "sent")
        server.refusals.append("451 4.7.1 come back")
        await wire.send(a_command(order_id, status="Ship"))
        await until_waiting(mongo, order_id, 1)

        await wire.send(ForgetNotifications(order_id=order_id), times=2)
        await until(lambda: nothing_is_left(mongo, "notifications", orderId=order_id))
        clock.advance(timedelta(seconds=6))

        await until(lambda: nothing_is_left(mongo, "notifications_calls", lane=order_id))
        await the_record(mongo, await wire.send(a_command(other)), "sent")
        assert len([kept for kept in server.kept if order_id in str(kept.raw)]) == 1

    async def test_gives_up_after_five_attempts(
        self, server: MailServer, wire: Wire, mongo: Database, clock: MovableClock
    ) -> None:
        order_id = uuid4().hex
        server.refusals.extend(["450 not now"] * 5)

        message_id = await wire.send(a_command(order_id))
        for attempts, pause in enumerate((5, 30, 120, 600), start=1):
            await until_waiting(mongo, order_id, attempts)
            clock.advance(timedelta(seconds=pause))

        answer = await the_answer(wire, order_id)
        record = await the_record(mongo, message_id, "failed")
        assert (answer.status, answer.reason) == (
            StepStatus.ERROR,
            "the mail server said 450 not now",
        )
        assert record["attempts"] == 5

    async def test_sends_all_of_a_burst(self, server: MailServer, wire: Wire) -> None:
        orders = [uuid4().hex for _ in range(60)]

        for order_id in orders:
            await wire.send(a_command(order_id))

        answers = await wire.wait_for(
            "orders.commands", lambda found: found.key in orders, count=len(orders)
        )
        assert {told(answer).status for answer in answers} == {StepStatus.SUCCESS}
        assert {kept.recipients[0] for kept in server.kept} >= {
            f"{one}@example.com" for one in orders
        }

    async def test_never_logs_an_address(self, server: MailServer, wire: Wire) -> None:
        order_id = uuid4().hex
        server.refusals.append("550 no such user")

        with capture_logs() as lines:
            await wire.send(a_command(order_id))
            await the_answer(wire, order_id)

        assert lines
        assert "@example.com" not in str(lines)
