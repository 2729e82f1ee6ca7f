"""Offsets that cannot be committed."""

import asyncio

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaConnectionError

from services.chassis import offsets
from services.chassis.inbox import Inbox
from services.chassis.mongo import Database
from services.chassis.offsets import ClientStuck, Offsets
from services.chassis.parking import Parking


class Hanging:
    """A client whose commits never end, as aiokafka's sometimes do after the broker was killed."""

    def __init__(self, *, answered: bool) -> None:
        self._answered = answered

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("toy.commands", 0)}

    async def commit(self, _: object) -> None:
        await asyncio.Event().wait()

    async def topics(self) -> set[str]:
        if not self._answered:
            raise KafkaConnectionError
        return {"toy.commands"}


@pytest.fixture
def handled(mongo: Database, monkeypatch: pytest.MonkeyPatch) -> Offsets:
    monkeypatch.setattr(offsets, "COMMITS_WITHIN", 0.1)
    found = Offsets(Inbox(mongo, "toy"), Parking())
    found.advance((ConsumerRecord("toy.commands", 0, 7, 0, 0, None, b"", None, 0, 0, ()),))
    return found


async def test_end_the_consumer_when_brokers_answer_and_the_client_does_not_go_on(
    handled: Offsets,
) -> None:
    with pytest.raises(ClientStuck):
        await handled.commit(handled.due(), Hanging(answered=True))


async def test_are_waited_for_while_no_broker_answers(handled: Offsets) -> None:
    settled = await handled.commit(handled.due(), Hanging(answered=False))

    assert settled
    assert handled.positions == {TopicPartition("toy.commands", 0): 8}
