"""The reads of orders that are more than get-by-id, their indexes, and what removes versions.

MongoDB builds an index beside the writes of a live collection, and one that is there is left alone;
one that is sparse has no entry for an order that lacks the member.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from pymongo import UpdateOne

from contracts.messages.orders import RunScheduledTask
from contracts.search import EVERYTHING, compiled
from contracts.settings import TRY_RESERVE, Configuration, OrderAutomation
from contracts.stored import order_model
from contracts.terms import GROUPS, HIDDEN, LATE, LIVE
from services.chassis.mongo import Bson, Database
from services.workflow.domain.automate import candidates
from services.workflow.domain.clean_up import Old
from services.workflow.domain.find import found_by
from services.workflow.domain.order import OrderDocument, VersionDocument
from services.workflow.domain.scheduled import TASKS, Position, ScheduledRuns, missing, pace

_AT_ONCE: Final = 200
_TICK: Final = timedelta(milliseconds=1)
_CREATED: Final = "order.created"
_SINCE: Final = "shortage.since"
_WAITS: Final = {_SINCE: {"$exists": True}}


async def prepare(database: Database) -> None:
    """Create what orders are found by: their cart, their secret key; versions go when they expire.

    The api finds them so (S0, get order by cart id, get order by secret key). Orders that wait for
    stock stand in line by the time since when.
    """
    orders = database[OrderDocument.collection]
    await orders.create_index("order.orderForm.cartId", sparse=True)
    await orders.create_index("secretKeyHash", sparse=True)
    await orders.create_index([(_SINCE, 1), ("_id", 1)], partialFilterExpression=_WAITS)
    versions = database[VersionDocument.collection]
    await versions.create_index("expires", sparse=True, expireAfterSeconds=0)


async def fill_in(database: Database) -> None:
    """Let searches find the orders that were stored before there were any; harmless to repeat.

    Orders that change meanwhile are left alone: who changes them writes it too.
    """
    orders = database[OrderDocument.collection]
    while found := await orders.find({GROUPS: None}).limit(_AT_ONCE).to_list(None):
        updates = [
            UpdateOne(
                {"_id": one["_id"], "revision": one["revision"]},
                {"$set": found_by(order_model(one["order"]))},
            )
            for one in found
        ]
        await orders.bulk_write(updates, ordered=False)


async def mark_late(database: Database, ids: Collection[str], since: datetime | None) -> None:
    """Let the next reads of changes find those orders that one before should have seen.

    An order's `modified` is the time of its batch, but it is visible only when that is committed.
    If the api has answered all changes up to a time after `modified` meanwhile, whoever asked goes
    on from there: so the order gets a later time to be found by (services/decisions/0008).

    :param since: `modified` of what changed; None if it is not known
    """
    reads, orders = database["delta_reads"], database[OrderDocument.collection]
    read: Bson = {} if since is None else {"read": {"$gte": since}}
    while (last := await reads.find_one(read, {"read": 1}, sort=[("read", -1)])) is not None:
        late = last["read"] + _TICK
        unseen: Bson = {
            "_id": {"$in": list(ids)},
            "order.modified": {"$lt": late},
            LATE: {"$not": {"$gte": late}},
        }
        found = await orders.update_many(unseen, {"$set": {LATE: late}})
        if not found.modified_count:
            return
        # The mark became visible after its time too: was there another read in between?
        read = {"read": {"$gte": late}}


# -- scheduled tasks -------------------------------------------------------------------------------


async def missing_runs(
    database: Database, now: datetime, configuration: Configuration
) -> list[RunScheduledTask]:
    """Return the message of each scheduled task whose run should have begun by now."""
    found = [
        await _missing_run(database, task, now=now, configuration=configuration) for task in TASKS
    ]
    return [one for one in found if one is not None]


async def _missing_run(
    database: Database, task: str, *, now: datetime, configuration: Configuration
) -> RunScheduledTask | None:
    interval = pace(task, configuration)
    if interval is None:
        return None  # most systems have no automations, and this is asked all day
    orders = database[OrderDocument.collection]
    if task == TRY_RESERVE and await orders.find_one(_WAITS, {"_id": 1}) is None:
        return None
    stored = await database[ScheduledRuns.collection].find_one({"_id": task})
    runs = ScheduledRuns.model_validate(stored) if stored is not None else None
    return missing(task, runs, interval=interval, now=now)


async def orders_behind(  # noqa: PLR0913 - what a search may know is handed to it
    database: Database,
    automation: OrderAutomation,
    position: Position | None,
    *,
    most: int,
    now: datetime,
    configuration: Configuration,
) -> list[OrderDocument]:
    """Return the next orders that an automation may concern, the oldest first.

    Those that a run holds are left out.
    """
    query = compiled(candidates(automation), EVERYTHING, now=now, configuration=configuration)
    conditions = [query.match, {"run": None}, *_behind(position, _CREATED)]
    found = database[OrderDocument.collection].find({"$and": conditions})
    oldest = found.sort([(_CREATED, 1), ("_id", 1)]).limit(most)
    return [OrderDocument.from_bson(one) for one in await oldest.to_list(None)]


async def orders_waiting(
    database: Database, position: Position | None, *, most: int
) -> list[OrderDocument]:
    """Return the next orders that wait for stock, who has waited longest first.

    Those that a run holds are among them: they keep their place in the line.
    """
    conditions = [_WAITS, *_behind(position, _SINCE)]
    found = database[OrderDocument.collection].find({"$and": conditions})
    longest = found.sort([(_SINCE, 1), ("_id", 1)]).limit(most)
    return [OrderDocument.from_bson(one) for one in await longest.to_list(None)]


async def orders_before(
    database: Database, since: datetime, position: Position | None, *, most: int
) -> list[Old]:
    """Return the next orders that were created before this, hidden ones too, the oldest first.

    Those that a run holds are left out.
    """
    # Every order is in one of these two groups, and in each they stand in this order.
    everywhere = {GROUPS: {"$in": [LIVE, HIDDEN + LIVE]}}
    conditions = [everywhere, {_CREATED: {"$lt": since}}, {"run": None}]
    found = database[OrderDocument.collection].find(
        {"$and": [*conditions, *_behind(position, _CREATED)]}, {"version": 1, _CREATED: 1}
    )
    oldest = found.sort([(_CREATED, 1), ("_id", 1)]).limit(most)
    return [
        Old(one["_id"], one["version"], one["order"]["created"])
        for one in await oldest.to_list(None)
    ]


def _behind(position: Position | None, by: str) -> list[Bson]:
    """Return what is true of the orders behind this place, in the order of `by` and of ids."""
    if position is None:
        return []
    later = {by: {"$gt": position.at}}
    return [{by: {"$gte": position.at}}, {"$or": [later, {"_id": {"$gt": position.order_id}}]}]


async def available(database: Database, records: Collection[str]) -> dict[str, Decimal]:
    """Return how much there is of these stock records that no order holds (domain 6.5).

    Of virtual stock there is always enough. The records are the inventory service's.
    """
    found = database["stock"].find({"_id": {"$in": sorted(records)}})
    return {
        one["_id"]: Decimal("Infinity")
        if one.get("isVirtual")
        else one["inventory"] - one["reservedInventory"]
        for one in await found.to_list(None)
    }
