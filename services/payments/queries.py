"""What a provider must be told depends on all that was done with a payment before."""

from services.chassis.mongo import Collection, Database
from services.payments.domain.operation import Operation


class Ledger:
    """The collection `payment_operations`, read by order."""

    def __init__(self) -> None:
        self._operations: Collection | None = None

    async def prepare(self, database: Database) -> None:
        """Open the collection, and create the index behind the question."""
        self._operations = database[Operation.collection]
        await self._operations.create_index("orderId")

    async def around(self, id_: str, order_id: str) -> tuple[Operation, list[Operation]]:
        """Return an operation, and all of its order, itself included.

        :param order_id: as it was when the operation was asked for; the order may have been deleted
            for good meanwhile
        """
        if self._operations is None:
            raise RuntimeError("the service has not started")
        found = await self._operations.find({"orderId": order_id}).to_list(None)
        if not any(stored["_id"] == id_ for stored in found):
            own = await self._operations.find_one({"_id": id_}, {"orderId": 1})
            if own is None:
                raise LookupError(f"there is no operation {id_}")
            found = await self._operations.find({"orderId": own["orderId"]}).to_list(None)
        of_order = [Operation.model_validate(stored) for stored in found]
        (operation,) = (one for one in of_order if one.id == id_)
        return operation, of_order
