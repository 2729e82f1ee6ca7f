"""Orders to a file, or to a connector (S0, domain 3 no. 24, decided 4.4)."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal, get_args
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import structlog
from pydantic import Field
from pydantic_core import to_json

from contracts.fields import Flag, spelled
from contracts.messages.orders import COMMANDS, WriteLog
from contracts.model import Model
from contracts.moment import Moment
from contracts.order import Order
from contracts.order_id import OrderId
from contracts.order_search import OrderFilter
from contracts.problems import FieldProblem
from contracts.settings import Configuration, Connector
from contracts.stored import order_json
from services.api.domain import Command, Refusal, refusal
from services.api.entrypoints.documents.tables import (
    MEMBERS,
    MOST_ROWS,
    Batches,
    comma_separated,
    json_lines,
    spreadsheet,
)
from services.api.entrypoints.orders.change import SERVICE
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import OK, Response, Streamed, file_name, ignored_fields
from services.api.entrypoints.routing import Route
from services.chassis.document import Bson

log = structlog.get_logger()

_EXPORT: Final = 110103
"""operationId of an export (domain 5.6)."""
MOST_ORDERS: Final = 100
"""Orders that one request may hand to a connector."""

_Format = Literal["json", "csv", "xlsx"]
Format = Annotated[_Format, spelled(get_args(_Format))]
"""How a file is written: JSON lines, CSV or XLSX."""


class ExportRequest(Model):
    """What to export: named orders to a connector, or found ones to a file.

    A file is of JSON lines, each an order as GET answers it, or a table with one row an order and
    the columns id, orderNumber, orderType, status, marketId, storeId, salesChannel, orderOrigin,
    created, modified, completed, customerId, customerNumber, customerType, customerName,
    customerEmail, customerPhone, billingCurrency, subTotal, discountAmount, shippingTotal,
    handlingTotal, taxTotal, total, totalExclTax, authorizedPaymentTotal, capturedPaymentTotal,
    creditPaymentTotal, netTotal, netTotalExclTax, remainingPayment, paymentMethods,
    shippingMethods, lines, quantity, tags.
    """

    order_ids: Annotated[list[OrderId], Field(min_length=1, max_length=MOST_ORDERS)] | None = None
    """Orders for the connector; without them a file is made."""
    connector_id: str | None = None
    connector_name: str | None = None
    search: OrderFilter | None = None
    """Which orders the file has, the newest first; absent means all that are not deleted."""
    format: Format = "json"
    """How the file is written: json (lines), csv or xlsx."""


class ExportLogItem(Model):
    """What became of one order (ExportLogItem)."""

    is_success: Flag
    error_reason: str | None = None
    status: str
    """Exported, Failed or NotFound."""
    timestamp: Moment = None
    type: str = "Connector"


class OrderExportResult(Model):
    """An order that was to be exported, and how that went (OrderExportResult)."""

    item: Order
    log_items: list[ExportLogItem]


@dataclass(frozen=True, slots=True)
class _File:
    """A kind of file: its media type, which members it needs, and who writes it."""

    media_type: str
    members: tuple[str, ...]
    write: Callable[[Batches], AsyncGenerator[bytes, None]]


_FILES: Final[dict[_Format, _File]] = {
    "json": _File("application/x-ndjson", (), json_lines),
    "csv": _File("text/csv; charset=utf-8; header=present", MEMBERS, comma_separated),
    "xlsx": _File(
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", MEMBERS, spreadsheet
    ),
}
_EXTENSIONS: Final[dict[_Format, str]] = {"json": "jsonl", "csv": "csv", "xlsx": "xlsx"}


async def export_orders(request: Request, parts: Parts) -> Response:
    """Export orders: with `orderIds` to a connector, else to a file of those that a search finds.

    The connector gets one POST for each order, with an Idempotency-Key that is the same whenever
    this request is repeated with the same Idempotency-Key; the answer says of each order how that
    went. A file is made while it is sent, however many orders there are: the newest first, each
    once, as it is when its turn comes. Files of what changed since the one before miss nothing, as
    the pages of Search do.
    """
    parsed, _ = await request.parsed(ExportRequest, strict=parts.strict)
    wanted = parsed.value
    if wanted.order_ids is not None:
        answer = await _to_connector(wanted, wanted.order_ids, request, parts)
    else:
        answer = await _to_file(wanted, request, parts)
    answer.headers = [*answer.headers, *ignored_fields(parsed.ignored)]
    return answer


# -- to a file -------------------------------------------------------------------------------------


async def _to_file(wanted: ExportRequest, request: Request, parts: Parts) -> Response:
    file, exports = _FILES[wanted.format], parts.exports
    query = await parts.searches.query(
        wanted.search or OrderFilter(),
        request.client,
        now=parts.clock.now(),
        configuration=parts.configuration(),
    )
    if wanted.format == "xlsx" and await exports.are_more_than(MOST_ROWS, query):
        raise _at("format", f"a sheet has room for {MOST_ROWS} orders; export csv instead")
    batches = exports.every(query, file.members)
    # Read before anything is sent: until then what goes wrong is a problem with a status.
    first: list[Bson] = await anext(batches, [])
    name = f"orders-{parts.clock.now():%Y-%m-%dT%H%M%SZ}.{_EXTENSIONS[wanted.format]}"
    return Streamed(
        status=OK,
        headers=(file_name(name),),
        media_type=file.media_type.encode(),
        pieces=file.write(_while_there(request, first, batches)),
    )


async def _while_there(
    request: Request, first: list[Bson], others: AsyncGenerator[list[Bson], None]
) -> AsyncGenerator[list[Bson], None]:
    """Yield the batches until the client leaves."""
    left = asyncio.create_task(request.left())
    try:
        async with aclosing(others):
            yield first
            async for batch in others:
                if left.done():
                    return
                yield batch
    finally:
        left.cancel()


# -- to a connector --------------------------------------------------------------------------------


async def _to_connector(
    wanted: ExportRequest, ids: list[OrderId], request: Request, parts: Parts
) -> Response:
    connector = _connector(wanted, parts.configuration())
    named = list(dict.fromkeys(ids))
    found = await parts.exports.orders(named, request.client)
    if not found:
        raise refusal("order-not-found")
    bodies = {id_: order_json(found[id_]) for id_ in named if id_ in found}
    failed = await parts.connectors.export(connector, bodies, cause=_cause(request))
    now = parts.clock.now()
    await _noted(failed, connector.connector_id, now, request, parts)
    results = [_result(id_, bodies.get(id_), failed.get(id_), now) for id_ in named]
    return Response(OK, b"[" + b",".join(results) + b"]")


async def _noted(
    failed: Mapping[str, str | None], connector: str, now: datetime, request: Request, parts: Parts
) -> None:
    """Write each export into its order's log (decided 5.6)."""
    entries = [
        WriteLog(
            order_id=id_,
            at=now,
            operation_id=_EXPORT,
            category="Exported",
            message=f"The order was exported to {connector}"
            if failure is None
            else f"The export to {connector} failed: {failure}",
            is_error=failure is not None,
            user=request.client.id,
            origin="POST /api/Orders/ExportOrders",
        )
        for id_, failure in failed.items()
    ]
    commands = [
        Command(SERVICE, one.type, COMMANDS, one.order_id, one.data(), one.order_id)
        for one in entries
    ]
    try:
        await parts.commands.tell(commands, request.origin(b""))
    except Refusal as refused:
        # It has happened and is answered so; only the log is short of it.
        log.warning("export.not_noted", orders=list(failed), problem=refused.problem.slug)


