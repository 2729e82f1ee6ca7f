"""How often those may ask who have no token (domain 3 no. 16).

They are told apart by their address alone, and nothing else keeps them from trying keys; so there
is one bucket for each address, and one for all of them together.
"""

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil, inf
from typing import Final

from services.api.domain import refusal
from services.chassis.health import Scope

MOST_ADDRESSES: Final = 10_000
"""Buckets that are remembered; of more, the one that was asked least recently is forgotten."""
_MINUTE: Final = 60.0
_HOUSEHOLD: Final = 64
"""Bits of an IPv6 address that its owner cannot choose."""


class Guests:
    """Buckets that hold the requests of a minute and are filled again little by little."""

    def __init__(self, *, each: int, together: int) -> None:
        """Take how many requests a minute may come from one address, and in all; 0 is no limit."""
        self._each = each or inf
        self._together = _Bucket(together or inf)
        self._addresses: OrderedDict[str, _Bucket] = OrderedDict()

    def admit(self, address: str, *, now: float) -> None:
        """Let one more request of this address in.

        :param now: seconds of a clock that never goes back
        :raises Refusal: too-many-requests
        """
        bucket = self._addresses.setdefault(address, _Bucket(self._each))
        self._addresses.move_to_end(address)
        if len(self._addresses) > MOST_ADDRESSES:
            self._addresses.popitem(last=False)
        # Whoever is refused takes nothing from the others.
        wait = bucket.wait(now) or self._together.wait(now)
        if wait:
            raise refusal(
                "too-many-requests",
                "Without a token only a few requests a minute are answered.",
                retry_after=ceil(wait),
            )
        bucket.take()
        self._together.take()


class _Bucket:
    """How many requests are left."""

    __slots__ = ("_filled", "_left", "_size")

    def __init__(self, size: float) -> None:
        self._size = size
        self._left = size
        self._filled = -inf

    def wait(self, now: float) -> float:
        """Fill it up to now, and return in how many seconds it holds a whole request."""
        if self._left < self._size:
            self._left = min(self._size, self._left + (now - self._filled) * self._size / _MINUTE)
        self._filled = now
        return max(0.0, (1 - self._left) * _MINUTE / self._size)

    def take(self) -> None:
        self._left -= 1


def address_of(scope: Scope) -> str:
    """Return where a request comes from; of an IPv6 address the network, which one side has whole.

    Behind a proxy this is the proxy: let it count, and switch this count off.
    """
    peer = scope.get("client")
    if not peer:
        return ""
    host: str = peer[0]
    try:
        found = ip_address(host)
    except ValueError:
        return host
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(ip_network((found, _HOUSEHOLD), strict=False))
    return str(found.ipv4_mapped or found) if isinstance(found, IPv6Address) else host
