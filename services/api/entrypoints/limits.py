"""How much one client, and all together, may ask for at once (S1 Rate Limits; decided 13.2).

Nothing waits in a line here: what goes beyond a limit is refused at once, with the seconds after
which it is worth trying again.
"""

from dataclasses import dataclass
from enum import Enum
from math import ceil, inf
from typing import Final

from services.api.domain import Refusal, refusal

SHORTLY: Final = 1
"""Seconds after which one of the requests in hand will have its answer."""


class Kind(Enum):
    """Which limits a request falls under; all but those of PUBLIC routes fall under the bucket."""

    ORDINARY = "ordinary"
    """So many of a client, and so many in all."""
    BATCH = "batch"
    """A batch of writes: the same, and fewer of a client."""
    READ = "read"
    """A read of products or stock: so many in all, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The limits of one process; 0 is none."""

    bucket: int
    """Requests of a client that may come in one burst."""
    refill: int
    """Requests that are put back every `refill_seconds`."""
    refill_seconds: float
    client: int
    """Requests of a client at a time."""
    tenant: int
    """Requests of all clients at a time."""
    batch: int
    """Batches of a client at a time."""
    reads: int
    """Reads of products and stock at a time, of all clients; they count nowhere else."""


@dataclass(slots=True)
class _Account:
    """What one client has left, and what it has under way."""

    tokens: float
    filled: float
    requests: int = 0
    batches: int = 0


class Limits:
    """Counts what every client has under way; one account stays for each that ever called."""

    def __init__(self, figures: Figures) -> None:
        self._bucket = figures.bucket or inf
        self._refill = figures.refill
        self._refill_seconds = figures.refill_seconds
        self._client = figures.client or inf
        self._tenant = figures.tenant or inf
        self._batch = figures.batch or inf
        self._reads = figures.reads or inf
        self._accounts: dict[str, _Account] = {}
        self._requests_under_way = 0
        self._reads_under_way = 0

    def slot(self, kind: Kind, client: str, *, now: float) -> "Slot":
        """Take one token from the client's bucket; the request does not count as under way yet.

        :param now: seconds of a clock that never goes back
        :raises Refusal: too-many-requests, if the bucket is empty
        """
        account = self._accounts.get(client)
        if account is None:
            account = self._accounts[client] = _Account(self._bucket, now)
        if account.tokens == self._bucket:
            account.filled = now  # what was full is filled again from its first use on
        else:
            self._fill(account, now)
        if account.tokens < 1:
            wait = account.filled + self._refill_seconds - now
            raise refusal(
                "too-many-requests",
                f"A client may send {self._bucket} requests in one go, and {self._refill} more "
                f"every {self._refill_seconds:g} s.",
                retry_after=max(SHORTLY, ceil(wait)),
            )
        account.tokens -= 1
        return Slot(self, kind, account)

    def _fill(self, account: _Account, now: float) -> None:
        times = int((now - account.filled) / self._refill_seconds)
        if times > 0:
            account.tokens = min(self._bucket, account.tokens + times * self._refill)
            account.filled += times * self._refill_seconds

    def take(self, kind: Kind, account: _Account) -> None:
        """Count one more request as under way.

        :raises Refusal: too-many-requests, if there are as many as there may be
        """
        if kind is Kind.READ:
            if self._reads_under_way >= self._reads:
                raise _full(f"{self._reads} reads of products and stock")
            self._reads_under_way += 1
            return
        if account.requests >= self._client:
            raise _full(f"{self._client} requests of a client")
        if self._requests_under_way >= self._tenant:
            raise _full(f"{self._tenant} requests")
        if kind is Kind.BATCH:
            if account.batches >= self._batch:
                raise _full(f"{self._batch} batches of a client")
            account.batches += 1
        account.requests += 1
        self._requests_under_way += 1

    def leave(self, kind: Kind, account: _Account) -> None:
        """Count one request less."""
        if kind is Kind.READ:
            self._reads_under_way -= 1
            return
        if kind is Kind.BATCH:
            account.batches -= 1
        account.requests -= 1
        self._requests_under_way -= 1


class Slot:
    """One request's place among those under way, from `take` to `leave`."""

    __slots__ = ("_account", "_kind", "_limits", "_taken")

    def __init__(self, limits: Limits, kind: Kind, account: _Account) -> None:
        self._limits = limits
        self._kind = kind
        self._account = account
        self._taken = False

    def take(self) -> None:
        """Count as under way, if the request does not yet.

        :raises Refusal: too-many-requests
        """
        if not self._taken:
            self._limits.take(self._kind, self._account)
            self._taken = True

    def leave(self) -> None:
        """Count as under way no longer."""
        if self._taken:
            self._limits.leave(self._kind, self._account)
            self._taken = False


def _full(what: str) -> Refusal:
    return refusal(
        "too-many-requests",
        f"At most {what} are answered at a time; repeat this one when another has its answer.",
        retry_after=SHORTLY,
    )
