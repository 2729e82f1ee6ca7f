"""Nothing that was promised is lost or done twice, whatever is killed."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from bson import Decimal128

from tests.faults.fire import SERVICES, Fire, Json, burning, ordeal

ORDERS = 2000


@pytest.fixture(scope="module")
async def fire(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fire]:
    directory: Path = tmp_path_factory.mktemp("fire")
    async with burning(directory, print) as fire:
        yield fire


@pytest.fixture(scope="module")
async def aftermath(fire: Fire) -> Json:
    return await ordeal(fire, orders=ORDERS, together=48, pause=2.0, stopped=20.0, seconds=150)


def number(value: object) -> Decimal:
    return value.to_decimal() if isinstance(value, Decimal128) else Decimal(str(value))


async def test_every_part_was_hurt_while_orders_came_in(fire: Fire, aftermath: Json) -> None:
    placed = len(aftermath["stored"])

    blows = fire.blows

    assert len(blows) == len(SERVICES) + 3  # Kafka, mongod, and the one that is stopped
    assert blows[-1] < placed


async def test_every_acknowledged_order_exists_once_and_finished_its_run(
    fire: Fire, aftermath: Json
) -> None:
    acknowledged = set(fire.client.acknowledged)

    stored = aftermath["stored"]

    assert acknowledged <= set(stored)
    assert {id_ for id_, one in stored.items() if one.get("run")} == set()
    assert {one["order"]["status"] for one in stored.values()} == {"New"}


async def test_no_refused_order_exists(fire: Fire, aftermath: Json) -> None:
    refused = set(fire.client.refused)

    stored = set(aftermath["stored"])

    assert len(refused) == ORDERS // 20
    assert stored == set(fire.client.acknowledged)
    assert not refused & stored


async def test_stock_is_never_oversold_and_adds_up(aftermath: Json) -> None:
    record = aftermath["stock"]
    reserved = sum(
        number(line.get("reservedInventoryQuantity", 0))
        for one in aftermath["stored"].values()
        for line in one["order"]["orderForm"]["lineItems"]
    )

    held = number(record["reservedInventory"])

    assert held == reserved
    assert held <= number(record["inventory"])
    assert held == ORDERS


async def test_every_receiver_saw_every_sequence_of_every_order_in_order(
    fire: Fire, aftermath: Json
) -> None:
    wanted = {id_: list(range(1, one["version"] + 1)) for id_, one in aftermath["stored"].items()}

    seen = [{id_: hook.firsts[id_] for id_ in wanted} for hook in fire.receivers]

    assert seen == [wanted] * len(fire.receivers)
    assert [hook.forged for hook in fire.receivers] == [0] * len(fire.receivers)


async def test_the_books_are_proved_by_reconcile(aftermath: Json) -> None:
    assert aftermath["copies"] > 0

    found = aftermath["reconcile"]

    assert found["differences"] == []
    assert found["checked"]["orders"] >= ORDERS * 19 // 20
