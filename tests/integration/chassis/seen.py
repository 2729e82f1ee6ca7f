"""What can be seen of the toy from outside: its counters, its events, its offsets."""

from collections.abc import Iterable
from uuid import uuid4

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError
from aiokafka.partitioner import DefaultPartitioner

from contracts.message import Envelope
from services.chassis.mongo import Bson, Database
from services.chassis.settings import ChassisSettings
from tests import toy
from tests.harness import Wire, until


def a_counter() -> str:
    """Return the name of a counter that nothing has touched."""
    return f"c-{uuid4().hex[:8]}"


async def committed(settings: ChassisSettings) -> dict[int, int]:
    """Return the toy's committed offset by partition."""
    admin = AIOKafkaAdminClient(**settings.kafka_arguments())
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(settings.topic_prefix + "toy")
    except GroupCoordinatorNotAvailableError:
        return {}  # no group has ever been here
    finally:
        await admin.close()
    return {partition.partition: known.offset for partition, known in found.items()}


def partition_of(settings: ChassisSettings, name: str) -> int:
    """Return the partition on which a counter's messages travel."""
    every = list(range(settings.partitions))
    return int(DefaultPartitioner()(name.encode(), every, every))


def counters_everywhere(settings: ChassisSettings, each: int) -> list[str]:
    """Return names that nothing has touched, as many on each partition."""
    found: dict[int, list[str]] = {partition: [] for partition in range(settings.partitions)}
    while any(len(names) < each for names in found.values()):
        name = a_counter()
        found[partition_of(settings, name)].append(name)
    return [name for names in found.values() for name in names[:each]]


async def counter(mongo: Database, name: str) -> list[int]:
    """Return what was added to a counter, in this order."""
    found = await mongo["counters"].find_one({"_id": name})
    return list(found["history"]) if found else []


async def dead_letter(mongo: Database, reason: str = "", **which: object) -> Bson:
    """Return the one dead letter that fits, as soon as there is one."""

    async def found() -> list[Bson]:
        return await mongo["dead_letters"].find(which).to_list(None)

    (only,) = await until(found)
    assert reason in only["reason"]
    return only


async def nothing_is_owed(mongo: Database) -> None:
    """Wait until no outbox document is left: behind a commit that hangs they wait half a minute."""

    async def settled() -> bool:
        return not await mongo["toy_outbox"].count_documents({})

    await until(settled, within=60)


def events(wire: Wire, name: str) -> list[Envelope]:
    """Return every event about a counter, copies included, in the order they left."""
    return [event for event in wire.on(toy.EVENTS) if event.key == name]


def sequences(seen: Iterable[Envelope]) -> dict[int, set[str]]:
    """Return the ids under which each position of a counter left: one each, however often."""
    found: dict[int, set[str]] = {}
    for event in seen:
        if event.sequence is not None:
            found.setdefault(event.sequence, set()).add(str(event.id))
    return found


def left_once(seen: Iterable[Envelope], count: int) -> bool:
    """Say whether positions 1 to `count` left, each under one id, first sightings in order."""
    ids = sequences(seen)
    return list(ids) == list(range(1, count + 1)) and all(len(one) == 1 for one in ids.values())
