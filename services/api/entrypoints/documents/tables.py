"""Orders as files: JSON lines, CSV and XLSX, made piece by piece in constant memory.

A table has a header and one row an order; its columns are COLUMNS. In CSV amounts are plain
decimals with a point, points in time are ISO 8601 in UTC, several values are joined by "; ", lines
end in CR LF (RFC 4180), and a text that a spreadsheet would take for a formula is preceded by an
apostrophe. In XLSX texts are texts whatever they begin with.
"""

import asyncio
import csv
import io
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import xlsxwriter  # type: ignore[import-untyped] # it publishes no types

from contracts.stored import order_json
from services.chassis.document import Bson

Cell = str | Decimal | int | datetime | None
Batches = AsyncIterator[list[Bson]]

MOST_ROWS: Final = 1_048_575
"""Orders that one sheet of XLSX can hold besides the header."""
_LONGEST_CELL: Final = 32_767
_PIECE: Final = 64 * 1024
_FORMULA: Final = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # also in full width


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its header, the stored members that it needs, and its value of an order."""

    name: str
    members: tuple[str, ...]
    value: Callable[[Bson], Cell]


def _plain(name: str) -> Column:
    return Column(name, (name,), lambda order: order.get(name))


def _of_form(name: str) -> Column:
    return Column(name, (f"orderForm.{name}",), lambda order: _form(order).get(name))


def _form(order: Bson) -> Bson:
    found: Bson = order.get("orderForm") or {}
    return found


def _joined(name: str, path: str, values: Callable[[Bson], Iterable[Any]]) -> Column:
    # Any: whatever the members hold; only texts are joined.
    def value(order: Bson) -> str:
        return "; ".join(dict.fromkeys(one for one in values(order) if one))

    return Column(name, (path,), value)


def _lines(order: Bson) -> list[Bson]:
    found: list[Bson] = _form(order).get("lineItems") or []
    return found


COLUMNS: Final = (
    *map(_plain, ("id", "orderNumber", "orderType", "status", "marketId", "storeId")),
    *map(_plain, ("salesChannel", "orderOrigin", "created", "modified", "completed")),
    *map(_plain, ("customerId", "customerNumber", "customerType", "customerName")),
    *map(_plain, ("customerEmail", "customerPhone", "billingCurrency")),
    *map(_of_form, ("subTotal", "discountAmount", "shippingTotal", "handlingTotal")),
    *map(_of_form, ("taxTotal", "total", "totalExclTax")),
    *map(_of_form, ("authorizedPaymentTotal", "capturedPaymentTotal", "creditPaymentTotal")),
    *map(_plain, ("netTotal", "netTotalExclTax", "remainingPayment")),
    _joined(
        "paymentMethods",
        "orderForm.payments.paymentMethodName",
        lambda order: (one.get("paymentMethodName") for one in _form(order).get("payments") or ()),
    ),
    _joined(
        "shippingMethods",
        "orderForm.shipments.shippingMethodName",
        lambda order: (
            one.get("shippingMethodName") for one in _form(order).get("shipments") or ()
        ),
    ),
    Column("lines", ("orderForm.lineItems.lineItemId",), lambda order: len(_lines(order))),
    Column(
        "quantity",
        ("orderForm.lineItems.quantity",),
        lambda order: sum((one.get("quantity") or Decimal(0) for one in _lines(order)), Decimal(0)),
    ),
    _joined("tags", "tags", lambda order: order.get("tags") or ()),
)

MEMBERS: Final = tuple(path for column in COLUMNS for path in column.members)
"""What a table needs of an order."""


async def json_lines(batches: Batches) -> AsyncGenerator[bytes, None]:
    """Yield every order as a line of JSON, as GET answers it."""
    async for orders in batches:
        yield b"".join(order_json(one) + b"\n" for one in orders)


async def comma_separated(batches: Batches) -> AsyncGenerator[bytes, None]:
    """Yield a table as CSV in UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(column.name for column in COLUMNS)
    async for orders in batches:
        writer.writerows([_written(column.value(one)) for column in COLUMNS] for one in orders)
        yield _taken(text)
    yield _taken(text)


def _taken(text: io.StringIO) -> bytes:
    """Return what was written, and begin anew."""
    written = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return written


def _written(value: Cell) -> str:
    if isinstance(value, str):
        return f"'{value}" if value[:1] in _FORMULA else value
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return "" if value is None else str(value)


async def spreadsheet(batches: Batches) -> AsyncGenerator[bytes, None]:
    """Yield a table as XLSX; its beginning comes when its last row is written."""
    with tempfile.TemporaryDirectory(prefix="kontor-export-") as directory:
        book = _Book(Path(directory))
        async for orders in batches:
            await asyncio.to_thread(book.add, orders)
        file = await asyncio.to_thread(book.close)
        with file.open("rb") as written:
            while piece := await asyncio.to_thread(written.read, _PIECE):
                yield piece


class _Book:
    """A workbook that keeps its rows on disk."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "orders.xlsx"
        # Rows go to a file of their own as soon as the next one begins.
        self._book = xlsxwriter.Workbook(
            str(self._file), {"constant_memory": True, "tmpdir": str(directory)}
        )
        self._sheet = self._book.add_worksheet("orders")
        self._moment = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._row = 1
        bold = self._book.add_format({"bold": True})
        self._sheet.freeze_panes(1, 0)
        for number, column in enumerate(COLUMNS):
            self._sheet.write_string(0, number, column.name, bold)

    def add(self, orders: Iterable[Bson]) -> None:
        for order in orders:
            for number, column in enumerate(COLUMNS):
                self._write(number, column.value(order))
            self._row += 1

    def _write(self, number: int, value: Cell) -> None:
        sheet, row = self._sheet, self._row
        if isinstance(value, str):
            # Never `write`, which would take "=1+1" for a formula.
            sheet.write_string(row, number, value[:_LONGEST_CELL])
        elif isinstance(value, datetime):
            moment = value.astimezone(UTC).replace(tzinfo=None)
            sheet.write_datetime(row, number, moment, self._moment)
        elif value is not None:
            sheet.write_number(row, number, float(value))

    def close(self) -> Path:
        self._book.close()
        return self._file
