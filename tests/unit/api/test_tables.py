"""Orders as files: JSON lines, CSV, XLSX."""

import csv
import io
import re
import tracemalloc
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from pydantic_core import from_json

from contracts.stored import order_document
from services.api.entrypoints.documents.export import ExportRequest
from services.api.entrypoints.documents.tables import (
    COLUMNS,
    MEMBERS,
    Batches,
    comma_separated,
    json_lines,
    spreadsheet,
)
from services.chassis.document import Bson
from tests.builders import an_order
from tests.unit.api.test_documents import a_priced_order

CREATED = datetime(2024, 11, 20, 20, 0, 0, 125_000, tzinfo=UTC)
TRAP = "=HYPERLINK(1)"


def stored(**changes: Any) -> Bson:  # noqa: ANN401 - members
    return order_document(a_priced_order(created=CREATED, **changes))


async def in_batches(*batches: list[Bson]) -> AsyncIterator[list[Bson]]:
    for batch in batches:
        yield batch


async def made(pieces: AsyncGenerator[bytes, None]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def rows(*batches: list[Bson]) -> list[dict[str, str]]:
    text = (await made(comma_separated(in_batches(*batches)))).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def cells(xlsx: bytes) -> list[list[str]]:
    """Return the texts and numbers of each row of the first sheet; formulas are refused."""
    with zipfile.ZipFile(io.BytesIO(xlsx)) as parts:
        sheet = ET.fromstring(parts.read("xl/worksheets/sheet1.xml"))  # noqa: S314 - our own
    assert not list(sheet.iterfind(".//{*}f"))
    return [
        ["".join(cell.itertext()) for cell in row.iterfind("{*}c")]
        for row in sheet.iterfind(".//{*}row")
    ]


class TestJsonLines:
    async def test_are_the_orders_as_they_are_read(self) -> None:
        file = await made(
            json_lines(in_batches([stored(id="1"), stored(id="2")], [stored(id="3")]))
        )

        orders = [from_json(line) for line in file.splitlines()]
        assert [order["id"] for order in orders] == ["1", "2", "3"]
        assert orders[0]["orderForm"]["shipments"][0]["lineItems"][0]["code"] == "SKU-001"


class TestCommaSeparated:
    async def test_has_a_header_and_a_row_for_each_order(self) -> None:
        found = await rows([stored(id="1")], [stored(id="2")])

        assert [row["id"] for row in found] == ["1", "2"]
        assert list(found[0]) == [column.name for column in COLUMNS]

    async def test_has_a_header_alone_where_there_are_no_orders(self) -> None:
        file = await made(comma_separated(in_batches()))

        assert file.decode() == ",".join(column.name for column in COLUMNS) + "\r\n"

    async def test_writes_amounts_moments_and_several_values(self) -> None:
        (row,) = await rows([stored(tags=["vip", "late"])])

        assert row["created"] == "2024-11-20T20:00:00.125Z"
        assert (row["total"], row["taxTotal"], row["remainingPayment"]) == ("1098", "219.6", "100")
        assert (row["lines"], row["quantity"], row["tags"]) == ("1", "2", "vip; late")
        assert (row["paymentMethods"], row["completed"]) == ("Klarna", "")

    @pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"])
    async def test_has_nothing_that_a_spreadsheet_would_run(self, sign: str) -> None:
        order = stored(customer_name=f"{sign}1+1", remaining_payment=Decimal(-5))

        (row,) = await rows([order])

        assert row["customerName"] == f"'{sign}1+1"
        assert row["remainingPayment"] == "-5"

    async def test_keeps_line_breaks_quotes_and_commas_inside_a_cell(self) -> None:
        name = 'Ola "the\nman", Nordmann'

        (row,) = await rows([stored(customer_name=name)])

        assert row["customerName"] == name

    async def test_needs_nothing_else_of_an_order(self) -> None:
        bare = order_document(an_order(order_form=None))

        (row,) = await rows([bare])

        assert (row["id"], row["total"], row["lines"]) == ("ORD-2024-000001", "", "0")
        assert all(re.fullmatch(r"[A-Za-z.]+", path) for path in MEMBERS)


class TestSpreadsheet:
    async def test_has_a_header_and_a_row_for_each_order(self) -> None:
        file = await made(spreadsheet(in_batches([stored(id="1")], [stored(id="2")])))

        header, *found = cells(file)
        assert header == [column.name for column in COLUMNS]
        assert [row[0] for row in found] == ["1", "2"]
        assert "1098" in found[0]

    async def test_has_no_formulas_and_no_cell_that_is_too_long(self) -> None:
        order = stored(customer_name=TRAP, customer_phone="x" * 32_768)

        _, row = cells(await made(spreadsheet(in_batches([order]))))

        assert TRAP in row
        assert "x" * 32_767 in row

    @pytest.mark.parametrize("year", [2, 1899, 9999])
    async def test_is_made_of_moments_that_it_cannot_show(self, year: int) -> None:
        order = stored(completed=datetime(year, 1, 1, tzinfo=UTC))

        assert len(cells(await made(spreadsheet(in_batches([order]))))) == 2


@pytest.mark.parametrize("write", [json_lines, comma_separated, spreadsheet])
async def test_ten_times_the_orders_take_no_more_memory(
    write: Callable[[Batches], AsyncGenerator[bytes, None]],
) -> None:
    batch = [stored()] * 50

    async def peak(times: int) -> int:
        tracemalloc.start()
        async for _ in write(in_batches(*[batch] * times)):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    # The least of three: whatever else the process does meanwhile counts too.
    few = min([await peak(2) for _ in range(3)])
    many = min([await peak(20) for _ in range(3)])

    assert many < 2 * few


def test_the_description_names_every_column() -> None:
    described = " ".join((ExportRequest.__doc__ or "").split())

    assert ", ".join(column.name for column in COLUMNS) in described
