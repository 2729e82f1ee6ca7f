"""Versions of orders, unpacked from their history (contracts/history.py says how it is kept)."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from contracts.history import Version, first_of_span, unpacked, version_key
from services.chassis.mongo import Database

LAST: Final = 9_999_999_999
"""The highest number that a version may have."""

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,9}")


async def version(database: Database, order_id: str, number: int) -> Version | None:
    """Return one version of an order; None if there is none, or it has expired."""
    async with aclosing(versions(database, order_id, first=number, last=number)) as found:
        return await anext(found, None)


async def version_named(database: Database, order_id: str, name: str) -> Version | None:
    """Return the version with this number, or with this versionId, which begins with its number."""
    number, dash, _ = name.partition("-")
    if not _NUMBER.fullmatch(number):
        return None
    found = await version(database, order_id, int(number))
    return found if found and (not dash or found.kept["versionId"] == name) else None


async def versions(
    database: Database, order_id: str, *, first: int, last: int = LAST
) -> AsyncGenerator[Version, None]:
    """Yield the versions of an order from the first to the last one, ascending.

    What is a difference to a version that has expired has expired too, and is left out.
    """
    wanted = {
        "$gte": version_key(order_id, first_of_span(first)),
        "$lte": version_key(order_id, last),
    }
    cursor = database["order_versions"].find({"_id": wanted}).sort("_id", 1)
    before: Version | None = None
    try:
        async for kept in cursor:
            before = unpacked(kept, before)
            if before is not None and before.number >= first:
                yield before
    finally:
        await cursor.close()
