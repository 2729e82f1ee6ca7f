"""Scrolls: all that a search finds, as it was at one moment, some at a time (S0; decided 4.3).

A scroll id holds all there is to know, sealed so that only the api can read or make one: the
search, the moment, the last order that was answered, until when it waits. So any process of the api
goes on with it, and the same id gives the same orders again. All that is stored is who has one
open.
"""

import base64
import binascii
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

import bson
from bson import Timestamp
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contracts.order_search import OrderScroll
from services.api.domain import Client
from services.api.queries.search.reading import moment
from services.api.queries.search.sorting import Place
from services.chassis.mongo import CODEC, Bson, Database

IDLE: Final = timedelta(minutes=5)
"""How long a scroll waits for its next call (domain 3 no. 4)."""
LONGEST_SEARCH: Final = 4_000
"""Bytes of a search in a scroll id, packed: a URL of some 6,000 characters goes everywhere."""
_NONCE: Final = 12


@dataclass(frozen=True, slots=True)
class Scroll:
    """Where a scroll is.

    :param begun: what counts as now for its filters
    :param at: the moment whose orders it answers
    :param place: of the last order that was answered; None before the first
    :param is_done: whether that was the last of all
    """

    id: str
    search: OrderScroll
    begun: datetime
    at: Timestamp
    total: int = 0
    place: Place | None = None
    is_done: bool = False


class TooMany(Exception):
    """The client has as many scrolls open as it may; `seconds` until the first of them is over."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.seconds = seconds


class TooLong(Exception):
    """So much is asked for that the id of the scroll would not fit into a URL."""


class Seal:
    """Makes scroll ids and reads them."""

    def __init__(self, secret: str) -> None:
        key = blake2b(secret.encode(), digest_size=32, person=b"scroll ids").digest()
        self._cipher = AESGCM(key)

    def scroll_id(self, scroll: Scroll, client: Client, *, until: datetime) -> str:
        """Return the id by which this client goes on until then."""
        document: Bson = {
            "id": scroll.id,
            "search": scroll.search.model_dump_json(exclude_none=True, by_alias=True),
            "begun": scroll.begun,
            "at": scroll.at,
            "total": scroll.total,
            "place": None if scroll.place is None else list(scroll.place),
            "done": scroll.is_done,
            "until": until,
        }
        plain = zlib.compress(bson.encode(document, codec_options=CODEC))
        nonce = secrets.token_bytes(_NONCE)
        sealed = nonce + self._cipher.encrypt(nonce, plain, client.id.encode())
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def opened(self, scroll_id: str, client: Client, *, now: datetime) -> Scroll | None:
        """Return the scroll; None if it is no id of ours for this client, or waited too long."""
        try:
            padded = scroll_id + "=" * (-len(scroll_id) % 4)
            sealed = base64.b64decode(padded, altchars=b"-_", validate=True)
            plain = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], client.id.encode())
        except (binascii.Error, ValueError, InvalidTag):
            return None
        found = bson.decode(zlib.decompress(plain), codec_options=CODEC)
        if found["until"] < now:
            return None
        return Scroll(
            id=found["id"],
            search=OrderScroll.model_validate_json(found["search"]),
            begun=found["begun"],
            at=found["at"],
            total=found["total"],
            place=found["place"],
            is_done=found["done"],
        )


class OpenScrolls:
    """The collection `open_scrolls`: which clients have scrolls open, until when they wait."""

    def __init__(self, database: Database) -> None:
        self._client = database.client
        self._open = database["open_scrolls"]

    async def prepare(self) -> None:
        """Create the indexes by which they are counted, and expire."""
        await self._open.create_index([("client", 1), ("until", 1)])
        await self._open.create_index("until", expireAfterSeconds=0)

    async def open(
        self, search: OrderScroll, client: Client, *, now: datetime, most: int
    ) -> Scroll:
        """Begin a scroll over what orders are at this moment.

        :param most: scrolls that a client may have open; 0 is no limit
        :raises TooMany: if it has
        :raises TooLong: if the search is
        """
        if len(zlib.compress(search.model_dump_json(exclude_none=True).encode())) > LONGEST_SEARCH:
            raise TooLong
        id_ = secrets.token_hex(16)
        async with await self._client.start_session() as session:
            await self._open.insert_one(
                {"_id": id_, "client": client.id, "until": now + IDLE}, session=session
            )
            at = moment(session)
        waiting = {"client": client.id, "until": {"$gt": now}}
        # Counted with the new one in it, so that two at once cannot both be the last.
        if most and await self._open.count_documents(waiting) > most:
            await self.close(id_)
            first = await self._open.find_one(waiting, sort=[("until", 1)])
            until = now if first is None else first["until"]
            raise TooMany(max(1, int((until - now).total_seconds())))
        return Scroll(id_, search, begun=now, at=at)

    async def wait_longer(self, id_: str, *, now: datetime) -> datetime:
        """Let the scroll wait from now on; return until when."""
        until = now + IDLE
        await self._open.update_one({"_id": id_}, {"$set": {"until": until}})
        return until

    async def close(self, id_: str) -> None:
        """Forget the scroll: it does not count any more."""
        await self._open.delete_one({"_id": id_})
