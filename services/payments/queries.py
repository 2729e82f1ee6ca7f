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

    async def of_order(self, order_id: str) -> list[Operation]:
        """Return all operations of an order."""
        if self._operations is None:
            raise RuntimeError("the service has not started")
        found = await self._operations.find({"orderId": order_id}).to_list(None)
        return [Operation.model_validate(stored) for stored in found]
