"""Orders on their way to a connector, each with an answer of its own."""

import asyncio
from collections.abc import Mapping
from typing import Final
from uuid import UUID, uuid5

from contracts.settings import Connector
from services.chassis.http import CallFailed, Outbound

EXPORTS_AT_ONCE: Final = 8
"""Orders that are on their way to connectors at a time."""
EXPORT_SECONDS: Final = 60.0
"""What a request may spend on an export; what is not begun by then is not sent."""
_DONE: Final = range(200, 300)


class Connectors:
    """Hands orders to connectors, one request an order.

    Nothing is held meanwhile, no batch and no transaction, so a connector that is slow costs its
    caller's time alone (design 3).
    """

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._slots = asyncio.Semaphore(EXPORTS_AT_ONCE)

    async def export(
        self, connector: Connector, orders: Mapping[str, bytes], *, cause: UUID
    ) -> dict[str, str | None]:
        """POST each order to the connector's host; return by id why one was not taken, or None.

        :param orders: by id, as JSON
        :param cause: what an order's Idempotency-Key is derived from
        """
        deadline = asyncio.get_running_loop().time() + EXPORT_SECONDS
        sending = (
            self._send(connector, body, key=uuid5(cause, id_), deadline=deadline)
            for id_, body in orders.items()
        )
        return dict(zip(orders, await asyncio.gather(*sending), strict=True))

    async def _send(
        self, connector: Connector, body: bytes, *, key: UUID, deadline: float
    ) -> str | None:
        headers = {
            **connector.headers,
            "Content-Type": "application/json",
            "Idempotency-Key": str(key),
        }
        if connector.secret:
            headers["Authorization"] = f"Bearer {connector.secret}"
        async with self._slots:
            if asyncio.get_running_loop().time() > deadline:
                return "not sent: the connector took too long with the others"
            try:
                answer = await self._outbound.request(
                    "POST",
                    connector.host or "",
                    data=body,
                    headers=headers,
                    timeout_seconds=float(connector.time_out),
                )
            except CallFailed as failure:
                return str(failure)
        return None if answer.status in _DONE else f"the connector answered {answer.status}"
