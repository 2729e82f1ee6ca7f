"""Who may do what, and what passes between a request and the services that carry it out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from contracts.message import derived
from contracts.messages.replies import left_out, partly
from contracts.problems import FieldProblem, Problem, problem
from contracts.search import Scope

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
_SPELT: Final = {role.casefold(): role for role in ROLES}
_STORE, _MARKET = "store-", "market-"


def spelt(role: str) -> str | None:
    """Return a role as it is spelt, whatever its case; None if there is no such role.

    Besides ROLES there are `store-x` and `market-y` for every store and market (S1).
    """
    folded = role.casefold()
    if folded in _SPELT:
        return _SPELT[folded]
    for prefix in (_STORE, _MARKET):
        if folded.startswith(prefix) and len(folded) > len(prefix):
            return prefix + role[len(prefix) :]
    return None


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
    def scope(self) -> Scope:
        """The orders it may find."""
        return Scope(self.stores, self.markets)

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
    own_stores = _scope(_STORE, words, stores)
    own_markets = _scope(_MARKET, words, markets)
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


def beyond(
    grantor: Client, *, roles: Iterable[str], stores: Iterable[str], markets: Iterable[str]
) -> list[FieldProblem]:
    """Name what of these roles and this scope the grantor does not hold (decided 13.3)."""
    words = list(roles)
    granted = client("", roles=words, stores=stores, markets=markets, generation=0)
    faults = [
        FieldProblem(path=f"roles[{place}]", message="is no role that you hold", got=word)
        for place, word in enumerate(words)
        if word in ROLES and word not in grantor.roles
    ]
    for path, of_grantor, of_granted in (
        ("stores", grantor.stores, granted.stores),
        ("markets", grantor.markets, granted.markets),
    ):
        if of_grantor is not None and (of_granted is None or not of_granted <= of_grantor):
            own = ", ".join(sorted(of_grantor)) or "none"
            message = f"reaches beyond your own scope, which is {own}"
            faults.append(FieldProblem(path=path, message=message))
    return faults


@dataclass(frozen=True, slots=True)
class Command:
    """A command ready to be published: whose inbox will know it, and the record it becomes.

    `partition` is set only where the sender chooses it. `shows_secret` says that the body of its
    answer is kept nowhere.
    """

    service: str
    type: str
    topic: str
    key: str
    data: bytes
    order_id: str | None = None
    partition: int | None = None
    shows_secret: bool = False


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


Summary = Literal["done", "sum"]
"""How the answers to the commands of one request become its answer.

`done`: 204, or 409 naming what was not done (decided 2.4); an order that exists already is left
untouched and reported in the result's shape (decided 2.5). `sum`: 200 with the sum of the numbers
that the commands were answered with; what was refused adds nothing (domain 3 no. 19).
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """The commands of one request for many things.

    :param places: for each command, which entries of the request it stands for
    """

    service: str
    places: Sequence[Sequence[int]]
    summary: Summary

    def result(self, results: Sequence[Result]) -> Result:
        """Return the answer of the whole, from those of all its commands."""
        completed = max((one.completed for one in results if one.completed), default=None)
        if self.summary == "sum":
            shapes = (one.shape.split(" ") for one in results if not one.problem and one.shape)
            total = sum(int(figures[0]) for name, *figures in shapes if name == "number")
            return Result(200, b"%d" % total, completed=completed)
        refused = {
            place: found
            for places, one in zip(self.places, results, strict=True)
            for place, found in _left_out(places, one)
        }
        skipped = {place: p.slug for place, p in refused.items() if p.slug == _EXISTS}
        failed = {place: p for place, p in sorted(refused.items()) if place not in skipped}
        shape = partly(skipped) if skipped else None
        if not failed:
            return Result(204, completed=completed, shape=shape)
        entries = sum(map(len, self.places))
        pauses = [one.retry_after for one in failed.values() if one.retry_after is not None]
        incomplete = problem(
            "batch-incomplete",
            f"{entries - len(refused)} of {entries} were done; `errors` names those that were not.",
            errors=tuple(fault for one in failed.items() for fault in _faults(*one)),
            retry_after=max(pauses, default=None),
        )
        return Result(incomplete.status, problem=incomplete, completed=completed, shape=shape)


def command_ids(request: UUID, places: Iterable[Iterable[int]]) -> list[UUID]:
    """Return the id of each command of a batch, derived from its request's and its places.

    So what stands for other entries when the request is repeated is another command.
    """
    return [derived(request, ",".join(map(str, one))) for one in places]


_EXISTS: Final = "duplicate-order-id"


def _left_out(places: Sequence[int], result: Result) -> Iterator[tuple[int, Problem]]:
    """Yield the entries that a command did not do, each with what is in the way."""
    if result.problem is not None:
        for place in places:
            yield place, result.problem
    for place, slug in left_out(result.shape).items():
        yield place, problem(slug)


def _faults(place: int, found: Problem) -> Iterator[FieldProblem]:
    """Yield what is wrong with one entry, by paths that begin with its place."""
    if not found.errors:
        yield FieldProblem(path=f"[{place}]", message=f"{found.slug}: {found.detail}")
    for one in found.errors or ():
        yield one.model_copy(update={"path": f"[{place}].{one.path}"})


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
