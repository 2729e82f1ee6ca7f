"""Who may do what, and what passes between a request and the services that carry it out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from contracts.problems import FieldProblem, Problem, problem

PUBLIC: Final = "nobody"
"""What a route requires that anybody may call (decided 13.1)."""
OWNER: Final = "ApiOwner"
ANY: Final = "ApiUser"
"""What a route requires that every client with a role may call."""

RESOURCES: Final = (
    "Order",
    "Product",
    "Customer",
    "Cart",
    "Inventory",
    "Promotion",
    "Store",
    "Project",
    "Supplier",
    "PurchaseOrder",
    "Settings",
    "User",
)

# What each role includes besides itself (domain 1.0, 3 no. 42; decided 13.3).
_INCLUDES: Final[Mapping[str, tuple[str, ...]]] = {
    **{f"{resource}Admin": (f"{resource}Read",) for resource in RESOURCES},
    "OrderAdmin": ("OrderRead", "PosWriter"),
    "CommerceUser": ("CartAdmin", "CartRead", "CustomerAdmin", "CustomerRead", "ProductRead"),
    OWNER: (
        *(f"{resource}{kind}" for resource in RESOURCES for kind in ("Read", "Admin")),
        "CommerceUser",
        "PosWriter",
        "AllStores",
        "AllMarkets",
    ),
}
ROLES: Final = frozenset({*_INCLUDES, *_INCLUDES[OWNER], ANY, OWNER})


def included(roles: Iterable[str]) -> frozenset[str]:
    """Return the roles with all that they include; every role includes ApiUser."""
    given = set(roles)
    return frozenset(given.union([ANY] if given else [], *(_INCLUDES.get(r, ()) for r in given)))


@dataclass(frozen=True, slots=True)
class Client:
    """Who calls: its roles with all they include, and its scope.

    `stores` and `markets` are in lower case; None lets everything through. A dimension that names
    nothing does not restrict where the other one does; a client that names neither, and has neither
    AllStores nor AllMarkets, sees nothing (decided 13.4).
    """

    id: str
    roles: frozenset[str]
    stores: frozenset[str] | None
    markets: frozenset[str] | None
    generation: int

    @property
    def is_unrestricted(self) -> bool:
        """Whether every order is in its scope."""
        return self.stores is None and self.markets is None

    def sees(self, *, store_id: str | None, market_id: str | None) -> bool:
        """Tell whether something of this store and market is in the client's scope."""
        return (self.stores is None or (store_id or "").casefold() in self.stores) and (
            self.markets is None or (market_id or "").casefold() in self.markets
        )


def client(
    id_: str,
    *,
    roles: Iterable[str],
    stores: Iterable[str],
    markets: Iterable[str],
    generation: int,
) -> Client:
    """Return the client with its roles and scope worked out."""
    words = list(roles)
    held = included(words)
    own_stores = _scope("store-", words, stores)
    own_markets = _scope("market-", words, markets)
    all_stores, all_markets = "AllStores" in held, "AllMarkets" in held
    named = bool(own_stores or own_markets or all_stores or all_markets)
    return Client(
        id=id_,
        roles=held,
        stores=None if all_stores or (named and not own_stores) else own_stores,
        markets=None if all_markets or (named and not own_markets) else own_markets,
        generation=generation,
    )


def _scope(prefix: str, roles: Iterable[str], ids: Iterable[str]) -> frozenset[str]:
    words = (role.casefold() for role in roles)
    of_roles = (word.removeprefix(prefix) for word in words if word.startswith(prefix))
    return frozenset({*of_roles, *(one.casefold() for one in ids)})


@dataclass(frozen=True, slots=True)
class Command:
    """A command ready to be published: whose inbox will know it, and the record it becomes."""

    service: str
    type: str
    topic: str
    key: str
    data: bytes
    order_id: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a command: the answer its request gets.

    `body` is JSON. A result without one whose `order_id` and `version` are set is answered with
    that version of the order, in this `shape` (contracts.messages.replies). `completed` is known of
    results that were looked up.
    """

    status: int
    body: bytes | None = None
    problem: Problem | None = None
    order_id: str | None = None
    version: int | None = None
    completed: datetime | None = None
    shape: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """The request that a command comes from.

    `command` is the id that the command gets, unless an earlier request with the same
    Idempotency-Key gave it one. `fingerprint` tells two requests with the same key apart
    (decided 10.1).
    """

    client: str
    command: UUID
    traceparent: str
    respond_async: bool = False
    key: str | None = None
    fingerprint: bytes = b""


class Refusal(Exception):
    """The request cannot be answered as asked; it gets the problem instead."""

    def __init__(self, found: Problem) -> None:
        super().__init__(found.slug)
        self.problem = found


def refusal(
    slug: str,
    detail: str | None = None,
    *,
    errors: Iterable[FieldProblem] | None = None,
    retry_after: int | None = None,
) -> Refusal:
    """Return the refusal with the catalogue's problem of this name."""
    named = None if errors is None else tuple(errors)
    return Refusal(problem(slug, detail, errors=named, retry_after=retry_after))
