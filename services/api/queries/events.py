"""The events of one order as they left on Kafka, read from its history (design 5, 10)."""

from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from services.api.queries.versions import versions
from services.chassis.mongo import Database

LARGEST: Final = 16 * 1024 * 1024
"""Bytes after which a page ends early; each event carries the whole order."""


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events, each as JSON, and the sequence of the last one; `after` where there is none."""

    items: list[bytes]
    next_after: int

    def body(self) -> bytes:
        """Return the page as JSON."""
        return b'{"items":[%s],"nextAfter":%d}' % (b",".join(self.items), self.next_after)


async def events(database: Database, order_id: str, *, after: int, take: int) -> EventPage:
    """Return the order's events with a sequence above `after`, ascending, at most `take`."""
    items: list[bytes] = []
    size = 0
    async with aclosing(versions(database, order_id, first=after + 1)) as found:
        async for version in found:
            items.append(version.event)
            after = version.number
            size += len(version.event)
            if len(items) == take or size > LARGEST:
                break
    return EventPage(items, after)
