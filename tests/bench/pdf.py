"""`pdf`: documents set by one process on one core, the api's own way; every order is another.

`python -m tests.bench.pdf NAME` sets the documents of one template and prints how long it took.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import islice
from time import perf_counter
from typing import Any, Final

from pydantic_core import from_json, to_json

from contracts.order import Order
from contracts.settings import DEFAULT
from contracts.stored import Stored, order_document, order_model
from services.api.entrypoints.documents.content import sheet
from services.api.entrypoints.typesetting import AT_ONCE, NAMES, Typesetter
from services.workflow.domain.calculate import Pricing, calculate
from tests.bench.client import order
from tests.bench.places import Say

WANTED: Final = 100
WARMED_UP: Final = 20
SET: Final = 300
AT: Final = datetime(2024, 11, 20, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Batch:
    """How many documents were set in which time, and how many bytes they have."""

    documents: int
    seconds: float
    size: int

    @property
    def rate(self) -> float:
        """Documents a second."""
        return self.documents / self.seconds


async def run(say: Say) -> dict[str, Any]:
    """Set each kind of document in a process of its own, all on the same core."""
    rows = []
    for name in NAMES:
        say(name)
        found = await _measured(name)
        rows.append(
            {
                "load": name,
                "floor": {"pdfs_per_second": WANTED},
                "kontor": {
                    "pdfs_per_second": round(found.rate),
                    "kilobytes_each": round(found.size / found.documents / 1024),
                },
                "ratio": round(found.rate / WANTED, 2),
            }
        )
    return {"benchmark": "pdf", "rows": rows}


async def _measured(name: str) -> Batch:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.pdf", name), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{name} could not be set")
    return Batch(**from_json(out))


async def _set_on_one_core(name: str) -> Batch:
    """Set documents of different orders, as many at a time as the api does."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    typesetter = Typesetter()
    orders = _orders()

    async def worker(mine: list[Stored]) -> int:
        return sum([len(await typesetter.pdf(name, partial(_written, one), at=AT)) for one in mine])

    async def batch(count: int) -> Batch:
        shares = [list(islice(orders, count // AT_ONCE)) for _ in range(AT_ONCE)]
        began = perf_counter()
        sizes = await asyncio.gather(*map(worker, shares))
        return Batch(sum(map(len, shares)), perf_counter() - began, sum(sizes))

    await batch(WARMED_UP)
    found = await batch(SET)
    typesetter.close()
    return found


def _orders() -> Iterator[Stored]:
    """Yield the example with other ids, names and prices: typst remembers what it has set once."""
    for number in range(WARMED_UP + SET):
        example = Order.model_validate_json(order(number, "P")[1])
        form = example.order_form
        assert form is not None
        lines = [
            line.model_copy(
                update={
                    "code": f"SKU-{number:05}-{place}",
                    "display_name": f"Product {number} with a readable name",
                    "placed_price": Decimal(100 + number) + Decimal("0.37") * place,
                }
            )
            for place, line in enumerate(form.line_items or ())
        ]
        shipments = [one.model_copy(update={"line_items": lines}) for one in form.shipments or ()]
        update = {"line_items": lines, "shipments": shipments}
        changed = {
            "customer_name": f"Customer Number {number}",
            "order_form": form.model_copy(update=update),
        }
        priced = calculate(example.model_copy(update=changed), Pricing(Decimal(25)))
        yield order_document(priced)


def _written(stored: Stored) -> bytes:
    return to_json(sheet(order_model(stored), DEFAULT, None))


if __name__ == "__main__":
    print(to_json(asyncio.run(_set_on_one_core(sys.argv[1]))).decode())
