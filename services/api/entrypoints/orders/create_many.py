"""Creating many orders at once (S0, batch)."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Annotated, Final
from uuid import UUID

from pydantic import Field

from contracts.messages.orders import COMMANDS, ImportOrders
from contracts.messages.replies import left_out
from contracts.order import Order
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


async def add_many(request: Request, parts: Parts) -> Response:
    """Create up to 1,000 orders, each as `POST /api/Orders` does: the workflow of its status runs.

    An order whose id is taken is left as it is, and its place in the list is named in the header
    `Existing-Orders`. Nothing is stored if one of them is not valid.
    """
    entries, raw = await _orders(request, parts, imported=False)
    commands = [
        placing(
            entry.parsed,
            entry.raw,
            user=request.client.id,
            origin="POST /api/Orders/AddMany",
            category="BatchAdd",
        )
        for entry in entries
    ]
    return await _carried_out(commands, entries, request, parts, raw)


async def import_many(request: Request, parts: Parts) -> Response:
    """Store up to 1,000 orders as they are: no workflow runs, and amounts stay as they were sent.

    They are calculated only where isOrderCalculatorRunOnImport says so. An order whose id is taken
    is left as it is, and its place in the list is named in the header `Existing-Orders`. Nothing is
    stored if one of them is not valid.
    """
    entries, raw = await _orders(request, parts, imported=True)
    partition_of = await parts.commands.partitioner(COMMANDS)
    by_partition: defaultdict[int, list[Entry[Order]]] = defaultdict(list)
    for entry in entries:
        by_partition[partition_of(entry.value.id)].append(entry)
    groups = [group for found in by_partition.values() for group in _divided(found)]
    commands = [_importing(group, user=request.client.id) for group in groups]
    places = [[entry.place for entry in group] for group in groups]
    return await _carried_out(commands, entries, request, parts, raw, places)


async def _orders(
    request: Request, parts: Parts, *, imported: bool
) -> tuple[list[Entry[Order]], bytes]:
    """Read orders that may all be stored by whoever sends them.

    :raises Refusal: forbidden, or validation-failed naming the faults of all
    """
    entries, raw = await batch_of(request, Order, strict=parts.strict)
    configuration = parts.configuration()
    faults = [
        fault
        for entry in entries
        for fault in within(entry.place, misfits(entry.value, configuration, imported=imported))
    ]
    for entry in entries:
        order = entry.value
        refuse_outside(request.client, store_id=order.store_id, market_id=order.market_id)
    if faults:
        raise refusal("validation-failed", errors=faults)
    return entries, raw


def _divided(entries: Sequence[Entry[Order]]) -> Iterator[list[Entry[Order]]]:
    """Yield as many of them together as one command takes, in their order."""
    together: list[Entry[Order]] = []
    size = 0
    for entry in entries:
        if together and (len(together) == MOST_TOGETHER or size + len(entry.raw) > LARGEST):
            yield together
            together, size = [], 0
        together.append(entry)
        size += len(entry.raw)
    yield together


def _importing(entries: Sequence[Entry[Order]], *, user: str) -> Command:
    first = entries[0].value.id
    data = ImportOrders.around(
        (entry.raw if entry.parsed.exact else _written(entry.value) for entry in entries),
        order_id=first,
        places=[entry.place for entry in entries],
        user=user,
        origin="POST /api/Orders/ImportMany",
        ignored_fields={
            entry.place: entry.parsed.ignored for entry in entries if entry.parsed.ignored
        },
    )
    return Command(SERVICE, ImportOrders.type, COMMANDS, first, data)


def _written(order: Order) -> bytes:
    return order.__pydantic_serializer__.to_json(order, by_alias=True, exclude_none=True)


async def _carried_out(  # noqa: PLR0913, PLR0917 - the end of both routes
    commands: Sequence[Command],
    entries: Sequence[Entry[Order]],
    request: Request,
    parts: Parts,
    raw: bytes,
    places: Sequence[Sequence[int]] | None = None,
) -> Response:
    builds = [_ready(command) for command in commands]
    origin = request.origin(raw)
    outcome = await parts.commands.carry_out_many(builds, origin, places=places)
    response = command_response(outcome, ignored=ignored_of(entries))
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
