"""Creating many orders at once (S0, batch)."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, TypeVar
from uuid import UUID

from pydantic import Field

from contracts.messages.orders import COMMANDS, ImportOrders
from contracts.messages.replies import left_out
from contracts.order import Order
from contracts.problems import FieldProblem
from services.api.domain import Command, refusal
from services.api.entrypoints.batch import MOST_ENTRIES, Entry, batch_of, ignored_of, within
from services.api.entrypoints.orders.change import SERVICE, refuse_outside
from services.api.entrypoints.orders.create import placing
from services.api.entrypoints.orders.validate import misfits
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import MOST_IGNORED, NO_CONTENT, Response, command_response
from services.api.entrypoints.routing import Route
from services.api.gateways import Accepted, Answered, Build

Orders = Annotated[list[Order], Field(max_length=MOST_ENTRIES)]

MOST_TOGETHER: Final = 250
"""Orders that travel in one command of an import."""
LARGEST: Final = 1024 * 1024
"""Bytes after which an import goes on in another command, so that no transaction is too large."""


Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class _Sent(Generic[Made]):
    """An order of the request, read and checked, as it is handed on."""

    place: int
    id: str
    store_id: str
    market_id: str
    ignored: Sequence[str]
    faults: Sequence[FieldProblem]
    made: Made


async def add_many(request: Request, parts: Parts) -> Response:
    """Create up to 1,000 orders, each as `POST /api/Orders` does: the workflow of its status runs.

    An order whose id is taken is left as it is, and its place in the list is named in the header
    `Existing-Orders`. Nothing is stored if one of them is not valid.
    """

    def placed(entry: Entry[Order]) -> Command:
        return placing(
            entry.parsed,
            entry.raw,
            user=request.client.id,
            origin="POST /api/Orders/AddMany",
            category="BatchAdd",
        )

    sent, raw = await _orders(request, parts, placed, imported=False)
    return await _carried_out([one.made for one in sent], sent, request, parts, raw)


async def import_many(request: Request, parts: Parts) -> Response:
    """Store up to 1,000 orders as they are: no workflow runs, and amounts stay as they were sent.

    They are calculated only where isOrderCalculatorRunOnImport says so. An order whose id is taken
    is left as it is, and its place in the list is named in the header `Existing-Orders`. Nothing is
    stored if one of them is not valid.
    """
    sent, raw = await _orders(request, parts, _as_json, imported=True)
    partition_of = await parts.commands.partitioner(COMMANDS)
    by_partition: defaultdict[int, list[_Sent[bytes]]] = defaultdict(list)
    for one in sent:
        by_partition[partition_of(one.id)].append(one)
    groups = [group for found in by_partition.values() for group in _divided(found)]
    commands = [_importing(group, user=request.client.id) for group in groups]
    places = [[one.place for one in group] for group in groups]
    return await _carried_out(commands, sent, request, parts, raw, places)


async def _orders(
    request: Request, parts: Parts, make: Callable[[Entry[Order]], Made], *, imported: bool
) -> tuple[list[_Sent[Made]], bytes]:
    """Read orders that may all be stored by whoever sends them.

    :raises Refusal: forbidden, or validation-failed naming the faults of all
    """
    configuration = parts.configuration()

    def keep(entry: Entry[Order]) -> _Sent[Made]:
        order = entry.value
        return _Sent(
            place=entry.place,
            id=order.id,
            store_id=order.store_id,
            market_id=order.market_id,
            ignored=entry.parsed.ignored,
            faults=within(entry.place, misfits(order, configuration, imported=imported)),
            made=make(entry),
        )

    sent, raw = await batch_of(request, Order, keep, strict=parts.strict)
    for one in sent:
        refuse_outside(request.client, store_id=one.store_id, market_id=one.market_id)
    if faults := [fault for one in sent for fault in one.faults]:
        raise refusal("validation-failed", errors=faults)
    return sent, raw


def _divided(sent: Sequence[_Sent[bytes]]) -> Iterator[list[_Sent[bytes]]]:
    """Yield as many of them together as one command takes, in their order."""
    together: list[_Sent[bytes]] = []
    size = 0
    for one in sent:
        if together and (len(together) == MOST_TOGETHER or size + len(one.made) > LARGEST):
            yield together
            together, size = [], 0
        together.append(one)
        size += len(one.made)
    yield together


def _importing(sent: Sequence[_Sent[bytes]], *, user: str) -> Command:
    first = sent[0].id
    data = ImportOrders.around(
        (one.made for one in sent),
        order_id=first,
        places=[one.place for one in sent],
        user=user,
        origin="POST /api/Orders/ImportMany",
        ignored_fields={one.place: one.ignored for one in sent if one.ignored},
    )
    return Command(SERVICE, ImportOrders.type, COMMANDS, first, data)


def _as_json(entry: Entry[Order]) -> bytes:
    if entry.parsed.exact:
        return entry.raw
    order = entry.value
    return order.__pydantic_serializer__.to_json(order, by_alias=True, exclude_none=True)


async def _carried_out(  # noqa: PLR0913, PLR0917 - the end of both routes
    commands: Sequence[Command],
    sent: Sequence[_Sent[Any]],  # Any: whatever was made of each
    request: Request,
    parts: Parts,
    raw: bytes,
    places: Sequence[Sequence[int]] | None = None,
) -> Response:
    builds = [_ready(command) for command in commands]
    origin = request.origin(raw)
    outcome = await parts.commands.carry_out_many(builds, origin, places=places)
    response = command_response(
        outcome, ignored=ignored_of((one.place, one.ignored) for one in sent)
    )
    response.headers = [*response.headers, *_existing(outcome)]
    return response


def _ready(command: Command) -> Build:
    def build(_: UUID) -> Command:
        return command

    return build


def _existing(outcome: Answered | Accepted) -> Iterator[tuple[bytes, bytes]]:
    """Yield the header that says which orders were there before, if there were any."""
    found = left_out(outcome.result.shape) if isinstance(outcome, Answered) else {}
    if found:
        yield b"existing-orders", ", ".join(f"[{one}]" for one in [*found][:MOST_IGNORED]).encode()


ROUTES: Final = tuple(
    Route(
        method="POST",
        path=path,
        handler=handler,
        requires="OrderAdmin",
        body=Orders,
        status=NO_CONTENT,
        batch=True,
        problems=("batch-incomplete", "idempotency-key-reused"),
    )
    for path, handler in (
        ("/api/Orders/AddMany", add_many),
        ("/api/Orders/ImportMany", import_many),
    )
)
