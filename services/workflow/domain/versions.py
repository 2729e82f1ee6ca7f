"""The versions of an order as they are kept: whole now and then, else differences.

A version is packed against the order of the version before, which its writer has at hand without
reading it: that is the stored order before the change, as JSON. Whether these are the very bytes
that a reader will unpack, their digest tells, which stands on the order since they were written; a
release that writes JSON differently begins with a whole version
(services/decisions/0007-versions-are-differences.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import zstandard

from contracts.history import SAMPLE, SPAN
from contracts.order import Order
from services.workflow.domain.events import Told
from services.workflow.domain.order import History

LASTS: Final = timedelta(days=7)
"""How long differences may be made to one whole version, where versions expire."""

_LEVEL: Final = 1


def _dictionary(plain: bytes) -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(plain, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def _compressor(plain: bytes) -> zstandard.ZstdCompressor:
    # With its checksum an event that was unpacked against anything else is no event but an error.
    return zstandard.ZstdCompressor(level=_LEVEL, dict_data=_dictionary(plain), write_checksum=True)


_whole: Final = _compressor(SAMPLE)


def packed(event: bytes, base: bytes | None = None) -> bytes:
    """Return the event as it is kept.

    :param base: the order that it is to be a difference to
    """
    return (_whole if base is None else _compressor(SAMPLE + base)).compress(event)


@dataclass(frozen=True, slots=True)
class Link:
    """How one version is kept: whole or as a difference to this order, and until when."""

    base: bytes | None = None
    expires: datetime | None = None


def linked(
    told: Sequence[Told],
    history: History | None,
    *,
    before: bytes | None,
    now: datetime,
    kept_days: int | None,
) -> tuple[list[Link], History]:
    """Return how each of these versions is kept, and what the next one must know of the last.

    Versions that are differences to each other expire together, at the earliest after `kept_days`.

    :param before: the order as the version before has it, None where there is none
    :param kept_days: how long a version is kept; None means for ever
    """
    known = history if before is not None and _is(before, history) else None
    link = Link(before, known.expires) if known is not None else Link()
    links = []
    for one in told:
        if link.base is None or one.event.sequence % SPAN == 1 or not _fits(link, now, kept_days):
            link = Link(None, None if kept_days is None else now + LASTS + timedelta(kept_days))
        links.append(link)
        link = Link(one.order, link.expires)
    return links, History(digest=_digest(told[-1].order), expires=link.expires)


def _is(before: bytes, history: History | None) -> bool:
    return history is not None and history.digest == _digest(before)


def _fits(link: Link, now: datetime, kept_days: int | None) -> bool:
    """Tell whether a version that goes when the one before does is kept for the right time."""
    if link.expires is None or kept_days is None:
        return link.expires is None and kept_days is None
    return timedelta(kept_days) <= link.expires - now <= timedelta(kept_days) + LASTS


def _digest(order: bytes) -> bytes:
    return sha256(order).digest()[:8]


def secret_key_hash(order: Order) -> bytes | None:
    """Return by what the order is found for whoever knows its secret key."""
    return sha256(order.secret_key.encode()).digest() if order.secret_key else None