def _connector(wanted: ExportRequest, configuration: Configuration) -> Connector:
    """Return the connector that is meant, by its id or else by its name.

    :raises Refusal: validation-failed, if none is named or it cannot be called
    """
    member = "connectorName" if wanted.connector_id is None else "connectorId"
    name = wanted.connector_name if wanted.connector_id is None else wanted.connector_id
    if name is None:
        raise _at("connectorId", "expected a connector, by connectorId or connectorName")
    connector = configuration.connector(name)
    if connector is None:
        raise _at(member, "expected a connector of the settings", name)
    if not connector.host:
        raise _at(member, "expected a connector with a host", name)
    return connector


def _cause(request: Request) -> UUID:
    key = request.origin(b"").key
    return uuid4() if key is None else uuid5(NAMESPACE_URL, f"{request.client.id}/{key}")


def _result(id_: str, body: bytes | None, failure: str | None, now: datetime) -> bytes:
    """Return an OrderExportResult, the order in it as GET answers it."""
    if body is None:
        body, failure, status = to_json({"id": id_}), "no order has this id", "NotFound"
    else:
        status = "Exported" if failure is None else "Failed"
    entry = ExportLogItem(
        is_success=failure is None, error_reason=failure, status=status, timestamp=now
    )
    item = entry.model_dump_json(by_alias=True, exclude_none=True).encode()
    return b'{"item":' + body + b',"logItems":[' + item + b"]}"


def _at(path: str, message: str, got: str | None = None) -> Refusal:
    return refusal("validation-failed", errors=[FieldProblem(path=path, message=message, got=got)])


ROUTES: Final = (
    Route(
        method="POST",
        path="/api/Orders/ExportOrders",
        handler=export_orders,
        requires="OrderAdmin",
        body=ExportRequest,
        answer=list[OrderExportResult],
        files=tuple(file.media_type.partition(";")[0] for file in _FILES.values()),
        batch=True,
        problems=("order-not-found",),
    ),
)
