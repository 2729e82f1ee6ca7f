"""Versions of orders, unpacked from their history (contracts/history.py says how it is kept)."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import zstandard

from contracts.history import SAMPLE, first_of_span, version_key
from services.chassis.mongo import Bson, Database


def _decompressor(plain: bytes) -> zstandard.ZstdDecompressor:
    dictionary = zstandard.ZstdCompressionDict(plain, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return zstandard.ZstdDecompressor(dict_data=dictionary)


LAST: Final = 9_999_999_999
"""The highest number that a version may have."""

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,9}")
_whole: Final = _decompressor(SAMPLE)


@dataclass(frozen=True, slots=True)
class Version:
    """One version: the event by which the world heard of it, as it left, and what is kept beside.

    `kept` is the document of the workflow service, `event` its JSON.
    """

    kept: Bson
    event: bytes

    @property
    def number(self) -> int:
        """The sequence number of the event."""
        number: int = self.kept["version"]
        return number

    @property
    def order(self) -> bytes:
        """The order after it, as JSON."""
        return self.event[self.kept["orderAt"] : -1]


def unpacked(kept: Bson, before: Version | None) -> Version | None:
    """Return the version; None if it is a difference to one that is not there any more.

    :param before: the version before, where it is at hand
    """
    base = kept.get("base")
    if base is None:
        return Version(kept, _whole.decompress(kept["event"]))
    if before is None or before.number != base:
        return None
    return Version(kept, _decompressor(SAMPLE + before.order).decompress(kept["event"]))


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
