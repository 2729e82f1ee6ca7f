"""What the transaction of a batch cannot write: that a mail is being handed over right now."""

from pymongo import ReturnDocument

from services.chassis.mongo import Collection, Database
from services.notifications.domain import Notification


class Ledger:
    """The collection `notifications`, where every hand-over is noted before it happens."""

    def __init__(self) -> None:
        self._notifications: Collection | None = None

    async def prepare(self, database: Database) -> None:
        """Open the collection, and create the index that answers "what was sent for this order"."""
        self._notifications = database[Notification.collection]
        await self._notifications.create_index("orderId")

    async def hand_over(self, notification_id: str) -> int:
        """Note that the mail is about to be handed over.

        Returns how many hand-overs, this one included, have no known end: more than one means that
        a process died or a connection broke just then.

        :raises LookupError: if the record was deleted; what cannot be counted is not sent
        """
        if self._notifications is None:
            raise RuntimeError("the service has not started")
        found = await self._notifications.find_one_and_update(
            {"_id": notification_id},
            {"$inc": {"unresolved": 1}},
            projection={"unresolved": 1},
            return_document=ReturnDocument.AFTER,
        )
        if found is None:
            raise LookupError("the notification is gone")
        return int(found["unresolved"])
