"""The events of one order as they left on Kafka, read from its history (design 5, 10)."""

from dataclasses import dataclass
from typing import Final

import zstandard

from services.chassis.mongo import Database

LARGEST: Final = 16 * 1024 * 1024
"""Bytes after which a page ends early; each event carries the whole order."""

_decompressor = zstandard.ZstdDecompressor()


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
    # Versions of an order are neighbours: "/" comes right before "0".
    cursor = (
        database["order_versions"]
        .find(
            {"_id": {"$gt": f"{order_id}/{after:010d}", "$lt": f"{order_id}0"}},
            {"version": 1, "event": 1, "order": 1},
        )
        .sort("_id", 1)
        .limit(take)
    )
    items: list[bytes] = []
    size = 0
    async for found in cursor:
        head = _decompressor.decompress(found["event"])
        order = _decompressor.decompress(found["order"])
        items.append(head[:-1] + b',"order":' + order + b"}")
        after = found["version"]
        size += len(items[-1])
        if size > LARGEST:
            break
    return EventPage(items, after)
